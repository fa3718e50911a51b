"""What a ledger says, by replaying its records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sweeps.folder.growth_records import Extended, Reused
from sweeps.folder.index import Group, Index
from sweeps.folder.records import (
    BudgetRaised,
    BudgetReached,
    Completed,
    Exhausted,
    Finished,
    FoldKey,
    FoldsAdded,
    GaveUp,
    JobOver,
    LedgerRecord,
    Looked,
    Opened,
    Paused,
    Raced,
    Reopened,
    Reported,
    Selected,
    Stopping,
    Submitted,
    Submitting,
    TrialAdded,
    trial_of,
)
from sweeps.folder.spending import Spending
from trainer.spec import Phase


@dataclass(kw_only=True)
class State:
    """What the ledger says. Changed by :meth:`apply` alone."""

    opened: Opened | None = None
    extended: list[Extended] = field(default_factory=list)
    trials: dict[str, TrialAdded] = field(default_factory=dict)
    exhausted: dict[str, int] = field(default_factory=dict)
    submissions: int = 0
    """That were begun: numbers the next one."""
    unanswered: dict[int, Submitting] = field(default_factory=dict)
    """Submissions begun and not known to have ended."""
    job_of: dict[FoldKey, str] = field(default_factory=dict)
    """The job that is to run the fold now."""
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
    rounds: dict[str, int] = field(default_factory=dict)
    """Trial -> its last round of folds, of those that have got another than the first."""
    before_round: dict[str, Completed] = field(default_factory=dict)
    """Trial -> how it had ended before its last round of folds, which counts where the budget does not pay for that."""
    last_round: dict[str, tuple[FoldKey, ...]] = field(default_factory=dict)
    """Trial -> the folds of its last round, of those that have got another than the first."""
    reopened: set[str] = field(default_factory=set)
    """Trials with another try or another round of folds: searcher and scheduler hear of them no more."""
    reopenings: list[Reopened] = field(default_factory=list)
    had: dict[str, Completed] = field(default_factory=dict)
    """Trial -> how it had ended, with numbers, before a fold of it was to be trained again."""
    unlike: dict[str, tuple[Completed, Completed]] = field(default_factory=dict)
    """Trials of which a fold was trained again and came to other numbers -> how they had ended, and how they do now."""
    selected: dict[str, Selected] = field(default_factory=dict)
    earlier: dict[str, list[Selected]] = field(default_factory=dict)
    """Label -> choices that its search made before it went on."""
    reused: dict[FoldKey, Reused] = field(default_factory=dict)
    races: dict[str, list[Raced]] = field(default_factory=dict)
    """Label -> looks at the race of its settings."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Trials that lost their race -> by which comparison, in words."""
    looks: list[Looked] = field(default_factory=list)
    budget_reached: BudgetReached | None = None
    """The last of ``shortfalls``."""
    spending: Spending = field(default_factory=Spending)
    cancelled: set[str] = field(default_factory=set)
    """Jobs that a pause cancelled: their folds are free again and lost nothing."""
    finished: bool = False
    index: Index = field(default_factory=Index)

    def apply(self, record: LedgerRecord) -> None:
        if isinstance(record, Opened):
            self.opened = record
        elif isinstance(record, Extended):
            self._extended(record)
        elif isinstance(record, Reused):
            self.reused[record.fold] = record
            self.index.begun([trial_of(record.fold)])
        elif isinstance(record, TrialAdded):
            self.trials[record.trial] = record
            self.index.added(record)
            self.finished = False
        elif isinstance(record, Exhausted):
            self.exhausted[record.label] = record.trials
        elif isinstance(record, Submitting):
            self.submissions = record.batch + 1
            self.unanswered[record.batch] = record
            self.index.submitted(record.packs)
        elif isinstance(record, Submitted):
            self._submitted(self.unanswered.pop(record.batch), record)
        elif isinstance(record, Reported):
            self.reported[record.trial] = record.epoch
        elif isinstance(record, Stopping):
            self.stopping[record.trial] = record
            self.index.begun([record.trial])
        elif isinstance(record, JobOver):
            self._job_over(record)
        elif isinstance(record, GaveUp):
            self.gave_up[record.fold] = record.reason
            self.index.begun([trial_of(record.fold)])
        elif isinstance(record, Completed):
            self._completed(record)
        elif isinstance(record, Reopened):
            self._reopened(record)
        elif isinstance(record, Selected):
            self.selected[record.label] = record
        elif isinstance(record, FoldsAdded):
            self._folds_added(record)
        elif isinstance(record, Raced):
            self.races.setdefault(record.label, []).append(record)
            self.dropped.update(record.dropped)
        elif isinstance(record, Looked):
            self.looks.append(record)
        elif isinstance(record, BudgetReached):
            self.budget_reached = record
            self.spending.shortfalls.append(record)
            for trial in record.stopped:
                if trial in self.before_round and trial not in self.completed:
                    self.completed[trial] = self.before_round[trial]
                    self.index.completed(self.trials[trial], self.before_round[trial])
        elif isinstance(record, BudgetRaised):
            self.spending.raised()
            self.budget_reached = next(iter(self.spending.shortfalls[-1:]), None)
            self.finished = False
        elif isinstance(record, Paused):
            self.cancelled.update(self.folds_of)
        elif isinstance(record, Finished):
            self.finished = True

    @property
    def study_digest(self) -> str:
        """Of the study as it was declared last; "" before it was opened."""
        if self.extended:
            return self.extended[-1].new_digest
        return self.opened.study_digest if self.opened is not None else ""

    def _extended(self, record: Extended) -> None:
        self.extended.append(record)
        self.finished, self.budget_reached = False, None
        self.looks.clear()  # with other repeats or winners, what is decided is looked at anew
        for label in record.searched_again:
            self.exhausted.pop(label, None)
            if (chosen := self.selected.pop(label, None)) is not None:
                self.earlier.setdefault(label, []).append(chosen)

    def _submitted(self, begun: Submitting, record: Submitted) -> None:
        self.spending.submitted(begun, record)
        for pack, job in zip(begun.packs, record.jobs, strict=True):
            if job is not None:
                self.folds_of[job] = pack
                self.job_of.update(dict.fromkeys(pack, job))

    def _job_over(self, record: JobOver) -> None:
        self.spending.job_over(record, self.folds_of.get(record.job, ()))
        for fold in self.folds_of.pop(record.job, ()):
            if self.job_of.get(fold) == record.job:
                del self.job_of[fold]
        for fold in record.folds:
            self.epochs_at_loss[fold] = record.epochs
            if record.counted:
                self.spent[fold] = self.spent.get(fold, 0) + 1
            if record.node is not None and record.nodes_fault:
                self.nodes.setdefault(fold, []).append(record.node)

    def _completed(self, record: Completed) -> None:
        self.completed[record.trial] = record
        self.index.completed(self.trials[record.trial], record)
        before = self.had.pop(record.trial, None)
        if before is not None and measured(before) != measured(record):
            self.unlike[record.trial] = before, record

    def _folds_added(self, record: FoldsAdded) -> None:
        self.before_round[record.trial] = self.completed[record.trial]
        self.last_round[record.trial] = record.folds
        self._goes_on(record.trial)
        trial = self.trials[record.trial]
        self.index.more_folds(trial, record.folds)
        self.trials[record.trial] = dataclasses.replace(trial, folds=(*trial.folds, *record.folds))
        self.rounds[record.trial] = record.round
        self.reopened.add(record.trial)
        self.finished = False

    def _reopened(self, record: Reopened) -> None:
        self.reopened.update(record.trials)
        self.reopenings.append(record)
        for trial in record.trials:
            if self.completed[trial].metrics:
                self.had[trial] = self.completed[trial]
            self._goes_on(trial)
        self.finished = False
        for fold in record.folds:
            for known in (self.gave_up, self.spent, self.epochs_at_loss, self.nodes):
                known.pop(fold, None)
            job = self.job_of.pop(fold, None)  # that it has left this fold behind need not be known yet
            if job is not None:
                self.folds_of[job] = tuple(other for other in self.folds_of[job] if other != fold)

    def _goes_on(self, trial: str) -> None:
        self.index.reopened(self.trials[trial], self.completed.pop(trial), self.completed)

    def unfinished(self) -> list[TrialAdded]:
        """Every trial that is not over: with many still to begin, not for each decision step."""
        return list(self.each_open())

    def each_open(self) -> Iterator[TrialAdded]:
        """The trials that are not over, one by one, in the order in which they were added."""
        return (self.trials[name] for name in self.index.open())

    def active(self) -> list[TrialAdded]:
        """The trials that are not over and of which a fold was ever submitted, given up or stopped, in the order in
        which they were added."""
        return [self.trials[name] for name in self.index.active()]

    def group(self, label: str, phase: Phase) -> Group:
        """What the trials of one label in one phase come to."""
        return self.index.groups.get((label, phase)) or Group()

    def of_phase(self, phase: Phase) -> list[TrialAdded]:
        return [trial for trial in self.trials.values() if trial.phase == phase]


def measured(record: Completed) -> dict[str, str]:
    """What training decides of a trial's means, each in full: not what it cost."""
    return {name: repr(value) for name, value in record.metrics.items() if "/" in name}


def replay(records: Iterable[LedgerRecord]) -> State:
    state = State()
    for record in records:
        state.apply(record)
    return state
