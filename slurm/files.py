"""Files that are there whole or not at all, whoever looks and whenever the process dies."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slurm.errors import ClusterError

SCHEMA = 1
"""Of the records of jobs."""


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; after the block what was written is on disk, and then it has the name."""
    aside = path.with_suffix(".part")
    yield aside
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def write_whole(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """A record of a job, as JSON."""
    write_whole(path, json.dumps({"schema": SCHEMA, **record}))


def read_record(path: Path) -> dict[str, Any]:
    """What :func:`write_record` wrote. Raises :class:`slurm.errors.ClusterError` for anything else."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ClusterError(f"{path}: not a record of a job ({problem})") from None
    if record.get("schema") != SCHEMA:
        raise ClusterError(f"{path}: written by another version (schema {record.get('schema')}, known is {SCHEMA})")
    return record
