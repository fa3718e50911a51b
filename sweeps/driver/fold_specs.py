"""The specifications of a study's folds, made when they are asked for: they follow from the study and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sweeps.folder.records import FoldKey, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.spec import FoldSpec


class Book(Protocol):
    """A ledger, or what stands for one."""

    @property
    def state(self) -> State: ...


@dataclass(frozen=True)
class _Replayed:
    state: State


def specs_of(study: Study, state: State) -> FoldSpecs:
    """Those of a ledger that was read and is not written."""
    return FoldSpecs(study, _Replayed(state))


class FoldSpecs(Mapping[FoldKey, FoldSpec]):
    """Of every fold that was added so far, by its key. Those of the trial that was asked for last are kept, for a
    trial's folds are asked for together."""

    def __init__(self, study: Study, ledger: Book) -> None:
        self._study, self._ledger = study, ledger
        self._last = ""
        self._specs: dict[FoldKey, FoldSpec] = {}

    def __getitem__(self, fold: FoldKey) -> FoldSpec:
        name = trial_of(fold)
        if name != self._last:
            self.keep(self._ledger.state.trials[name])
        return self._specs[fold]

    def keep(self, trial: TrialAdded, specs: list[FoldSpec] | None = None) -> None:
        """Makes them ready for one trial; ``specs``: of all folds that it may get, where they are made already."""
        if specs is None:
            specs = planner.fold_specs(
                self._study,
                phase=trial.phase,
                trial=trial.trial,
                label=trial.label,
                params=trial.params,
                training=trial.training,
            )
        self._last = trial.trial
        self._specs = {f"{trial.trial}/{spec.folder}": spec for spec in specs}

    def __iter__(self) -> Iterator[FoldKey]:
        return (fold for trial in self._ledger.state.trials.values() for fold in trial.folds)

    def __len__(self) -> int:
        return sum(len(trial.folds) for trial in self._ledger.state.trials.values())
