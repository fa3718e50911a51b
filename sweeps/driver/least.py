"""How long a pack needs until it has something to keep: a job that has less left is not to take it."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.driver.estimates import STARTING_S
from sweeps.folder.records import FoldKey, trial_of
from sweeps.folder.state import State
from sweeps.study.study import Study
from trainer.spec import Phase

MARGIN = 1.5
"""Over the mean of a trial's epochs: the first takes longer, and not all nodes are as fast."""


class Least:
    """Of the study's own epochs, by activation and phase: those of trials that are over. A pack that is told to end
    saves the last epoch that it has finished, however seldom it writes checkpoints; so one epoch is what it takes."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._seen: set[str] = set()
        self._epoch_s: dict[tuple[str, Phase], float] = {}

    def seconds(self, state: State, folds: Sequence[FoldKey]) -> float | None:
        """From the begin of a pack of these folds; None while no epoch of their phase was measured."""
        self._observe(state)
        known = [self._of(state, fold) for fold in folds]
        measured = [each for each in known if each is not None]
        return STARTING_S + MARGIN * max(measured) if measured else None

    def _of(self, state: State, fold: FoldKey) -> float | None:
        trial = state.trials[trial_of(fold)]
        if (own := self._epoch_s.get((trial.label, trial.phase))) is not None:
            return own
        return max((each for (_, phase), each in self._epoch_s.items() if phase == trial.phase), default=None)

    def _observe(self, state: State) -> None:
        if len(self._seen) == len(state.completed):
            return
        for name, done in state.completed.items():
            if name not in self._seen and done.epochs:
                trial = state.trials[name]
                kind = trial.label, trial.phase
                self._epoch_s[kind] = max(self._epoch_s.get(kind, 0.0), (done.seconds or 0.0) / done.epochs)
        self._seen = set(state.completed)
