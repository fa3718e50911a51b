"""What is known of a ledger's trials without going through them: which are open, and sums over those that are over.

Kept by :meth:`sweeps.folder.state.State.apply` record by record, so that a decision step takes as long after ten
thousand trials as after ten.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sweeps.folder.records import Completed, FoldKey, TrialAdded, trial_of
from trainer.device_kind import DeviceKind
from trainer.spec import Phase


@dataclass(kw_only=True)
class Group:
    """The trials of one label in one phase. Sums are over those that are over."""

    trials: list[str] = field(default_factory=list)
    """All of them, in the order in which they were added."""
    folds: int = 0
    """Of all of them, over or not."""
    over: int = 0
    """How many are over."""
    folds_over: int = 0
    epochs: int = 0
    """Trained by those of them of which the ledger says it."""
    seconds: float = 0.0
    """That those epochs took."""
    on: dict[DeviceKind, tuple[int, float]] = field(default_factory=dict)
    """Epochs and seconds by kind of device, of those trials of which the ledger says it."""
    partitions: dict[DeviceKind, set[str]] = field(default_factory=dict)
    """In which each kind was met."""
    planned: dict[object, int] = field(default_factory=dict)
    """Epochs that a trial sets for itself (None: those of its phase) -> folds that are over; only of trials of which
    the ledger says what they trained."""
    untold: dict[str, None] = field(default_factory=dict)
    """Trials that are over of which the ledger does not say what they trained: an earlier version's."""
    without_result: dict[str, None] = field(default_factory=dict)
    extremes: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Metric -> least and greatest mean of those that are over, finite ones alone."""

    @property
    def open(self) -> int:
        return len(self.trials) - self.over

    def end(self, trial: TrialAdded, record: Completed, sign: int) -> None:
        """A trial is over (``sign`` 1), or goes on after all (-1)."""
        self.over += sign
        self.folds_over += sign * len(trial.folds)
        if record.epochs is None:
            _mark(self.untold, trial.trial, sign)
        else:
            self.epochs += sign * record.epochs
            self.seconds += sign * record.seconds
            for each in record.on:
                epochs, seconds = self.on.get(each.kind, (0, 0.0))
                self.on[each.kind] = epochs + sign * each.epochs, seconds + sign * each.seconds
                self.partitions.setdefault(each.kind, set()).add(each.partition)
            own = trial.training.get("epochs")
            self.planned[own] = self.planned.get(own, 0) + sign * len(trial.folds)
        if not record.status.has_result:
            _mark(self.without_result, trial.trial, sign)

    def widen(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if math.isfinite(value):
                least, greatest = self.extremes.get(name, (value, value))
                self.extremes[name] = min(least, value), max(greatest, value)

    def bounds(self, metrics: Mapping[str, float]) -> bool:
        """Whether one of these is the least or the greatest there is."""
        return any(value in self.extremes.get(name, ()) for name, value in metrics.items())


def _mark(names: dict[str, None], name: str, sign: int) -> None:
    if sign > 0:
        names[name] = None
    else:
        names.pop(name, None)


class Index:
    """Changed by the state alone. A trial that is not over is *fresh* until a fold of it was first submitted, given up
    or stopped, and *begun* from then on; of the latter there are as many as the cluster has room for."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, Phase], Group] = {}
        self._number: dict[str, int] = {}
        self._fresh: dict[str, None] = {}
        self._begun: set[str] = set()

    def added(self, trial: TrialAdded) -> None:
        group = self.groups.setdefault((trial.label, trial.phase), Group())
        group.trials.append(trial.trial)
        group.folds += len(trial.folds)
        self._number[trial.trial] = len(self._number)
        self._fresh[trial.trial] = None

    def more_folds(self, trial: TrialAdded, folds: Collection[FoldKey]) -> None:
        self.groups[trial.label, trial.phase].folds += len(folds)

    def begun(self, trials: Iterable[str]) -> None:
        for trial in trials:
            if trial in self._fresh:
                del self._fresh[trial]
                self._begun.add(trial)

    def submitted(self, packs: Iterable[tuple[FoldKey, ...]]) -> None:
        self.begun(trial_of(fold) for pack in packs for fold in pack)

    def completed(self, trial: TrialAdded, record: Completed) -> None:
        self._fresh.pop(trial.trial, None)
        self._begun.discard(trial.trial)
        group = self.groups[trial.label, trial.phase]
        group.end(trial, record, 1)
        group.widen(record.metrics)

    def reopened(self, trial: TrialAdded, record: Completed, ends: Mapping[str, Completed]) -> None:
        """``ends``: of the trials that are still over."""
        self._begun.add(trial.trial)
        group = self.groups[trial.label, trial.phase]
        group.end(trial, record, -1)
        if group.bounds(record.metrics):
            group.extremes.clear()
            for name in group.trials:
                if name in ends:
                    group.widen(ends[name].metrics)

    def active(self) -> list[str]:
        """Those that have begun, in the order in which they were added."""
        return sorted(self._begun, key=self._number.__getitem__)

    def open(self) -> Iterator[str]:
        """Those that are not over, in the order in which they were added; fresh ones are looked at one by one."""
        number: Callable[[str], int] = self._number.__getitem__
        return heapq.merge(self.active(), self._fresh, key=number)

    def any_open(self) -> bool:
        return bool(self._fresh or self._begun)

    def in_order(self, trials: Iterable[str]) -> list[str]:
        return sorted(trials, key=self._number.__getitem__)
