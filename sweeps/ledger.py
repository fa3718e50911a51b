"""The ledger: the driver's decisions, one JSON record a line, forced to disk before they are acted upon.

State is a replay: :func:`replay` folds the records into a :class:`State`, and whatever the driver knows beyond that it
reads from journals and from the cluster. A torn last line is dropped, and cut off before the next record is appended.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from sweeps.errors import LedgerError
from trainer.errors import SpecError
from trainer.spec import Options, Phase, from_plain

FILE = "ledger.jsonl"
SCHEMA = 1

NODES_FAULT = ("failed", "node failed", "finished")
"""Ends that may be the node's doing. A pause, a time limit and a preemption say nothing of it."""

FoldKey = str
"""``<trial>/fold-<repeat>-<fold>``: the fold's folder below ``trials/``."""


def trial_of(fold: FoldKey) -> str:
    return fold.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Opened:
    kind: Literal["opened"] = "opened"
    schema: int = SCHEMA
    sweep: str
    """Random: tells the jobs of this folder from those of another run of the same study."""
    study: str
    study_digest: str
    time: float


@dataclass(frozen=True, kw_only=True)
class TrialAdded:
    """A searcher's suggestion, or a winner's re-run. ``index`` counts the trials of one label in one phase."""

    kind: Literal["trial_added"] = "trial_added"
    trial: str
    label: str
    activation: str
    phase: Phase
    index: int
    params: Options
    training: Options
    folds: tuple[FoldKey, ...]
    config: Options
    """As the searcher gave it, to be told with its results."""


@dataclass(frozen=True, kw_only=True)
class Exhausted:
    """The searcher of a label has no further suggestion."""

    kind: Literal["exhausted"] = "exhausted"
    label: str
    trials: int


