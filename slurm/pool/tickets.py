"""The texts of a pool as files: what waits, what runs where, what has ended.

A ticket is one submitted text. The driver opens tickets; workers (jobs of a cluster, one process each, with a child
process for each text that runs) take them, run them, and say how they ended. Below the pool's folder:

``open/<ticket>.json``                the text, until a worker takes it
``taken/<run>/<ticket>.json``         the same file, moved: the move is the claim, and exactly one process makes it
``ended/<run>.jsonl``                 how tickets of that run of a worker ended, one JSON record a line
``ended/driver.jsonl``                how those ended that the driver settled: cancelled before they began, or lost
``cancelled/<job>``                   the driver asks for the ticket's end
``workers/<run>.json``                what a run of a worker has, rewritten as it changes and as a sign of life
``slots/<run>.json``                  how many tickets at a time that run found its kind of device to bear
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
SLOTS = "slots"
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

    @property
    def own_code(self) -> str:
        """Equal for texts that run the same frozen code of the user's own; "" for those that run none of it. A process
        that has imported one such code is not given another's text; code that is not frozen may change at any time."""
        with contextlib.suppress(ValueError, AttributeError):
            text = json.loads(self.text)
            if (folder := text.get("own_folder")) or text.get("own"):
                return json.dumps([folder or self.job, text.get("own"), text.get("code")], sort_keys=True)
        return ""


def job_of(file: str) -> str:
    """The job whose ticket has a file of that name."""
    return file.removesuffix(".json").partition("-")[2]


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
    devices: int | None = None
    """Most that the job was given; None: all that there are here. Where nothing confines a job to its cores (this
    machine, or a site without cgroups), its worker would take every core for its own."""


class Pool:
    """The pool's folder. Every call is safe beside any number of other processes that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        for name in (OPEN, TAKEN, ENDED, CANCELLED, WORKERS, SLOTS):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    # -- the driver's side ---------------------------------------------------------------------------------------------

    def put(self, ticket: Ticket) -> None:
        """Opens a ticket: it is there whole or not at all."""
        record = json.dumps({"schema": SCHEMA, **dataclasses.asdict(ticket)})
        _put(self.folder / OPEN / ticket.file, record)

    def withdraw(self, file: str) -> bool:
        """Takes a ticket back before a worker has it; whether that went well."""
        (self.folder / TAKEN / DRIVER).mkdir(exist_ok=True)
        return self.claim(file, DRIVER)

    def seize(self, run: str, file: str) -> bool:
        """Takes a ticket from a run that is over; False where the run has said its end, or given it back, after all."""
        (self.folder / TAKEN / DRIVER).mkdir(exist_ok=True)
        try:
            (self.folder / TAKEN / run / file).rename(self.folder / TAKEN / DRIVER / file)
        except FileNotFoundError:
            return False
        return True

    def ask_to_end(self, job: str) -> None:
        (self.folder / CANCELLED / job).touch()

    def is_asked_to_end(self, job: str) -> bool:
        return (self.folder / CANCELLED / job).exists()

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
        """None where it is gone, damaged, or from another version."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.pop("schema", None) != SCHEMA:
                return None
            return Ticket(**{**record, "avoid": tuple(record["avoid"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

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

    def superseded(self, run: str) -> bool:
        """Whether the worker has a newer run than this one: its job was started again elsewhere."""
        worker, _, number = run.rpartition(".")
        return (self.folder / TAKEN / f"{worker}.{int(number) + 1}").exists()

    def claim(self, file: str, run: str) -> bool:
        """Moves an open ticket to a run; False where another was faster."""
        target = self.folder / TAKEN / run / file
        try:
            (self.folder / OPEN / file).rename(target)
        except OSError:
            return target.exists()  # a file server that answers twice has moved it for us
        return True

    def take(self, file: str, run: str) -> Ticket | None:
        """Moves an open ticket to a run; None where another was faster, or where it cannot be read: then it is taken,
        and its end is to be said."""
        return self.read(self.folder / TAKEN / run / file) if self.claim(file, run) else None

    def has_taken(self, file: str, run: str) -> bool:
        return (self.folder / TAKEN / run / file).exists()

    def give_back(self, ticket: Ticket, run: str) -> None:
        """Opens a taken ticket again. Raises OSError, and can then be done again."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / TAKEN / run / ticket.file).rename(self.folder / OPEN / ticket.file)

    def end(self, ended: Ended, run: str, file: str) -> None:
        """Says how a ticket ended; only then it is no longer taken. Raises OSError (a full disk), and can then be done
        again: what the failed write left is closed by a line end and passed over by :func:`ends`."""
        line = json.dumps({"schema": SCHEMA, **dataclasses.asdict(ended)}) + "\n"
        _append(self.folder / ENDED / f"{run}.jsonl", line.encode())
        (self.folder / TAKEN / run / file).unlink(missing_ok=True)

    def tell(self, run: str, worker: Worker) -> None:
        _put(self.folder / WORKERS / f"{run}.json", json.dumps(dataclasses.asdict(worker)))

    def keep_slots(self, run: str, found: dict[str, Any]) -> None:
        """Keeps what a run found out about its kind of device, for later workers."""
        (self.folder / SLOTS).mkdir(exist_ok=True)
        _put(self.folder / SLOTS / f"{run}.json", json.dumps({"schema": SCHEMA, **found}))

    def kept_slots(self) -> list[dict[str, Any]]:
        """What runs of workers have found out."""
        found = []
        for name in _names(self.folder / SLOTS):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                record = json.loads((self.folder / SLOTS / name).read_text(encoding="utf-8"))
                if record.pop("schema", None) == SCHEMA:
                    found.append(record)
        return found


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
            if isinstance(record, dict) and record.pop("schema", None) == SCHEMA:
                yield Ended(**record)


def _append(path: Path, line: bytes) -> None:
    """Adds a whole line and forces it to disk, or raises OSError and leaves a torn one that the next call closes."""
    target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(target).st_size
        rest = line if not size or os.pread(target, 1, size - 1) == b"\n" else b"\n" + line
        while rest:
            rest = rest[os.write(target, rest) :]
        os.fsync(target)
    finally:
        os.close(target)


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
