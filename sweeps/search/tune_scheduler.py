"""One of Tune's schedulers without Tune's controller: what it decides on stopping, and nothing else.

Tune's controller can pause a trial: set it aside with its weights, to go on later or never. A fold on a node is not set
aside: it would wait in a queue again, and its time is paid for. So a trial that is paused goes on training; what it
does meanwhile is kept, and told once the scheduler resumes it. Who is stopped, and on which results, is what Tune
decides; a trial that was stopped while it was paused ends a little later than under Tune, or has come to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sweeps.errors import SweepError

Told = dict[str, Any]


class Stopping:
    """``scheduler``: a ``ray.tune.schedulers.TrialScheduler`` over ``training_iteration``. ``trials``: how many there
    will be, where it has to know of all before the first is over; else None. ``seed`` of what it draws from numpy."""

    def __init__(self, scheduler: Any, *, metric: str, epochs: int, trials: int | None, seed: int) -> None:
        from ray.tune.experiment import Trial

        self._tune, self._metric, self._epochs, self._upfront = scheduler, metric, epochs, trials
        self._trial = Trial
        self._controller = _Controller(scheduler)
        self._random = _NumpyState(seed)
        self._added = 0
        self._last: dict[int, tuple[int, Told, bool]] = {}
        """Trial -> last epoch told, that result as Tune takes it, and the answer."""
        self._held: dict[int, list[Told]] = {}
        """Paused trial -> what it has done since."""
        self._over: set[int] = set()
        """Paused trials that are over."""

    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        if index in self._last and epoch <= self._last[index][0]:
            return self._last[index][2]
        self._add(index)
        told = {"training_iteration": epoch, self._metric: metrics[self._metric]}
        if index in self._held:
            self._held[index].append(told)
        elif index not in self._controller.stopped:
            self._tell(index, told)
        # Tune also "stops" a trial that has reached the last epoch; that one ends by itself.
        stop = index in self._controller.stopped and epoch < self._epochs
        self._last[index] = (epoch, told, stop)
        return stop

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        if self._upfront is not None:
            self._add(index)
        if index in self._held:
            self._over.add(index)
        elif index in self._controller.trials:
            self._end(index)
            self._resume()

    @property
    def stopped(self) -> frozenset[int]:
        """Trials that were stopped, at the last epoch too."""
        return frozenset(self._controller.stopped)

    def _add(self, index: int) -> None:
        """In the order of the suggestions, whichever trial comes first."""
        last = max(index + 1, self._upfront or 0)
        while self._added < last:
            trial = self._trial("actsweep", trial_id=str(self._added), stub=True)
            trial.set_status(self._trial.RUNNING)
            self._controller.trials[self._added] = trial
            with self._random, _quiet():
                self._tune.on_trial_add(self._controller, trial)
            self._added += 1

    def _tell(self, index: int, told: Told) -> None:
        trial = self._controller.trials[index]
        decision = self._tune.on_trial_result(self._controller, trial, told)
        if decision == self._tune.STOP:
            trial.set_status(self._trial.TERMINATED)
            self._controller.stopped.add(index)
        elif decision == self._tune.PAUSE:
            trial.set_status(self._trial.PAUSED)
            self._held[index] = []
        self._resume()

    def _resume(self) -> None:
        """Tells of paused trials that the scheduler would have run again, and forgets those that it has stopped."""
        for index in self._controller.stopped & self._held.keys():
            del self._held[index]
        while self._held:
            trial = self._tune.choose_trial_to_run(self._controller)
            if trial is None or (index := int(trial.trial_id)) not in self._held:
                return
            trial.set_status(self._trial.RUNNING)
            self._replay(index, self._held.pop(index))

    def _replay(self, index: int, kept: list[Told]) -> None:
        for number, told in enumerate(kept):
            self._tell(index, told)
            if index in self._held:
                self._held[index] += kept[number + 1 :]
            if index in self._held or index in self._controller.stopped:
                return
        if index in self._over:
            self._end(index)

    def _end(self, index: int) -> None:
        """As Tune's own controller, with the last result told, which is not the one of the best epoch."""
        trial = self._controller.trials[index]
        if index not in self._controller.stopped:
            if index in self._last:
                trial.set_status(self._trial.TERMINATED)
                self._tune.on_trial_complete(self._controller, trial, self._last[index][1])
            else:
                trial.set_status(self._trial.ERROR)
                self._tune.on_trial_error(self._controller, trial)
        if self._upfront is None:
            del self._controller.trials[index]  # thousands of them would be remembered for nothing


@contextmanager
def _quiet() -> Iterator[None]:
    """HyperBand tells the console of each bracket that has no room for an epoch."""
    logger = logging.getLogger("ray.tune.schedulers.hyperband")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Controller:
    """What of Tune's controller a scheduler may use."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.trials: dict[int, Any] = {}
        self.stopped: set[int] = set()

    def get_trials(self) -> list[Any]:
        return list(self.trials.values())

    def get_live_trials(self) -> list[Any]:
        return [trial for trial in self.trials.values() if not trial.is_finished()]

    def stop_trial(self, trial: Any) -> None:
        """Of a trial that is paused: the others are stopped by the answer to their results."""
        if trial.is_finished():
            return
        trial.set_status(trial.TERMINATED)
        self.stopped.add(int(trial.trial_id))
        self._scheduler.on_trial_remove(self, trial)

    def __getattr__(self, name: str) -> Any:
        raise SweepError(
            f"the scheduler {type(self._scheduler).__name__} asks Tune's controller for {name}; accepts schedulers "
            "that only stop trials: get_trials, get_live_trials and stop_trial are there"
        )


class _NumpyState:
    """numpy's global random numbers as the scheduler's own: some of Tune's draw from them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._own: Any = None
        self._others: Any = None

    def __enter__(self) -> None:
        import numpy as np

        self._others = np.random.get_state()
        if self._own is None:
            np.random.seed(self._seed)
        else:
            np.random.set_state(self._own)

    def __exit__(self, *error: object) -> None:
        import numpy as np

        self._own = np.random.get_state()
        np.random.set_state(self._others)
