"""The race of each activation's settings: looks after a round of folds, and who gets the next one.

All settings train the first round. When every one of them is over, those that ended well are compared on the folds that
all have (:mod:`sweeps.search.racing`), what was dropped is written down, and the others get their next round: a barrier
for each activation, so that no order of results decides anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from sweeps.driver import in_race
from sweeps.driver.budget import Budget
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, Raced, TrialAdded, TrialStatus
from sweeps.folder.state import State
from sweeps.search import racing
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.journal import FoldHistory
from trainer.spec import FoldSpec


class Races:
    """Of the activations that are searched. In a study without races, none ever goes on."""

    def __init__(self, study: Study, ledger: Ledger, journals: Journals, budget: Budget) -> None:
        self._study, self._ledger, self._journals, self._budget = study, ledger, journals, budget
        self._race = study.search.race if study.search is not None else None
        self._rounds = planner.rounds(study, "search")

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
        dropped: dict[str, str] = {}
        if len(compared) > 1:
            dropped = self._dropped(compared, began, len(looks))
        left = tuple(trial.trial for trial in compared if trial.trial not in dropped)
        places = self._rounds[len(looks) + 1]
        asked = [specs[f"{trial}/fold-{repeat}-{fold}"] for trial in left for repeat, fold in places]
        return Raced(
            label=label,
            round=len(looks),
            compared=tuple(trial.trial for trial in compared),
            dropped=dropped,
            further=left if len(left) > 1 and self._budget.affords(asked) else (),
        )

    def _ended_well(self, state: State, trial: TrialAdded) -> bool:
        """Not stopped, diverged, failed or given up, and with a value on every fold."""
        if trial.trial in state.stopping or state.completed[trial.trial].status is not TrialStatus.FINISHED:
            return False
        return math.isfinite(state.completed[trial.trial].metrics.get(self._study.select_on(), math.nan))

    def _dropped(self, compared: Sequence[TrialAdded], began: Sequence[TrialAdded], number: int) -> dict[str, str]:
        import numpy as np

        assert self._race is not None
        metric, first = self._study.select_on(), len(self._rounds[0])
        sign = self._study.description.metric(metric).sign
        scores = sign * np.array([self._scores(trial.folds) for trial in compared])
        of_first = sign * np.array([self._scores(trial.folds[:first]) for trial in began])
        race = racing.Race(
            settings=len(began),
            looks=len(self._rounds) - 1,
            error=self._race.error,
            ratio=self._ratio([fold for trial in began for fold in trial.folds[:first]]),
        )
        found = racing.lost(scores, of_first, race)
        folds = f"{scores.shape[1]} of {sum(map(len, self._rounds))} folds"
        return {
            compared[at].trial: (
                f"after {folds} its {metric} is worse than that of {compared[loss.behind].trial} by {loss.gap:.4g}, "
                f"more than the {loss.limit:.4g} of chance ({planner.RACE_RULE}, error {self._race.error:g})"
            )
            for at, loss in found.items()
        }

    def _scores(self, folds: Sequence[FoldKey]) -> list[float]:
        """The metric by which settings are chosen, at the epoch of the checkpoint rule, of folds that ended well."""
        ends = [history.end for history in self._read(folds) if history.end is not None]
        return [end.outcomes[end.rule].metrics[self._study.select_on()] for end in ends]

    def _ratio(self, folds: Sequence[FoldKey]) -> float:
        """Validation items for each training item, in the mean."""
        starts = (history.start for history in self._read(folds))
        ratios = [start.n_validation / max(start.n_train, 1) for start in starts]
        return sum(ratios) / len(ratios)

    def _read(self, folds: Sequence[FoldKey]) -> Iterator[FoldHistory]:
        for fold in folds:
            if (history := self._journals.history(fold)) is not None:
                yield history
            self._journals.forget([fold])
