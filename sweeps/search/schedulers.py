"""Ray Tune's schedulers, one per activation: which trials stop early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sweeps.study.study import Mode, Study


class TrialScheduler(Protocol):
    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Tells the mean over a trial's folds after an epoch (from 1); whether the trial should stop now. Told again,
        it repeats its answer."""
        ...

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        """Tells that a trial is over."""
        ...


def make_scheduler(study: Study, label: str) -> TrialScheduler:
    """The scheduler of one activation: it compares settings of that activation alone."""
    del label  # all are made alike
    search = study.search
    assert search is not None
    if search.scheduler.name == "none":
        return NoScheduler()
    return Asha(
        metric=search.select_on,
        mode=study.mode,
        epochs=study.epochs("search"),
        grace_epochs=search.scheduler.grace_epochs,
        reduction_factor=search.scheduler.reduction_factor,
    )


class NoScheduler:
    """No scheduler: every trial trains to its end."""

    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        return False

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        pass


class Asha:
    """Asynchronous successive halving (arXiv 1810.05934): Tune's ASHAScheduler over epochs.

    At each rung (``grace_epochs`` times powers of ``reduction_factor``) a trial stops unless it is among the best
    ``1 / reduction_factor`` of those that came there before it.
    """

    def __init__(self, *, metric: str, mode: Mode, epochs: int, grace_epochs: int, reduction_factor: float) -> None:
        from ray.tune.experiment import Trial
        from ray.tune.schedulers import ASHAScheduler

        self._metric, self._epochs = metric, epochs
        self._trial = Trial
        self._tune = ASHAScheduler(
            time_attr="training_iteration",
            metric=metric,
            mode=mode,
            max_t=epochs,
            grace_period=grace_epochs,
            reduction_factor=reduction_factor,
        )
        self._trials: dict[int, Any] = {}
        self._last: dict[int, tuple[int, dict[str, Any], bool]] = {}
        """Trial -> last epoch told, that result as Tune takes it, and the answer."""

    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        if index in self._last and epoch <= self._last[index][0]:
            return self._last[index][2]
        if index not in self._trials:
            self._trials[index] = self._trial("actsweep", trial_id=str(index), stub=True)
            self._tune.on_trial_add(None, self._trials[index])
        told = {"training_iteration": epoch, self._metric: metrics[self._metric]}
        decision = self._tune.on_trial_result(None, self._trials[index], told)
        # Tune also "stops" a trial that has reached the last epoch; that one ends by itself.
        stop = decision == self._tune.STOP and epoch < self._epochs
        self._last[index] = (epoch, told, stop)
        return stop

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        # As Tune's own controller, with the last result told, which is not the one of the best epoch.
        trial = self._trials.pop(index, None)
        if trial is not None:
            self._tune.on_trial_complete(None, trial, self._last[index][1])
