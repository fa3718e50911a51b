"""Repeats until decided: looks at the comparisons of the confirm phase, and gives further repeats to the open ones.

The one place of the driver that reads held-out numbers, as ``until: decided`` declares; its boundaries account for
every look. The words are those of the report: both ask :func:`analysis.statistics.claims.followed` of the same runs. A
look is taken when no trial of the phase trains any more, and is in the ledger, with the rounds that follow from it,
before they are given: a driver that was killed anywhere gives those and no others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.driver.budget import Budget
from sweeps.driver.new_trials import NewTrials
from sweeps.folder import winners
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, Looked, TrialAdded, TrialStatus
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study

if TYPE_CHECKING:
    from analysis.runs.frames import Run
    from analysis.statistics.course import Course, Pair
    from sweeps.tracking.folder_reader import FolderReader


class Confirmation:
    """``path``: the study folder, whose plan has the boundaries."""

    def __init__(self, study: Study, ledger: Ledger, new_trials: NewTrials, budget: Budget, path: Path) -> None:
        self._study, self._ledger, self._new_trials = study, ledger, new_trials
        self._budget, self._path = budget, path
        self._until_decided = study.confirm is not None and study.confirm.until is not None
        self._reader: FolderReader | None = None
        self._ended: dict[FoldKey, tuple[Run, str]] = {}
        """Runs of folds that have a result, which nothing changes any more, and where their loss was not finite."""

    @property
    def _state(self) -> State:
        return self._ledger.state

    def step(self, *, searching: bool) -> None:
        """Looks where a look is due, and gives the rounds that follow; does nothing that was done before."""
        if not self._until_decided or searching or self._budget.pending:
            return
        self._give()
        found = (winners.standing(self._state, label, "confirm") for label in self._study.compared())
        trials = {trial.label: trial for trial in found if trial is not None}
        if any(trial.trial not in self._state.completed for trial in trials.values()):
            return
        if trials and self._look(trials):
            self._give()

    def _give(self) -> None:
        """The rounds of the last look that were not given yet."""
        for trial, number in self._state.looks[-1].rounds.items() if self._state.looks else ():
            if self._state.rounds.get(trial, 0) < number:
                self._new_trials.add_round(trial)

    def _look(self, trials: Mapping[str, TrialAdded]) -> bool:
        """Whether there was something new to see, which is then in the ledger."""
        from analysis.statistics.course import named

        course = self._course(trials)
        known = self._known()
        words = {named(pair): str(one.verdict.word) for pair, one in course.standings.items() if one.decided}
        open_ = list(course.open)
        rounds = self._rounds(course, open_, trials)
        look = Looked(
            look=len(self._state.looks),
            repeats=max(course.standings[pair].trained for pair in open_ or course.standings),
            decided={name: word for name, word in words.items() if known.get(name) != word},
            open=tuple(map(named, open_)),
            rounds=rounds if self._affords(rounds) else {},
        )
        last = self._state.looks[-1] if self._state.looks else None
        if last is not None and not (last.rounds or look.decided or look.rounds) and look.open == last.open:
            return False
        self._ledger.write(look)
        return True

    def _known(self) -> dict[str, str]:
        """Words so far. A comparison may be open again: where a lost fold came back after it was decided, or where more
        comparisons were declared later, for which every limit is narrower."""
        known: dict[str, str] = {}
        for look in self._state.looks:
            known |= look.decided
            for name in look.open:
                known.pop(name, None)
        return known

    def _rounds(self, course: Course, open_: list[Pair], trials: Mapping[str, TrialAdded]) -> dict[str, int]:
        """Trial -> its next round, for both sides of every comparison that is open and can go on: one that lacks
        repeats that the other has gets them first. A trial without a result for too many of its folds gets no more of
        them until it was retried."""
        from analysis.statistics.scores import MISSING_SHARE

        def lost(trial: TrialAdded) -> bool:
            return sum(fold not in self._ended for fold in trial.folds) > MISSING_SHARE * len(trial.folds)

        last = len(planner.rounds(self._study, "confirm")) - 1
        given: dict[str, int] = {}
        for pair in open_:
            if any(label not in trials or lost(trials[label]) for label in pair):
                continue
            sides = [trials[label].trial for label in pair]
            at = {trial: self._state.rounds.get(trial, 0) for trial in sides}
            behind = min(at.values())
            if behind < last:
                given |= {trial: behind + 1 for trial in sides if at[trial] == behind}
        return given

    def _affords(self, rounds: Mapping[str, int]) -> bool:
        places = planner.rounds(self._study, "confirm")
        folds = [f"{trial}/fold-{repeat}-{fold}" for trial, at in rounds.items() for repeat, fold in places[at]]
        return not folds or self._budget.affords([self._new_trials.specs[fold] for fold in folds])

    # -- what the runs say ---------------------------------------------------------------------------------------------

    def _course(self, trials: Mapping[str, TrialAdded]) -> Course:
        from analysis.runs import frames
        from analysis.statistics import claims

        reader = self._folder()
        read = [self._run(reader, fold) for trial in trials.values() for fold in trial.folds]
        found = [one for one in read if one is not None]
        broken = {run.run_id: why for run, why in found if why}
        cube = frames.to_cube([run for run, _ in found], reader.plan, broken)
        return claims.followed(claims.claimed(cube, reader.plan), reader.plan)

    def _folder(self) -> FolderReader:
        from sweeps.tracking.folder_reader import FolderReader

        if self._reader is None:
            self._reader = FolderReader.open(self._path)
        return self._reader

    def _run(self, reader: FolderReader, fold: FoldKey) -> tuple[Run, str] | None:
        """The fold's run as the report will read it, and where its loss was not finite; None for one that never
        began."""
        from analysis.runs import frames

        if fold in self._ended:
            return self._ended[fold]
        content, _ = reader.fold(fold)
        if content is None:
            return None
        broken = [
            f"{name} is {value} at epoch {epoch.epoch}"
            for epoch in content.epochs
            for name in frames.LOSSES
            if not math.isfinite(value := epoch.metrics.get(name, 0.0))
        ]
        metrics = {point.key: point.value for point in content.final}
        run = frames.Run(run_id=fold, artifacts="", tags=content.tags, params=content.params, metrics=metrics)
        found = run, broken[0] if broken else ""
        if content.status in (TrialStatus.FINISHED, TrialStatus.DIVERGED):
            self._ended[fold] = found
        return found
