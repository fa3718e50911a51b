"""What was meant to be submitted, written before it is: how a restarted driver knows its jobs.

Each call of submit has a folder ``<name>`` with ``record.json`` (the chunks, and Slurm's id of each accepted one),
``texts.jsonl`` (the payloads' texts), submitit's scripts and pickles, and the logs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm.errors import ClusterError

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Texts ``start`` to ``start + count - 1`` of a call, as one array (or one job, where there is one text)."""

    name: str
    """The job's name in Slurm, with ``start`` in it: Slurm alone can say which texts a job has."""
    start: int
    count: int
    partition: str | None
    job: str | None = None
    """Slurm's id of the array, once accepted."""

    def ids(self, root: str) -> list[str]:
        """Job ids of the chunk's texts in order, when Slurm gave it the id ``root``."""
        return [root] if self.count == 1 else [f"{root}_{task}" for task in range(self.count)]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One call of submit."""

    name: str
    folder: Path
    call: str
    at: float
    chunks: tuple[Chunk, ...]

    def with_job(self, chunk: Chunk, job: str) -> Record:
        """The same with a chunk's id known."""
        known = dataclasses.replace(chunk, job=job)
        return dataclasses.replace(
            self, chunks=tuple(known if each.name == chunk.name else each for each in self.chunks)
        )

    def texts(self) -> list[str]:
        """The payloads' texts in order."""
        with (self.folder / "texts.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def write(self) -> None:
        """Aside and renamed: whole or not at all."""
        chunks = [dataclasses.asdict(chunk) for chunk in self.chunks]
        text = json.dumps({"schema": SCHEMA, "name": self.name, "call": self.call, "at": self.at, "chunks": chunks})
        _write(self.folder / "record.json", text)


def begin(name: str, folder: Path, call: str, texts: Sequence[str], chunks: Sequence[Chunk]) -> Record:
    """Writes down what is about to be submitted."""
    record = Record(name=name, folder=folder / name, call=call, at=time.time(), chunks=tuple(chunks))
    record.folder.mkdir(parents=True, exist_ok=True)
    _write(record.folder / "texts.jsonl", "".join(json.dumps(text) + "\n" for text in texts))
    record.write()
    return record


def load(folder: Path) -> Record | None:
    """The record in a call's folder, or None; raises :class:`slurm.errors.ClusterError` for one of another version."""
    path = folder / "record.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise ClusterError(f"{path}: not a record of a submission ({problem})") from None
    if fields.pop("schema", None) != SCHEMA:
        raise ClusterError(f"{path}: written by another version of actsweep; finish the study with that version")
    chunks = tuple(Chunk(**chunk) for chunk in fields.pop("chunks"))
    return Record(folder=folder, chunks=chunks, **fields)


def load_all(folder: Path) -> Iterator[Record]:
    """The records of all calls below a folder."""
    for path in sorted(folder.glob("*/record.json")):
        record = load(path.parent)
        if record is not None:
            yield record


def _write(path: Path, text: str) -> None:
    aside = path.with_suffix(".part")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