@dataclass(frozen=True, kw_only=True)
class Submitting:
    """Written before a submission, so that one cut short is looked up on the cluster, never repeated blindly."""

    kind: Literal["submitting"] = "submitting"
    batch: int
    name: str
    packs: tuple[tuple[FoldKey, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """``jobs[i]`` runs ``packs[i]`` of the batch; None for a pack that did not get in."""

    kind: Literal["submitted"] = "submitted"
    batch: int
    jobs: tuple[str | None, ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A trial's mean over its folds at an epoch, as told to searcher and scheduler, and what the scheduler decided."""

    kind: Literal["reported"] = "reported"
    trial: str
    epoch: int
    metrics: Mapping[str, float]
    stop: bool


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """STOP files of the trial's folds follow this record."""

    kind: Literal["stopping"] = "stopping"
    trial: str
    epoch: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class JobOver:
    """A job is over. ``folds`` are those of its pack that are not, and ``counted`` says that it spent one of their
    retries."""

    kind: Literal["job_over"] = "job_over"
    job: str
    state: str
    reason: str
    node: str | None
    folds: tuple[FoldKey, ...]
    epochs: int
    """Epochs in the journals of those folds at the time: more than at the last loss means that a retry gets on."""
    counted: bool


@dataclass(frozen=True, kw_only=True)
class GaveUp:
    """No further submission for a fold that has no end of its own: infrastructure, or out of memory."""

    kind: Literal["gave_up"] = "gave_up"
    fold: FoldKey
    reason: str


@dataclass(frozen=True, kw_only=True)
class Completed:
    """Every fold of the trial is over. ``metrics`` are means over the folds at the declared rule's epoch; empty where a
    fold diverged, failed or was given up, which counts as the worst result a searcher can be told."""

    kind: Literal["completed"] = "completed"
    trial: str
    status: Literal["finished", "stopped", "diverged", "failed", "infra_failed"]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """The user wants another try of trials that are over: ``folds`` are those that failed or were given up. One record
    for all, for a search of which one setting alone were tried again would choose that one. What a search was told of
    them stays told, so that its later suggestions can be replayed."""

    kind: Literal["reopened"] = "reopened"
    trials: tuple[str, ...]
    folds: tuple[FoldKey, ...]
    failed: Mapping[FoldKey, int]
    """The attempt with which a fold of them ended; that attempt is set aside after this record."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The winner of a label's search, chosen on validation metrics alone."""

    kind: Literal["selected"] = "selected"
    label: str
    trial: str
    metric: str
    value: float
    among: int


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The user stopped the sweep: its jobs were cancelled and are free to be submitted again by a later driver."""

    kind: Literal["paused"] = "paused"
    time: float


@dataclass(frozen=True, kw_only=True)
class Finished:
    kind: Literal["finished"] = "finished"
    time: float


Record = (
    Opened
    | TrialAdded
    | Exhausted
    | Submitting
    | Submitted
    | Reported
    | Stopping
    | JobOver
    | GaveUp
    | Completed
    | Reopened
    | Selected
    | Paused
    | Finished
)
_TYPES: tuple[type[Record], ...] = (
    Opened,
    TrialAdded,
    Exhausted,
    Submitting,
    Submitted,
    Reported,
    Stopping,
    JobOver,
    GaveUp,
    Completed,
    Reopened,
    Selected,
    Paused,
    Finished,
)
KINDS: dict[str, type[Record]] = {str(t.__dataclass_fields__["kind"].default): t for t in _TYPES}


@dataclass(kw_only=True)
class State:
    """What the ledger says. Changed by :meth:`apply` alone."""

    opened: Opened | None = None
    trials: dict[str, TrialAdded] = field(default_factory=dict)
    exhausted: dict[str, int] = field(default_factory=dict)
    batches: dict[int, Submitting] = field(default_factory=dict)
    unanswered: dict[int, Submitting] = field(default_factory=dict)
    """Submissions begun and not known to have ended."""
    job_of: dict[FoldKey, str] = field(default_factory=dict)
    """The job that is to run the fold now."""
    batch_of: dict[str, int] = field(default_factory=dict)
    folds_of: dict[str, tuple[FoldKey, ...]] = field(default_factory=dict)
    """Job -> its pack, for jobs that are not known to be over."""
    spent: dict[FoldKey, int] = field(default_factory=dict)
    """Retries that counted."""
    epochs_at_loss: dict[FoldKey, int] = field(default_factory=dict)
    """Epochs of the fold's pack when its last job was lost."""
    nodes: dict[FoldKey, list[str]] = field(default_factory=dict)
    """Nodes on which jobs of the fold were lost."""
    gave_up: dict[FoldKey, str] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    """Trial -> last epoch told."""
    stopping: dict[str, Stopping] = field(default_factory=dict)
    completed: dict[str, Completed] = field(default_factory=dict)
    reopened: set[str] = field(default_factory=set)
    """Trials with another try: searcher and scheduler hear of them no more."""
    reopenings: list[Reopened] = field(default_factory=list)
    selected: dict[str, Selected] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    """Jobs that a pause cancelled: their folds are free again and lost nothing."""
    finished: bool = False

    def apply(self, record: Record) -> None:
        if isinstance(record, Opened):
            self.opened = record
        elif isinstance(record, TrialAdded):
            self.trials[record.trial] = record
            self.finished = False
        elif isinstance(record, Exhausted):
            self.exhausted[record.label] = record.trials
        elif isinstance(record, Submitting):
            self.batches[record.batch] = self.unanswered[record.batch] = record
        elif isinstance(record, Submitted):
            self._submitted(self.unanswered.pop(record.batch), record)
        elif isinstance(record, Reported):
            self.reported[record.trial] = record.epoch
        elif isinstance(record, Stopping):
            self.stopping[record.trial] = record
        elif isinstance(record, JobOver):
            self._job_over(record)
        elif isinstance(record, GaveUp):
            self.gave_up[record.fold] = record.reason
        elif isinstance(record, Completed):
            self.completed[record.trial] = record
        elif isinstance(record, Reopened):
            self._reopened(record)
        elif isinstance(record, Selected):
            self.selected[record.label] = record
        elif isinstance(record, Paused):
            self.cancelled.update(self.folds_of)
        elif isinstance(record, Finished):
            self.finished = True

    def _submitted(self, begun: Submitting, record: Submitted) -> None:
        for pack, job in zip(begun.packs, record.jobs, strict=True):
            if job is not None:
                self.batch_of[job] = record.batch
                self.folds_of[job] = pack
                self.job_of.update(dict.fromkeys(pack, job))

    def _job_over(self, record: JobOver) -> None:
        for fold in self.folds_of.pop(record.job, ()):
            if self.job_of.get(fold) == record.job:
                del self.job_of[fold]
        for fold in record.folds:
            self.epochs_at_loss[fold] = record.epochs
            if record.counted:
                self.spent[fold] = self.spent.get(fold, 0) + 1
            if record.node is not None and record.state in NODES_FAULT:
                self.nodes.setdefault(fold, []).append(record.node)

    def _reopened(self, record: Reopened) -> None:
        self.reopened.update(record.trials)
        self.reopenings.append(record)
        for trial in record.trials:
            del self.completed[trial]
        self.finished = False
        for fold in record.folds:
            for known in (self.gave_up, self.spent, self.epochs_at_loss, self.nodes):
                known.pop(fold, None)
            job = self.job_of.pop(fold, None)  # that it has left this fold behind need not be known yet
            if job is not None:
                self.folds_of[job] = tuple(other for other in self.folds_of[job] if other != fold)

    def of_phase(self, phase: Phase) -> list[TrialAdded]:
        return [trial for trial in self.trials.values() if trial.phase == phase]


class Ledger:
    """The one writer of a study's ledger. Opening it cuts off a torn last line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.records = list(read(self.path))
        self.state = replay(self.records)
        whole = sum(len(line) for line in _whole_lines(self.path))
        if self.path.exists() and self.path.stat().st_size != whole:
            os.truncate(self.path, whole)
        self._file: IO[str] = self.path.open("a", encoding="utf-8")

    def write(self, *records: Record) -> None:
        """Appends, forces to disk, then applies: what is not on disk has not been decided."""
        self._file.write("".join(json.dumps(dataclasses.asdict(r), separators=(",", ":")) + "\n" for r in records))
        self._file.flush()
        os.fsync(self._file.fileno())
        for record in records:
            self.state.apply(record)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterable[Record]:
    """The whole records of a ledger. Raises :class:`LedgerError` for a damaged line that is not the torn last one."""
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            raw = json.loads(line)
            yield from_plain(KINDS[raw["kind"]], raw)
        except (ValueError, KeyError, TypeError, SpecError) as error:
            raise LedgerError(
                f"{path}:{number}: not a ledger record of schema {SCHEMA} ({error}); restore the file from a "
                "backup, or start the study in another folder"
            ) from error


def replay(records: Iterable[Record]) -> State:
    state = State()
    for record in records:
        state.apply(record)
    return state


def _whole_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
