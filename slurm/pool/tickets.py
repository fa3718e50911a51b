"""The texts of a pool as files: what waits, what runs where, what has ended.

A ticket is one submitted text. The driver opens tickets; workers (jobs of a cluster, one process each, with a child
process for each text that runs) take them, run them, and say how they ended. Below the pool's folder:

``open/<ticket>.json``                the text, until a worker takes it
``taken/<run>/<ticket>.json``         the same file, moved: the move is the claim, and exactly one process makes it
``ended/<run>.jsonl``                 how tickets of that run of a worker ended, one JSON record a line
``ended/driver.jsonl``                how those ended that the driver settled: cancelled before they began, or lost
``cancelled/<job>``                   the driver asks for the ticket's end
``workers/<run>.json``                what a run of a worker has, rewritten as it changes and as a sign of life
``closed``                            nothing more will come: a worker leaves as soon as nothing is open

A run is ``<worker>.<n>``: Slurm may start a job again, and the run before it may live on a node that was cut off. No
file has two writers. A ticket's file leaves ``taken`` only after its end is on disk. Standard library only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
OPEN, TAKEN, ENDED, CANCELLED, WORKERS, CLOSED = "open", "taken", "ended", "cancelled", "workers", "closed"
DRIVER = "driver"
"""The run under which the driver settles tickets itself."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One text that waits for a worker."""

    number: int
    """Tickets are taken in this order."""
    job: str
    """The id that the driver knows it by: ``<submission's name>.<index of the text>``."""
    call: str
    """"module:function"."""
    text: str
    log: str
    """File, absolute, to which the output of what runs is appended."""
    avoid: tuple[str, ...] = ()
    """Hosts that do not take it."""

    @property
    def file(self) -> str:
        return f"{self.number:08d}-{self.job}.json"

    @property
    def least_s(self) -> float | None:
        """Seconds from its start until it has something to keep, where the text (a JSON object) says so; a worker that
        has less left does not take it."""
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            return float(json.loads(self.text).get("least_s"))
        return None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a ticket ended."""

    job: str
    state: str
    """The value of a :class:`slurm.jobs.JobState` that is over."""
    reason: str = ""
    """In words a user can act on."""
    text: str | None = None
    """What the function gave; None where it gave nothing."""
    host: str | None = None
    began: float | None = None
    ended: float = 0.0
    """Seconds since the Unix epoch."""
    slots: int = 1
    """Texts that could run on its device at a time when it began."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What one run of a worker has."""

    host: str
    pid: int
    since: float
    until: float | None
    """When its time is up; seconds since the Unix epoch. None: no limit."""
    seen: float
    devices: tuple[str, ...]
    """One name for each device: of a GPU as CUDA_VISIBLE_DEVICES takes it, or of a group of cores."""
    slots: int
    """Texts that may run on each device at a time, by now."""
    running: int = 0
    leaving: str = ""
    """Why it takes no more; "" while it does."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The text that a worker's job is submitted with: ``slurm.pool.worker:run`` takes it as JSON."""

    schema: int = SCHEMA
    pool: str
    """The pool's folder, absolute."""
    worker: str
    """Its name, unique in the pool."""
    preload: str
    """Module whose ``preload()``, where it has one, is called once before any child is made: what children share."""
    gpus_per_ticket: int
    """0: tickets run on cores."""
    cpus_per_ticket: int
    slots: int | str
    """Tickets at a time on one device (so many GPUs, or so many cores), or "auto"."""
    limit_s: float | None
    """From the job's begin; None: none."""
    lead_s: float
    """How long before it Slurm warns."""
    reserve_s: float
    """Takes no ticket with less than this left before the warning, or less than the ticket's ``least_s``."""
    idle_s: float
    """Leaves when nothing was open for so long."""
    environment: dict[str, str] = field(default_factory=dict)
    """Of the children, beside the worker's own."""


