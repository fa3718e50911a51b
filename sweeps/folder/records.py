"""What the driver writes into its ledger: one frozen value a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal, get_args

from sweeps.folder.device_kinds import TrainedOn
from sweeps.folder.growth_records import Extended, Reused
from trainer.codec import SINCE, Format, Raw
from trainer.spec import Options, Phase


def _job_over_of_schema_1(raw: Raw) -> Raw:
    """Whether a node was blamed followed from the state of the job."""
    return {**raw, "nodes_fault": raw["state"] in ("failed", "node failed", "finished")}


LEDGER = Format(name="ledger", schema=2, previous={"JobOver": _job_over_of_schema_1})


class TrialStatus(StrEnum):
    """How a trial ended, from the best to the worst: the worst of its folds' ends is the trial's."""

    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    INFRA_FAILED = "infra_failed"

    @property
    def has_result(self) -> bool:
        return self in (TrialStatus.FINISHED, TrialStatus.STOPPED)

    @property
    def may_be_retried(self) -> bool:
        return self in (TrialStatus.FAILED, TrialStatus.INFRA_FAILED)


FoldKey = str
"""``<trial>/fold-<repeat>-<fold>``: the fold's folder below ``trials/``."""


def trial_of(fold: FoldKey) -> str:
    return fold.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Opened:
    FORMAT: ClassVar[Format] = LEDGER

    kind: Literal["opened"] = "opened"
    schema: int = LEDGER.schema
    sweep: str
    """Random: tells the jobs of this folder from those of another run of the same study."""
    study: str
    study_digest: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """From here on, records are of this schema: a newer version of actsweep goes on with the ledger."""

    FORMAT: ClassVar[Format] = LEDGER

    kind: Literal["migrated"] = "migrated"
    schema: int


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
class Published:
    """The setting that an activation by import path has where nothing is said, which its search tries first: as its
    class said it then."""

    kind: Literal["published"] = "published"
    label: str
    config: Options | None
    """As a searcher would give it; None where there is none."""


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
    seconds: tuple[float, ...] = field(default=(), metadata={SINCE: 2})
    """That each pack may hold what it runs on, promised of the study's budget; empty without a budget."""
    devices: int = field(default=1, metadata={SINCE: 2})
    """That each pack holds: of GPUs as many as it has, 1 where it has none."""
    time: float = field(default=0.0, metadata={SINCE: 2})


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

    FORMAT: ClassVar[Format] = LEDGER

    kind: Literal["job_over"] = "job_over"
    job: str
    state: str
    reason: str
    node: str | None
    folds: tuple[FoldKey, ...]
    epochs: int
    """Epochs in the journals of those folds at the time: more than at the last loss means that a retry gets on."""
    counted: bool
    nodes_fault: bool
    """Whether the end may be the node's doing; a pause, a time limit and a preemption say nothing of it."""
    held_s: float | None = field(default=None, metadata={SINCE: 2})
    """That it held what it ran on, all its runs together; None where nothing says it."""
    idle_s: float | None = field(default=None, metadata={SINCE: 2})
    """Of these, what no epoch took: starting, data, held-out parts, what was lost; None as before."""


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
    status: TrialStatus
    metrics: Mapping[str, float]
    epochs: int | None = field(default=None, metadata={SINCE: 2})
    """That its folds have trained, together; None where a version wrote it that did not say."""
    seconds: float = field(default=0.0, metadata={SINCE: 2})
    """That those epochs took: training, evaluation and the rest."""
    on: tuple[TrainedOn, ...] = field(default=(), metadata={SINCE: 2})
    """The same by kind of device; empty where a version wrote it that did not say."""


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
class FoldsAdded:
    """A trial that was over goes on with its next round of folds. What its search was told of the first round stays
    told; of later rounds it hears nothing."""

    kind: Literal["folds_added"] = "folds_added"
    trial: str
    round: int
    """From 1; round 0 is what the trial was added with."""
    folds: tuple[FoldKey, ...]


@dataclass(frozen=True, kw_only=True)
class Raced:
    """A look at the race of one activation's settings after a round of folds; ``dropped`` get no further one."""

    kind: Literal["raced"] = "raced"
    label: str
    round: int
    """That was looked at, from 0."""
    compared: tuple[str, ...]
    """Trials that were in the race until now."""
    dropped: Mapping[str, str]
    """Trial -> by which comparison, in words."""
    further: tuple[str, ...]
    """Trials that get the next round, all that are left; none where one is left alone, or where the budget has no room
    for them: the race is over."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A look at the planned comparisons of the confirm phase after so many repeats."""

    kind: Literal["looked"] = "looked"
    look: int
    """From 0."""
    repeats: int
    """Repeats that the open comparisons have by now: the most, where one lacks some that another has."""
    decided: Mapping[str, str]
    """Comparison -> its word, of those that were decided at this look."""
    open: tuple[str, ...]
    """Comparisons that are not decided yet."""
    rounds: Mapping[str, int] = field(default_factory=dict)
    """Trial -> the round of folds that it gets after this look; empty where nothing goes on."""


@dataclass(frozen=True, kw_only=True)
class BudgetReached:
    """What would come next could pass the budget; ``what`` was not started. The study ends with what it has, unless the
    budget is raised."""

    kind: Literal["budget_reached"] = "budget_reached"
    what: str
    spent_s: float
    """Device seconds spent."""
    asked_s: float
    """Device seconds, at most, that it would have taken."""
    cap_s: float = field(default=0.0, metadata={SINCE: 2})
    """The budget that it did not fit into, device seconds."""
    phase: Phase | None = field(default=None, metadata={SINCE: 2})
    stopped: tuple[str, ...] = field(default=(), metadata={SINCE: 2})
    """Trials of a search that had begun and end without a result."""


@dataclass(frozen=True, kw_only=True)
class BudgetRaised:
    """The budget is greater than the one that the study ended with: what was not paid is open again."""

    kind: Literal["budget_raised"] = "budget_raised"
    cap_s: float


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The user stopped the sweep: its jobs were cancelled and are free to be submitted again by a later driver."""

    kind: Literal["paused"] = "paused"
    time: float


@dataclass(frozen=True, kw_only=True)
class Finished:
    kind: Literal["finished"] = "finished"
    time: float


LedgerRecord = (
    Opened
    | Migrated
    | Extended
    | Reused
    | Published
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
    | FoldsAdded
    | Raced
    | Looked
    | BudgetReached
    | BudgetRaised
    | Paused
    | Finished
)
_TYPES: tuple[type[LedgerRecord], ...] = get_args(LedgerRecord)
KINDS: dict[str, type[LedgerRecord]] = {str(t.__dataclass_fields__["kind"].default): t for t in _TYPES}
