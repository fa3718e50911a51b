"""What folds that are still to be trained will take, from what others of their activation took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slurm.profile import Profile
from sweeps.folder.device_kinds import possible
from sweeps.folder.journals import Journals, Trained
from sweeps.folder.probed import Probed
from sweeps.folder.records import FoldKey, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.device_kind import DeviceKind
from trainer.spec import Phase

ANY = DeviceKind("", "", 1, 0)
"""Of a probe that does not say which kind it measured."""
STARTING_S = 10.0
"""Of a job beside its epochs, where none is over and none was probed."""
Group = tuple[str, Phase]
"""An activation's label and the phase."""
Totals = dict[Group, dict[DeviceKind, Trained]]


class Estimates:
    """Means, so that sums come out right: of the study's own epochs, else of the probe's. By kind of device: where it
    is not known which of several a pack will get, what the slowest takes, since a promise must not be passed. Seconds
    are of a device: a pack that shares it with N - 1 others is charged one N-th.

    ``profile``: where packs run, None: anywhere. A probe of another kind than they may get there measures nothing."""

    def __init__(self, study: Study, journals: Journals, probed: Probed | None, profile: Profile | None = None) -> None:
        self._study, self._journals, self._probed, self._profile = study, journals, probed, profile
        self._settled: dict[str, int] = {}
        """Trial that was over when it was counted -> how many folds it had."""
        self._over: Totals = {}
        self._all: Totals = {}
        self._met: dict[DeviceKind, set[str]] = {}
        """Kinds that folds were trained on, each with the partitions in which."""
        self._kinds: list[DeviceKind] = []
        """Those that a pack may get, of what was measured."""
        self._slowest: dict[Group, float | None] = {}
        """What was asked for since the last look."""
        self._state = State()

    def observe(self, state: State) -> None:
        """Takes in what the journals say by now."""
        self._state = state
        live: Totals = {}
        for name, trial in state.trials.items():
            counted = self._settled.get(name, 0)
            if name in state.completed:
                self._add(self._over, trial, trial.folds[counted:])
                self._settled[name] = len(trial.folds)
            else:
                self._add(live, trial, trial.folds[counted:])
        self._all = {group: dict(by_kind) for group, by_kind in self._over.items()}
        for group, by_kind in live.items():
            for kind, trained in by_kind.items():
                _count(self._all, group, kind, trained)
        self._kinds, self._slowest = self._to_be_met(), {}

    def _add(self, totals: Totals, trial: TrialAdded, folds: Iterable[FoldKey]) -> None:
        for fold in folds:
            for on in self._journals.trained_on(fold):
                _count(totals, (trial.label, trial.phase), on.kind, Trained(on.epochs, on.device_s))
                self._met.setdefault(on.kind, set()).add(on.partition)

    def _to_be_met(self) -> list[DeviceKind]:
        """Of the kinds that were trained on or probed, those that the profile may give; where it may give none of
        those that the study's own folds had, these: what it gave before is the best that is known."""
        probed = self._probed.kinds() if self._probed is not None else {}
        seen = {kind: self._met.get(kind, set()) | probed.get(kind, set()) for kind in [*self._met, *probed]}
        cluster = self._study.cluster
        return possible(seen, self._profile, cluster.device, cluster.threads) or list(self._met)

    def epoch_s(self, label: str, phase: Phase) -> float | None:
        """None while nothing says it. Of an activation whose trials ended before an epoch, as long as the longest."""
        own = self._slow(label, phase)
        if own is not None:
            return own
        if any(self._state.trials[name].label == label for name in self._state.completed):
            others = (self._slow(other, phase) for other in self._study.compared())
            return max((seconds for seconds in others if seconds is not None), default=0.0)
        return None

    def _slow(self, label: str, phase: Phase) -> float | None:
        """On the slowest of the kinds that a pack may get."""
        if (label, phase) not in self._slowest:
            # a probe of an earlier version does not say what it measured
            kinds = self._kinds or ([ANY] if self._probed is not None and not self._probed.kinds() else [])
            known = {kind: found for kind in kinds if (found := self._measured(label, phase, kind)) is not None}
            seconds = [*known.values(), *(self._scaled(known, kind) for kind in kinds if kind not in known)]
            self._slowest[label, phase] = max(seconds) if known else None
        return self._slowest[label, phase]

    def _scaled(self, known: Mapping[DeviceKind, float], kind: DeviceKind) -> float:
        """On a kind on which it was not measured: as much longer as another activation's epochs are there; 0 where
        none was measured on both."""
        found = 0.0
        for label, phase in self._all:
            there = self._measured(label, phase, kind)
            for other, seconds in known.items():
                here = self._measured(label, phase, other)
                if here and there is not None:
                    found = max(found, seconds * there / here)
        return found

    def _measured(self, label: str, phase: Phase, kind: DeviceKind) -> float | None:
        trained = self._all.get((label, phase), {}).get(kind)
        if trained is not None and trained.epochs:
            return trained.seconds / trained.epochs
        if self._probed is not None and (probe := self._probed.epoch_s(label, phase, kind)) is not None:
            return probe
        for other in planner.phases(self._study):
            trained = self._all.get((label, other), {}).get(kind)
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


def _count(totals: Totals, group: Group, kind: DeviceKind, trained: Trained) -> None:
    by_kind = totals.setdefault(group, {})
    epochs, seconds = by_kind.get(kind, Trained(0, 0.0))
    by_kind[kind] = Trained(epochs + trained.epochs, seconds + trained.seconds)
