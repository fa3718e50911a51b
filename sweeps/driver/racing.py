"""The race of each activation's settings: looks after a round of folds, and who gets the next one.

All settings train the first round. When every one of them is over, those that ended well are compared on the folds that
all have (:mod:`sweeps.search.racing`), what was dropped is written down, and the others get their next round: a barrier
for each activation, so that no order of results decides anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sweeps.driver import in_race
from sweeps.driver.budget import Budget
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, Raced, TrialAdded, TrialStatus
from sweeps.folder.state import State
from sweeps.search import racing
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.spec import FoldSpec


class _Score(NamedTuple):
    value: float
    """The metric by which settings are chosen, at the epoch of the checkpoint rule."""
    ratio: float
    """Validation items for each training item."""


class Races:
    """Of the activations that are searched. In a study without races, none ever goes on."""

    def __init__(self, study: Study, ledger: Ledger, journals: Journals, budget: Budget) -> None:
        self._study, self._ledger, self._journals, self._budget = study, ledger, journals, budget
        self._race = study.search.race if study.search is not None else None
        self._rounds = planner.rounds(study, "search")
        self._seen: dict[str, tuple[tuple[int, tuple[str, ...]], dict[str, str]]] = {}
        """Label -> its present look (number and trials), and what of them it drops."""

    def goes_on(
        self, label: str, add_round: Callable[[str], bool], specs: Mapping[FoldKey, FoldSpec]
    ) -> tuple[bool, list[FoldKey]]:
        """One step of the race of an activation whose search trials are all over: a look, where one is due, and the
        next round for those that stay, all of them or none. Whether anything will train (or may, once the budget knows
        what others need), and the folds of what was dropped. ``specs``: of every fold that a trial may get."""
        if self._race is None:
            return False, []
        state, dropped = self._ledger.state, []
        if self._look_is_due(label):
            looked = self._look(label, specs)
            if looked is None:
                return False, []
            left = len(looked.compared) - len(looked.dropped)
            if left > 1 and not looked.further and self._budget.waits("search"):
                return True, []  # what others turn out to need decides whether it goes on
            self._ledger.write(looked)
            dropped = [fold for trial in looked.dropped for fold in state.trials[trial].folds]
        looks = state.races.get(label, [])
        given = looks[-1].further if looks else ()
        waiting = [trial for trial in given if state.rounds.get(trial, 0) < len(looks)]
        for trial in waiting:
            add_round(trial)
        return bool(waiting), dropped

    def _look_is_due(self, label: str) -> bool:
        state = self._ledger.state
        looks = state.races.get(label, [])
        if not looks:
            return True
        given = looks[-1].further
        # What has all its folds is compared by its means, and the best one wins.
        return (
            len(looks) < len(self._rounds) - 1
            and bool(given)
            and all(state.rounds.get(trial, 0) == len(looks) for trial in given)
        )

    def _look(self, label: str, specs: Mapping[FoldKey, FoldSpec]) -> Raced | None:
        """What is in the race by now, what of it is dropped, and whether the others go on; None where no setting has a
        result."""
        state, looks = self._ledger.state, self._ledger.state.races.get(label, [])
        until_now = in_race.running(looks)
        racing_now = [trial for trial in in_race.searched(state, label) if not looks or trial.trial in until_now]
        compared = [trial for trial in racing_now if self._ended_well(state, trial)]
        if not compared:
            return None
        began = [state.trials[name] for name in looks[0].compared] if looks else compared
        names = tuple(trial.trial for trial in compared)
        look = len(looks), names
        if label not in self._seen or self._seen[label][0] != look:  # one that waits for the budget looks at each step
            self._seen[label] = look, self._dropped(compared, began) if len(compared) > 1 else {}
        dropped = self._seen[label][1]
        left = tuple(name for name in names if name not in dropped)
        places = self._rounds[len(looks) + 1]
        asked = [specs[f"{trial}/fold-{repeat}-{fold}"] for trial in left for repeat, fold in places]
        return Raced(
            label=label,
            round=len(looks),
            compared=names,
            dropped=dropped,
            further=left if len(left) > 1 and self._budget.affords(asked) else (),
        )

    def _ended_well(self, state: State, trial: TrialAdded) -> bool:
        """Not stopped, diverged, failed or given up, and with a value on every fold."""
        if trial.trial in state.stopping or state.completed[trial.trial].status is not TrialStatus.FINISHED:
            return False
        return math.isfinite(state.completed[trial.trial].metrics.get(self._study.select_on(), math.nan))

    def _dropped(self, compared: Sequence[TrialAdded], began: Sequence[TrialAdded]) -> dict[str, str]:
        import numpy as np

        assert self._race is not None
        metric, first = self._study.select_on(), len(self._rounds[0])
        sign = self._study.description.metric(metric).sign
        of_began = {fold for trial in began for fold in trial.folds[:first]}
        read = {fold: self._read(fold) for fold in of_began | {fold for trial in compared for fold in trial.folds}}
        scores = sign * np.array([[read[fold].value for fold in trial.folds] for trial in compared])
        of_first = [[read[fold] for fold in trial.folds[:first]] for trial in began]
        ratios = [each.ratio for folds in of_first for each in folds]
        race = racing.Race(
            settings=len(began),
            looks=len(self._rounds) - 1,
            error=self._race.error,
            ratio=sum(ratios) / len(ratios),
        )
        found = racing.lost(scores, sign * np.array([[each.value for each in folds] for folds in of_first]), race)
        folds = f"{scores.shape[1]} of {sum(map(len, self._rounds))} folds"
        return {
            compared[at].trial: (
                f"after {folds} its {metric} is worse than that of {compared[loss.behind].trial} by {loss.gap:.4g}, "
                f"more than the {loss.limit:.4g} of chance ({planner.RACE_RULE}, error {self._race.error:g})"
            )
            for at, loss in found.items()
        }

    def _read(self, fold: FoldKey) -> _Score:
        """Of a fold that ended well."""
        history = self._journals.history(fold)
        assert history is not None
        assert history.end is not None
        start, outcome = history.start, history.end.outcomes[history.end.rule]
        self._journals.forget([fold])
        return _Score(outcome.metrics[self._study.select_on()], start.n_validation / max(start.n_train, 1))
