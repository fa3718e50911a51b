"""New trials: the suggestions of the searches, their winners again, and what has nothing to search."""

from __future__ import annotations

import math
from pathlib import Path

from sweeps.driver import decisions, in_race
from sweeps.driver.budget import Budget
from sweeps.driver.fold_specs import FoldSpecs
from sweeps.driver.racing import Races
from sweeps.folder import decided, layout, winners
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Exhausted, FoldKey, FoldsAdded, Selected, TrialAdded
from sweeps.folder.state import State
from sweeps.search.per_activation import Searches
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.spec import Options, Phase

AT_A_TIME = 50
"""Suggestions of one label in one decision step: some hundred milliseconds, most of them for files."""


class NewTrials:
    """``trials``: the folder of the trials."""

    def __init__(
        self, study: Study, ledger: Ledger, searches: Searches, trials: Path, races: Races, budget: Budget
    ) -> None:
        self._study, self._ledger, self._searches, self._trials = study, ledger, searches, trials
        self._races, self._budget = races, budget
        self.specs = FoldSpecs(study, ledger)

    @property
    def _state(self) -> State:
        return self._ledger.state

    def restore(self) -> None:
        """Writes what a killed driver left unwritten of the ledger's trials."""
        for trial in self._state.each_open():
            self._write(trial)

    def ask(self) -> None:
        """Adds the suggestions that may be asked for now, of each label at most :data:`AT_A_TIME`: the next decision
        step goes on, so that none of them keeps a driver from its jobs for long."""
        if self._study.budget is not None:
            self._ask_in_turn()
            return
        for label in self._searches.labels:
            if label in self._searches.unpublished:
                self._ledger.write(self._searches.publish(label))
            index = len(self._state.group(label, "search").trials)
            last = index + AT_A_TIME
            while index < last and label not in self._state.exhausted and self._searches.ready(label, index):
                self._ask(label, index)
                index += 1

    def _ask(self, label: str, index: int) -> None:
        config = self._searches.ask(label, index)
        if config is None:
            self._ledger.write(Exhausted(label=label, trials=index))
        else:
            params, training = self._searches.resolve(label, config)
            self._add(label, "search", index, params, training, config)

    def _ask_in_turn(self) -> None:
        """A setting of every activation or of none, so that all have had as many wherever the budget ends."""
        had = {label: len(self._state.group(label, "search").trials) for label in self._searches.labels}
        while True:
            had = {label: count for label, count in had.items() if label not in self._state.exhausted}
            index = min(had.values(), default=0)
            behind = [label for label, count in had.items() if count == index]
            begun = len(behind) < len(had)  # a driver that was killed had the rest of them paid for
            if not behind or not all(self._searches.ready(label, index) for label in behind):
                return
            if not begun and not self._budget.affords_settings(behind, index):
                return
            for label in behind:
                self._ask(label, index)
                had[label] += 1

    def select(self) -> list[FoldKey]:
        """Sends the winner of each search that is over to the confirm phase, and at once what had nothing to search. A
        search without a winner stays as it is, for the user to fix what made it fail and to retry it. Returns the folds
        of the winners, and of what was dropped from a race."""
        won_folds: list[FoldKey] = []
        phase = planner.claims_phase(self._study)
        for label in self._study.compared():
            searched = label in self._searches.labels
            if searched and not self._over(label):
                continue
            if label not in self._state.selected:
                races, dropped = self._race(label) if searched else (False, [])
                won_folds += dropped
                if races:
                    continue
                chosen = self._winner(label)
                if chosen is None:
                    continue
                self._ledger.write(chosen)
                decided.write(self._trials, self._state, chosen.trial)
                won_folds += won.folds if (won := self._state.trials.get(chosen.trial)) else ()
                won_folds += self._told_again(label)
            if searched and phase == "search":
                continue
            if (there := winners.standing(self._state, label, phase)) is not None:
                self._fill(there)
            else:
                won = self._state.trials.get(self._state.selected[label].trial)
                params, training = (won.params, won.training) if won else self._study.fixed(label)
                index = len(self._state.group(label, phase).trials)
                self._add(label, phase, index, params, training, {})
        return won_folds

    def _told_again(self, label: str) -> list[FoldKey]:
        """What was trained for an earlier choice of the label's search is no winner's now, or is again."""
        trials = [
            trial for trial in self._state.of_phase("confirm") if trial.label == label and label in self._state.earlier
        ]
        for trial in trials:
            decided.write(self._trials, self._state, trial.trial)
        return [fold for trial in trials for fold in trial.folds]

    def _fill(self, trial: TrialAdded) -> None:
        """Gives a trial that is over what its rounds have more since the study was extended."""
        if not self._state.extended or trial.trial not in self._state.completed:
            return
        number = self._state.rounds.get(trial.trial, 0)
        rounds = planner.rounds(self._study, trial.phase)[: number + 1]
        there = set(trial.folds)
        folds = [f"{trial.trial}/fold-{repeat}-{fold}" for places in rounds for repeat, fold in places]
        if missing := tuple(fold for fold in folds if fold not in there):
            self._add_folds(trial.trial, number, missing)

    def _race(self, label: str) -> tuple[bool, list[FoldKey]]:
        """Whether the race of a label's settings goes on, and the folds of what was dropped."""
        goes_on, dropped = self._races.goes_on(label, self.add_round, self.specs)
        for trial in {fold.partition("/")[0] for fold in dropped}:
            decided.write(self._trials, self._state, trial)
        return goes_on, dropped

    @property
    def searching(self) -> bool:
        """Whether a search is not over yet."""
        return any(not self._over(label) for label in self._searches.labels)

    def _winner(self, label: str) -> Selected | None:
        """None where every setting failed or was given up, which says nothing of the activation."""
        metric = self._searches.metric
        settings = self._state.of_phase("search")
        whole = self._budget.whole_rounds(settings)
        trials = [trial for trial in settings if trial.label == label and trial.index < whole]
        if not trials and label not in self._searches.labels:
            trial = layout.trial_name(label, planner.claims_phase(self._study), 0)
            return Selected(label=label, trial=trial, metric=metric, value=math.nan, among=0)
        among = [trial for trial in in_race.candidates(self._state, label) if trial.index < whole]
        won = decisions.winner(among, self._state.completed, metric, self._study.better)
        return won and Selected(label=label, trial=won[0], metric=metric, value=won[1], among=len(trials))

    def _over(self, label: str) -> bool:
        if label not in self._state.exhausted and not self._budget.search_cut:
            return False
        return not self._state.group(label, "search").open

    def _add(self, label: str, phase: Phase, index: int, params: Options, training: Options, config: Options) -> None:
        name = layout.trial_name(label, phase, index)
        specs = planner.fold_specs(self._study, phase=phase, trial=name, label=label, params=params, training=training)
        first = planner.rounds(self._study, phase)[0]
        trial = TrialAdded(
            trial=name,
            label=label,
            activation=specs[0].activation.name,
            phase=phase,
            index=index,
            params=specs[0].activation.params,
            training=dict(training),
            folds=tuple(f"{name}/{spec.folder}" for spec in specs if (spec.repeat, spec.fold) in first),
            config=config,
        )
        self._ledger.write(trial)
        self.specs.keep(trial, specs)
        self._write(trial)

    def add_round(self, trial: str) -> bool:
        """Gives a trial that is over its next round of folds; False where it has had its last."""
        known = self._state.trials[trial]
        rounds = planner.rounds(self._study, known.phase)
        number = self._state.rounds.get(trial, 0) + 1
        if number >= len(rounds):
            return False
        self._add_folds(trial, number, tuple(f"{trial}/fold-{repeat}-{fold}" for repeat, fold in rounds[number]))
        return True

    def _add_folds(self, trial: str, number: int, folds: tuple[FoldKey, ...]) -> None:
        self._ledger.write(FoldsAdded(trial=trial, round=number, folds=folds))
        decided.write(self._trials, self._state, trial)
        self._write(self._state.trials[trial])

    def _write(self, trial: TrialAdded) -> None:
        folder = self._trials / trial.trial
        if not (folder / layout.TRIAL).exists():
            layout.write_trial(folder, trial, self._study.degrees(trial.label, trial.params))
        for fold in trial.folds:
            if not (self._trials / fold / layout.SPEC).exists():
                layout.write_spec(self._trials / fold, self.specs[fold])