class Pool:
    """The pool's folder. Every call is safe beside any number of other processes that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        for name in (OPEN, TAKEN, ENDED, CANCELLED, WORKERS):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    # -- the driver's side ---------------------------------------------------------------------------------------------

    def put(self, ticket: Ticket) -> None:
        """Opens a ticket: it is there whole or not at all."""
        record = json.dumps({"schema": SCHEMA, **dataclasses.asdict(ticket)})
        _put(self.folder / OPEN / ticket.file, record)

    def withdraw(self, file: str) -> bool:
        """Takes a ticket back before a worker has it; whether that went well."""
        (self.folder / TAKEN / DRIVER).mkdir(exist_ok=True)
        return self.take(file, DRIVER) is not None

    def ask_to_end(self, job: str) -> None:
        (self.folder / CANCELLED / job).touch()

    def close(self) -> None:
        (self.folder / CLOSED).touch()

    def reopen(self) -> None:
        (self.folder / CLOSED).unlink(missing_ok=True)

    # -- both sides ----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return (self.folder / CLOSED).exists()

    def open_files(self) -> list[str]:
        """Files of the open tickets, in the order in which they are to be taken."""
        return _names(self.folder / OPEN)

    def taken_files(self) -> dict[str, list[str]]:
        """Run -> files of the tickets that it has taken and not said the end of."""
        return {run: found for run in _names(self.folder / TAKEN, "") if (found := _names(self.folder / TAKEN / run))}

    def asked_to_end(self) -> set[str]:
        """Jobs of which the driver wants the end."""
        return set(_names(self.folder / CANCELLED, ""))

    def read(self, path: Path) -> Ticket | None:
        """None where it is gone, or from another version."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.pop("schema", None) != SCHEMA:
            return None
        return Ticket(**{**record, "avoid": tuple(record["avoid"])})

    def runs(self) -> dict[str, Worker]:
        """Run -> what it has, of all that said so."""
        found = {}
        for name in _names(self.folder / WORKERS):
            with contextlib.suppress(OSError, ValueError, TypeError):
                record = json.loads((self.folder / WORKERS / name).read_text(encoding="utf-8"))
                record["devices"] = tuple(record["devices"])
                found[name.removesuffix(".json")] = Worker(**record)
        return found

    # -- the worker's side ---------------------------------------------------------------------------------------------

    def join(self, worker: str) -> str:
        """A new run of a worker: its folder under ``taken`` is made, by exactly one process."""
        number = 0
        while True:
            run = f"{worker}.{number}"
            try:
                (self.folder / TAKEN / run).mkdir()
            except FileExistsError:
                number += 1
                continue
            return run

    def take(self, file: str, run: str) -> Ticket | None:
        """Moves an open ticket to a run; None where another was faster."""
        target = self.folder / TAKEN / run / file
        try:
            (self.folder / OPEN / file).rename(target)
        except OSError:
            if not target.exists():  # a file server that answers twice has moved it for us
                return None
        return self.read(target)

    def give_back(self, ticket: Ticket, run: str) -> None:
        """Opens a taken ticket again."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / TAKEN / run / ticket.file).rename(self.folder / OPEN / ticket.file)

    def end(self, ended: Ended, run: str, file: str) -> None:
        """Says how a ticket ended; only then it is no longer taken."""
        line = json.dumps({"schema": SCHEMA, **dataclasses.asdict(ended)}) + "\n"
        with (self.folder / ENDED / f"{run}.jsonl").open("a", encoding="utf-8") as target:
            target.write(line)
            target.flush()
            os.fsync(target.fileno())
        (self.folder / TAKEN / run / file).unlink(missing_ok=True)

    def tell(self, run: str, worker: Worker) -> None:
        _put(self.folder / WORKERS / f"{run}.json", json.dumps(dataclasses.asdict(worker)))


def ends(path: Path, offset: int = 0) -> tuple[list[Ended], int]:
    """Whole records of a run's file from byte ``offset`` on, and the offset after them."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            block = file.read()
    except FileNotFoundError:
        return [], offset
    whole = block[: block.rfind(b"\n") + 1]
    return list(_records(whole)), offset + len(whole)


def _records(block: bytes) -> Iterator[Ended]:
    for line in block.splitlines():
        with contextlib.suppress(ValueError, TypeError):  # what a crash of the file server left
            record: dict[str, Any] = json.loads(line)
            if record.pop("schema", None) == SCHEMA:
                yield Ended(**record)


def _put(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _names(folder: Path, suffix: str = ".json") -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(item.name for item in entries if item.name.endswith(suffix) and not item.name.startswith("."))
    except FileNotFoundError:
        return []
