"""What a fold's model said of each held-out item, read from the study folder, where the nodes wrote it.

No store keeps it. ``trials/<trial>/fold-<repeat>-<fold>/attempt-<n>/predictions.npz`` holds ``indices`` (the items'
numbers), ``task`` and ``schema``, and arrays with a row an item that the task names; of several attempts the newest one
that has the file counts. Its size and SHA-256 stand in the end of the journal beside it, ``metrics.jsonl``; a version
before wrote none.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.errors import SourceError

FILE, JOURNAL = "predictions.npz", "metrics.jsonl"
SCHEMA = 2
ATTEMPT = re.compile(r"attempt-(\d+)\Z")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Of one run."""

    task: str
    indices: npt.NDArray[np.int64]
    """The items' numbers, ascending."""
    arrays: Mapping[str, npt.NDArray[Any]]
    """By the task's names, a row an item."""


def of_fold(folder: Path, trial: str, repeat: int, fold: int) -> Predictions | None:
    """None where the fold has none. Raises :class:`SourceError` for a file that cannot be read."""
    home = folder / "trials" / trial / f"fold-{repeat}-{fold}"
    found = {int(name.group(1)): path for path in home.glob("attempt-*") if (name := ATTEMPT.match(path.name))}
    files = [path / FILE for _, path in sorted(found.items()) if (path / FILE).is_file()]
    return read(files[-1]) if files else None


def read(path: Path) -> Predictions:
    """Raises :class:`SourceError` for a file that is not what was written, or no predictions of this version."""
    try:
        content = path.read_bytes()
        if (wrong := _changed(path, content)) or not content:
            raise ValueError(wrong or "it is empty")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise SourceError(
            f"{path}: no predictions can be read from it ({error}); report from a whole copy, or have the fold trained "
            "again: `actsweep resume DIR --retry-failed`"
        ) from error
    if int(arrays.pop("schema", np.array(-1))) != SCHEMA or "indices" not in arrays:
        raise SourceError(f"{path}: not predictions of version {SCHEMA}; report with the version that wrote them")
    task, indices = str(arrays.pop("task", "")), arrays.pop("indices")
    return Predictions(
        task=task,
        indices=indices,
        arrays={name: array for name, array in arrays.items() if array.shape[:1] == indices.shape},
    )


def _changed(path: Path, content: bytes) -> str:
    """How a file differs from what its journal says of it, in words; "" where it does not, or nothing is said."""
    try:
        last = json.loads((path.parent / JOURNAL).read_bytes().splitlines()[-1])
        size, sha = int(last["kept"][FILE]["size"]), str(last["kept"][FILE]["sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    if len(content) != size:
        return f"it has {len(content)} bytes, was written with {size}"
    return "" if hashlib.sha256(content).hexdigest() == sha else "it is not what was written: its SHA-256 differs"


def of_rows(folder: Path, rows: pd.DataFrame, names: Sequence[str]) -> list[tuple[dict[str, Any], Predictions]]:
    """The predictions of some runs, with each run's row of the cube, where they have every array of ``names``."""
    found = []
    for row in rows.to_dict(orient="records"):
        mine = of_fold(folder, str(row["trial"]), int(row["repeat"]), int(row["fold"]))
        if mine is not None and set(names) <= mine.arrays.keys():
            found.append(({str(key): value for key, value in row.items()}, mine))
    return found
