"""A fold's journal: what happened in its training, one JSON record a line, flushed as it happens.

Each attempt of a fold writes ``attempt-<n>/metrics.jsonl`` below the fold's folder; no file ever has two writers. The
newest attempt counts: it says in its Start record after which epoch it resumed, and whatever an older
attempt wrote beyond that epoch (a node that was cut off and trained on) is dropped by :func:`read_fold`.
Loads without torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, ClassVar, Literal, NamedTuple

from trainer import previous
from trainer.codec import SINCE, Format, from_plain
from trainer.device_kind import SLOTS, DeviceKind
from trainer.errors import JournalError, OtherVersion, SpecError
from trainer.files import Kept
from trainer.seal import opened, sealed

FILE = "metrics.jsonl"
NEWLINE = b"\n"


class Status(StrEnum):
    """How a fold ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"


JOURNAL = Format(name="journal", schema=2, previous={"Start": previous.start})


@dataclass(frozen=True, kw_only=True)
class Start:
    """An attempt has begun."""

    FORMAT: ClassVar[Format] = JOURNAL

    kind: Literal["start"] = "start"
    schema: int = JOURNAL.schema
    digest: str
    """The fold's digest."""
    attempt: int
    resumed_epoch: int
    """Epochs already done when this attempt began; 0 for a fresh start."""
    time: float
    """Seconds since the Unix epoch, as in every record."""
    data_digest: str
    split_hash: str
    """SHA-256 over the data digest and the sorted held-out, validation and training indices."""
    n_train: int
    n_validation: int
    n_heldout: int
    references: Mapping[str, float]
    """Metric -> what knowing nothing scores on the held-out part, of the metrics of which that is known."""
    n_parameters: int
    device: str
    device_name: str
    threads: int
    host: str
    pid: int
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions (python, torch, cuda, driver) and Slurm ids, where there are any."""
    code: str = ""
    """Digest of the trainer's sources that ran."""
    n_heldout_searched: int | None = field(default=None, metadata={SINCE: 2})
    """Held-out items that the study's searches may use; None where nothing keeps the two apart."""
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict, metadata={SINCE: 2})
    """What trivial predictors score on the held-out part: predictor, in words -> metric -> value."""
    case: str = field(default="", metadata={SINCE: 2})
    """Name of the task's case that the fold is; "" where folds are no cases."""

    @property
    def device_kind(self) -> DeviceKind:
        """Of the device that the attempt trains on."""
        slots = self.environment.get(SLOTS, "1")
        return DeviceKind(self.device, self.device_name, int(slots) if slots.isdigit() else 1, self.threads)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """An epoch is over. ``metrics`` are named ``part/metric``: parts train, train_clean, validation (the latter two of
    validated epochs only); metrics are the task's. ``activation`` holds learned parameters as ``layer/parameter``."""

    FORMAT: ClassVar[Format] = JOURNAL

    kind: Literal["epoch"] = "epoch"
    epoch: int
    """Counted from 1."""
    time: float
    metrics: Mapping[str, float]
    train_s: float
    evaluate_s: float
    rest_s: float
    """Checkpoint, journal and everything else of the epoch before this record; of the previous epoch's end, too."""
    peak_memory_mb: float
    activation: Mapping[str, float] = field(default_factory=dict)
    stage: str = field(default="", metadata={SINCE: 2})
    """Name of the stage that the epoch is of, where the task trains in more than one."""
    learning_rate: float | None = field(default=None, metadata={SINCE: 2})
    """Of its last step, where a schedule moves it."""
    utilisation: Mapping[str, float] = field(default_factory=dict)
    """Sampled load of this fold's own device (gpu_percent, gpu_memory_mb), where there is one."""
    energy_j: float | None = field(default=None, metadata={SINCE: 2})
    """That the whole device used in training and evaluation, in joules; None where it does not tell."""

    @property
    def seconds(self) -> float:
        """All that the epoch took."""
        return self.train_s + self.evaluate_s + self.rest_s


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The model that one checkpoint rule picks, measured on the held-out part."""

    epoch: int
    metrics: Mapping[str, float]
    """heldout/<metric>, and validation/<metric> and train_clean/<metric> of the same weights."""


@dataclass(frozen=True, kw_only=True)
class End:
    """The fold is over. Its kept files are on disk before this record is."""

    FORMAT: ClassVar[Format] = JOURNAL

    kind: Literal["end"] = "end"
    time: float
    status: Status
    epochs: int
    reason: str
    """Why it ended, in words: "patience", "all epochs", "STOP file", "loss is nan at epoch 3", an error's last line."""
    rule: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By checkpoint rule; empty for a fold that diverged before its first epoch or failed."""
    remarks: Mapping[str, str] = field(default_factory=dict, metadata={SINCE: 2})
    """Metric -> what a reader has to know of the declared rule's outcome: why it is NaN, what looks wrong."""
    kept: Mapping[str, Kept] = field(default_factory=dict, metadata={SINCE: 2})
    """By file name, below the attempt's folder; empty where a version wrote it that did not say."""


Record = Start | Epoch | End
KINDS: dict[str, type[Start] | type[Epoch] | type[End]] = {"start": Start, "epoch": Epoch, "end": End}


