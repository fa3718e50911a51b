"""Predictions of a fold, from the study folder: the newest attempt's, or a message that names the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import SourceError
from analysis.runs import predictions


def put(folder: Path, attempt: str, **arrays: object) -> Path:
    path = folder / "trials" / "relu-c000" / "fold-1-2" / attempt / "predictions.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"schema": 2, "task": "regression", "indices": np.arange(3), **arrays}
    np.savez(path, allow_pickle=False, **{name: np.asarray(value) for name, value in given.items()})
    return path


def test_the_newest_attempt_that_has_some_counts(tmp_path: Path) -> None:
    for number in (2, 10):
        put(tmp_path, f"attempt-{number}", target=np.full((3, 1), number))
    put(tmp_path, "failed-11", target=np.zeros((3, 1)))
    (tmp_path / "trials/relu-c000/fold-1-2/attempt-12").mkdir()
    found = predictions.of_fold(tmp_path, "relu-c000", 1, 2)
    assert found is not None
    assert (found.task, found.indices.tolist(), found.arrays["target"][0, 0]) == ("regression", [0, 1, 2], 10)
    assert predictions.of_fold(tmp_path, "relu-c000", 0, 0) is None


def test_only_arrays_with_a_row_an_item_are_given(tmp_path: Path) -> None:
    put(tmp_path, "attempt-1", score=np.zeros(3), centre=np.zeros(5))
    found = predictions.of_fold(tmp_path, "relu-c000", 1, 2)
    assert found is not None
    assert list(found.arrays) == ["score"]


def test_runs_without_the_arrays_that_are_asked_for_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "attempt-1", score=np.zeros(3))
    rows = pd.DataFrame({"trial": ["relu-c000", "elu-c000"], "repeat": [1, 1], "fold": [2, 2]})
    assert [row["trial"] for row, _ in predictions.of_rows(tmp_path, rows, ["score"])] == ["relu-c000"]
    assert predictions.of_rows(tmp_path, rows, ["score", "kind"]) == []


@pytest.mark.parametrize("how", ["torn", "empty", "other version", "no items"])
def test_a_file_that_is_none_is_named(tmp_path: Path, how: str) -> None:
    path = put(tmp_path, "attempt-1", **({"schema": 9} if how == "other version" else {}))
    if how == "torn":
        path.write_bytes(path.read_bytes()[:40])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "no items":
        np.savez(path, schema=np.array(2))
    with pytest.raises(SourceError, match=r"attempt-1/predictions\.npz"):
        predictions.of_fold(tmp_path, "relu-c000", 1, 2)


def test_a_file_that_is_not_what_its_journal_says_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, "attempt-1", score=np.zeros(3))
    whole = path.read_bytes()
    kept = {"predictions.npz": {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}}
    (path.parent / "metrics.jsonl").write_text('{"kind":"start"}\n' + json.dumps({"kind": "end", "kept": kept}) + "\n")
    assert predictions.read(path).indices.tolist() == [0, 1, 2]
    put(tmp_path, "attempt-1", score=np.ones(3))  # whole, and another's
    with pytest.raises(SourceError, match=r"predictions\.npz: .*SHA-256 differs.*--retry-failed"):
        predictions.read(path)
    path.write_bytes(whole[:-5])
    with pytest.raises(SourceError, match=f"{len(whole) - 5} bytes, was written with {len(whole)}"):
        predictions.read(path)
