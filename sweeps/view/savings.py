"""What stopping losers early saved, and what races did: what was planned and not trained."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from sweeps.driver import in_race
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted, duration
from trainer.journal import read_fold


@dataclass(frozen=True, kw_only=True)
class Savings:
    """Of the trials that the scheduler stopped. ``device_s``: epochs not trained, each at its trial's median epoch."""

    trials: int
    epochs: int
    planned: int
    device_s: float

    def words(self) -> str:
        planned = counted(self.planned, "planned epoch")
        return (
            f"scheduler: stopped {counted(self.trials, 'trial')} early; {self.epochs} of {planned} not trained, about "
            f"{duration(self.device_s)} of device time saved"
        )


def savings(study: Study, state: State, trials: Path) -> Savings | None:
    """None where nothing was stopped."""
    stopped = [state.trials[name] for name in state.stopping]
    if not stopped:
        return None
    spared = planned = 0
    device_s = 0.0
    for trial in stopped:
        epochs = int(trial.training.get("epochs") or study.epochs(trial.phase))
        histories = [history for fold in trial.folds if (history := read_fold(trials / fold)) is not None]
        trained = [epoch for history in histories for epoch in history.epochs]
        left = epochs * len(trial.folds) - len(trained)
        planned += epochs * len(trial.folds)
        spared += left
        if trained:
            device_s += left * statistics.median(epoch.seconds for epoch in trained)
    return Savings(trials=len(stopped), epochs=spared, planned=planned, device_s=device_s)


def raced(study: Study, state: State) -> str:
    """What the races of a study's settings saved, in words; "" where there were none."""
    searched = state.of_phase("search")
    never = sum(folds for _, folds in in_race.never(study, state))
    if planner.race(study) is None or not never:
        return ""
    planned = never + sum(len(trial.folds) for trial in searched)
    return (
        f"race: {len(state.dropped)} of {counted(len(searched), 'setting')} dropped; {never} of "
        f"{counted(planned, 'planned fold')} not trained"
    )
