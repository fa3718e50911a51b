"""What folds that are still to be trained will take, from what others of their activation took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sweeps.folder.journals import Journals, Trained
from sweeps.folder.probed import Probed
from sweeps.folder.records import FoldKey, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.spec import Phase

STARTING_S = 10.0
"""Of a job beside its epochs, where none is over and none was probed."""
Kind = tuple[str, Phase]
"""An activation's label and the phase."""


class Estimates:
    """Means, so that sums come out right: of the study's own epochs, else of the probe's."""

    def __init__(self, study: Study, journals: Journals, probed: Probed | None) -> None:
        self._study, self._journals, self._probed = study, journals, probed
        self._settled: dict[str, int] = {}
        """Trial that was over when it was counted -> how many folds it had."""
        self._over: dict[Kind, Trained] = {}
        self._all: dict[Kind, Trained] = {}
        self._state = State()

    def observe(self, state: State) -> None:
        """Takes in what the journals say by now."""
        self._state = state
        live: dict[Kind, Trained] = {}
        for name, trial in state.trials.items():
            counted = self._settled.get(name, 0)
            if name in state.completed:
                _add(self._over, trial, self._trained(trial.folds[counted:]))
                self._settled[name] = len(trial.folds)
            else:
                _add(live, trial, self._trained(trial.folds[counted:]))
        self._all = dict(self._over)
        for kind, trained in live.items():
            self._all[kind] = _sum(self._all.get(kind), trained)

    def _trained(self, folds: Iterable[FoldKey]) -> Trained:
        done = [self._journals.trained(fold) for fold in folds]
        return Trained(sum(each.epochs for each in done), sum(each.seconds for each in done))

    def epoch_s(self, label: str, phase: Phase) -> float | None:
        """None while nothing says it. Of an activation whose trials ended before an epoch, as long as the longest."""
        own = self._measured(label, phase)
        if own is not None:
            return own
        if any(self._state.trials[name].label == label for name in self._state.completed):
            others = (self._measured(other, phase) for other in self._study.compared())
            return max((seconds for seconds in others if seconds is not None), default=0.0)
        return None

    def _measured(self, label: str, phase: Phase) -> float | None:
        trained = self._all.get((label, phase))
        if trained is not None and trained.epochs:
            return trained.seconds / trained.epochs
        if self._probed is not None and (probe := self._probed.epoch_s(label, phase)) is not None:
            return probe
        for other in planner.phases(self._study):
            trained = self._all.get((label, other))
            if trained is not None and trained.epochs:
                shares = planner.trained_share(self._study, phase) / planner.trained_share(self._study, other)
                return shares * trained.seconds / trained.epochs
        return None

    def starting_s(self) -> float:
        """Seconds of a job that no epoch takes."""
        spending = self._state.spending
        if spending.jobs:
            return spending.idle_s / spending.jobs
        return self._probed.starting_s if self._probed is not None else STARTING_S

    def pack_s(self, folds: Iterable[FoldKey]) -> float | None:
        """What is left of a pack's folds, in one job; None where an epoch of one of them was not measured."""
        total = self.starting_s()
        for fold in folds:
            trial = self._state.trials[trial_of(fold)]
            each = self.epoch_s(trial.label, trial.phase)
            if each is None:
                return None
            total += each * max(0, self.epochs(trial) - self._journals.trained(fold).epochs)
        return total

    def fresh_s(self, label: str, phase: Phase, folds: int, packs: int) -> float | None:
        """Of so many folds that were not begun, in so many jobs; None as before."""
        each = self.epoch_s(label, phase)
        if each is None:
            return None
        _, training = self._study.fixed(label)
        epochs = _epochs(training, self._study.epochs(phase))
        return packs * self.starting_s() + folds * epochs * each

    def epochs(self, trial: TrialAdded) -> int:
        """That each of the trial's folds trains at most."""
        fixed = _epochs(self._study.fixed(trial.label)[1], self._study.epochs(trial.phase))
        return _epochs(trial.training, fixed)


def _epochs(training: Mapping[str, object], otherwise: int) -> int:
    found = training.get("epochs")
    return found if isinstance(found, int) else otherwise


def _sum(one: Trained | None, other: Trained) -> Trained:
    return other if one is None else Trained(one.epochs + other.epochs, one.seconds + other.seconds)


def _add(totals: dict[Kind, Trained], trial: TrialAdded, trained: Trained) -> None:
    kind = trial.label, trial.phase
    totals[kind] = _sum(totals.get(kind), trained)