@dataclass(frozen=True, kw_only=True)
class FoldHistory:
    """A fold's journal with its attempts resolved. ``epochs`` are in order and without duplicates."""

    start: Start
    epochs: tuple[Epoch, ...]
    end: End | None
    attempts: int
    starts: tuple[Start, ...] = ()
    """Of all attempts that began, in order; the last is ``start``."""

    def by_start(self) -> list[tuple[Start, list[Epoch]]]:
        """The attempts, each with the epochs of it that count; those without any, too."""
        starts = self.starts or (self.start,)
        found: list[tuple[Start, list[Epoch]]] = [(start, []) for start in starts]
        for epoch in self.epochs:
            # an attempt's later epochs do not count once a newer one has resumed before them
            at = max((at for at, start in enumerate(starts) if start.resumed_epoch < epoch.epoch), default=0)
            found[at][1].append(epoch)
        return found

    @property
    def timed_from(self) -> int:
        """The first epoch from which on all were trained on one kind of device by the same sources, the last
        attempt's: an epoch's seconds before it are of another kind."""
        first = 1
        for start, epochs in self.by_start():
            if epochs and (start.device_kind, start.code) != (self.start.device_kind, self.start.code):
                first = epochs[-1].epoch + 1
        return first


class Writer:
    """Appends records to one attempt's journal; the only writer of that file."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = (folder / FILE).open("a", encoding="utf-8")

    def write(self, record: Record) -> None:
        """Appends and forces to disk before it returns."""
        self._file.write(sealed(json.dumps(dataclasses.asdict(record), separators=(",", ":"))) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def parse(line: str | bytes, where: str, *, written: int | None = None) -> Record:
    """One record. NaN and infinities are read as JSON's ``NaN`` and ``Infinity``. ``written``: the schema of the
    journal that the line is from, which its Start record says; None: this version's. Raises :class:`JournalError` for
    a damaged line, and its subclass :class:`OtherVersion` for one of a version that this one does not read."""
    try:
        raw = opened(line if isinstance(line, str) else line.strip(b"\0").decode("utf-8"))
        return from_plain(KINDS[raw["kind"]], raw, written=written)
    except OtherVersion as error:
        raise OtherVersion(f"{where}: {error}; where it is damaged instead, delete its attempt folder") from error
    except (ValueError, KeyError, TypeError, SpecError, RecursionError) as error:
        raise JournalError(f"{where}: not a journal record ({type(error).__name__}: {error})") from error


class Follow(NamedTuple):
    """What was read of a journal."""

    records: list[Record]
    """Of the lines that are whole."""
    offset: int
    """Bytes up to which it was read: a line without its end is left for later."""
    damaged: tuple[str, ...]
    """Each line that is no record, with its number in the file and why: passed over, and nothing whole with it."""


def follow(path: Path, offset: int = 0) -> Follow:
    """Whole records from byte ``offset`` on. Raises :class:`OtherVersion` for a journal of a version that this one does
    not read, and OSError."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            file.seek(offset)
            block = file.read()
    except FileNotFoundError:
        return Follow([], offset, ())
    whole = block[: block.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    written = _schema(first) if lines else None
    records: list[Record] = []
    damaged: list[tuple[int, str]] = []
    at = offset
    for line in lines:
        try:
            records.append(parse(line, str(path), written=written))
        except JournalError as error:
            damaged.append((at, str(error.__cause__)))
        at += len(line) + 1
    return Follow(records, offset + len(whole), _numbered(path, damaged))


def _numbered(path: Path, damaged: list[tuple[int, str]]) -> tuple[str, ...]:
    """Byte offsets of lines as line numbers, in words."""
    text = path.read_bytes() if damaged else b""
    return tuple(f"line {text.count(NEWLINE, 0, at) + 1} is damaged ({why})" for at, why in damaged)


def _schema(first: bytes) -> int | None:
    """The schema that a journal's first line says, which is its Start record."""
    try:
        said = json.loads(first).get("schema")
    except (ValueError, AttributeError):  # follow() tells what is wrong with it
        return None
    return said if type(said) is int else None


def attempts(folder: Path) -> list[int]:
    """Numbers of the attempts below a fold's folder, ascending."""
    return _numbers(folder, "attempt-")


def _numbers(folder: Path, prefix: str) -> list[int]:
    if not folder.is_dir():
        return []
    names = (entry.name.removeprefix(prefix) for entry in folder.iterdir() if entry.name.startswith(prefix))
    return sorted(int(name) for name in names if name.isdigit())


def attempt_folder(folder: Path, attempt: int) -> Path:
    return folder / f"attempt-{attempt}"


def newest_number(folder: Path) -> int:
    """The highest number that any attempt had, set aside or not; 0 before the first."""
    return max([0, *_numbers(folder, "attempt-"), *_numbers(folder, "failed-")])


def set_aside(folder: Path, attempt: int) -> None:
    """Makes the end that an attempt gave its fold count no more: ``attempt-<n>`` becomes ``failed-<n>``, which no
    reader looks into, and its number stays taken. Does nothing where that was done before."""
    if attempt_folder(folder, attempt).is_dir():
        attempt_folder(folder, attempt).rename(folder / f"failed-{attempt}")


def read_fold(folder: Path) -> FoldHistory | None:
    """The fold's resolved history; None before its first Start record."""
    return resolve({number: follow(attempt_folder(folder, number) / FILE).records for number in attempts(folder)})


def resolve(records: Mapping[int, list[Record]]) -> FoldHistory | None:
    """Resolves the records of a fold's attempts (by attempt number): the newest attempt with a Start record counts, and
    of one whose Start record is damaged nothing does."""
    starts: list[Start] = []
    end: End | None = None
    epochs: dict[int, Epoch] = {}
    for number in sorted(records):
        if not any(isinstance(record, Start) for record in records[number]):
            continue
        for record in records[number]:
            if isinstance(record, Start):
                end = None
                starts.append(record)
                epochs = {number: epoch for number, epoch in epochs.items() if number <= record.resumed_epoch}
            elif isinstance(record, Epoch):
                epochs[record.epoch] = record
            else:
                end = record
    if not starts:
        return None
    return FoldHistory(
        start=starts[-1],
        epochs=tuple(epochs[number] for number in sorted(epochs)),
        end=end,
        attempts=len(starts),
        starts=tuple(starts),
    )
