"""What was meant to be submitted, written before it is: how a restarted driver knows its jobs.

Each call of submit has a folder ``<name>`` with ``record.json`` (the arrays, and Slurm's id of each accepted one),
``texts.jsonl`` (the payloads' texts), submitit's scripts and pickles, and the logs.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import executor
from slurm.errors import ClusterError
from slurm.files import write_whole

SCHEMA = 1
RECORD = "record.json"
ARRAYS = "chunks"
"""The arrays' name in the file."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """Texts ``start`` to ``start + count - 1`` of a call, as one array (or one job, where there is one text)."""

    name: str
    """The job's name in Slurm, with ``start`` in it: Slurm alone can say which texts a job has."""
    start: int
    count: int
    partition: str | None
    job: str | None = None
    """Slurm's id of the array, once accepted."""

    def ids(self, root: str) -> list[str]:
        """Job ids of the array's texts in order, when Slurm gave it the id ``root``."""
        return [root] if self.count == 1 else [f"{root}_{task}" for task in range(self.count)]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One call of submit."""

    name: str
    folder: Path
    call: str
    at: float
    arrays: tuple[Array, ...]

    def with_job(self, array: Array, job: str) -> Submission:
        """The same with an array's id known."""
        known = dataclasses.replace(array, job=job)
        return dataclasses.replace(
            self, arrays=tuple(known if each.name == array.name else each for each in self.arrays)
        )

    def texts(self) -> list[str]:
        """The payloads' texts in order."""
        with (self.folder / "texts.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def write(self) -> None:
        """Whole or not at all."""
        arrays = [dataclasses.asdict(array) for array in self.arrays]
        fields = {"schema": SCHEMA, "name": self.name, "call": self.call, "at": self.at, ARRAYS: arrays}
        write_whole(self.folder / RECORD, json.dumps(fields))


def begin(name: str, folder: Path, call: str, texts: Sequence[str], arrays: Sequence[Array]) -> Submission:
    """Writes down what is about to be submitted."""
    submission = Submission(name=name, folder=folder / name, call=call, at=time.time(), arrays=tuple(arrays))
    submission.folder.mkdir(parents=True, exist_ok=True)
    write_whole(submission.folder / "texts.jsonl", "".join(json.dumps(text) + "\n" for text in texts))
    submission.write()
    return submission


def load(folder: Path) -> Submission | None:
    """The submission kept in a call's folder, or None.

    Raises :class:`slurm.errors.ClusterError` for one of another version.
    """
    path = folder / RECORD
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise ClusterError(f"{path}: not a record of a submission ({problem})") from None
    if fields.pop("schema", None) != SCHEMA:
        raise ClusterError(f"{path}: written by another version of actsweep; finish the study with that version")
    arrays = tuple(Array(**array) for array in fields.pop(ARRAYS))
    return Submission(folder=folder, arrays=arrays, **fields)


def load_all(folder: Path) -> Iterator[Submission]:
    """The submissions of all calls below a folder."""
    for path in sorted(folder.glob(f"*/{RECORD}")):
        submission = load(path.parent)
        if submission is not None:
            yield submission


def log(job: str, folder: Path) -> Path | None:
    """Where the job's standard output and error go; None for one that no array below the folder has."""
    root = job.partition("_")[0]
    for submission in load_all(folder):
        if any(array.job == root for array in submission.arrays):
            return executor.log_path(submission.folder, job)
    return None
