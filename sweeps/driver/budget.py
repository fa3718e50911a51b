"""What a study may still spend: asked before anything is added or submitted.

Three things never pass the budget together: what jobs that are over have held, what those that are not were promised,
and what is asked for. A promise is the pack's own limit, which its node keeps; it is in the ledger before the pack is
submitted. So nothing that a node, a scheduler or a driver does, or fails to do, spends more.

Where jobs hold several packs this is said of the packs. What such a job holds beside them (its start, the wait for a
further pack, devices that are idle while the last one trains) belongs to none of them and is not in the budget; the
site's accounts, which are asked after the study, have it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from slurm.profile import Profile
from sweeps.driver import decisions
from sweeps.driver.estimates import Estimates
from sweeps.driver.packs import pack_size
from sweeps.driver.submission import Granted, Pack
from sweeps.folder import decided, probed
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import BudgetRaised, BudgetReached, FoldKey, Stopping, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted
from trainer.spec import FoldSpec, Phase

FIRST_SHARE = 0.5
"""Of what is left, what the first packs of the activations may use while nothing was measured, all together."""
LEAST_S = 20.0
"""That any pack is promised: less may be over before its process can tell."""
STOPPED = "the budget does not pay for its remaining epochs"


class Budget:
    """Of a study without a budget, everything is affordable. ``path``: the study's folder; ``devices``: that a pack
    holds; ``profile``: where it runs, None: anywhere."""

    def __init__(
        self,
        study: Study,
        ledger: Ledger,
        journals: Journals,
        path: Path,
        *,
        devices: int = 1,
        profile: Profile | None = None,
    ) -> None:
        self._study, self._ledger, self._journals, self._devices = study, ledger, journals, devices
        self._trials = path / "trials"
        self._limited = study.budget is not None
        self.cap_s = 3600.0 * study.budget.gpu_hours if study.budget is not None else math.inf
        self._margin = study.budget.margin if study.budget is not None else 1.0
        self._estimates = Estimates(study, journals, probed.read(path) if self._limited else None, profile)
        self._denied: BudgetReached | None = None
        """What was asked for since the last look and not paid for."""
        self._committed: list[float | None] | None = None
        """What is added and in no job needs, and what was affordable since the last look."""

    @property
    def _state(self) -> State:
        return self._ledger.state

    def observe(self) -> None:
        """Takes in what was trained by now."""
        self._denied = self._committed = None
        if self._limited:
            self._estimates.observe(self._state)

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def spent_s(self) -> float:
        """Device seconds. Of jobs that an earlier version watched, what their epochs took."""
        spending = self._state.spending
        return spending.spent_s + sum(self._journals.trained(fold).seconds for fold in spending.unmetered)

    @property
    def left_s(self) -> float:
        return self.cap_s - self.spent_s - self._state.spending.promised_s(self._state.unanswered.values())

    @property
    def _in_flight(self) -> bool:
        return bool(self._state.folds_of or self._state.unanswered)

    @property
    def pending(self) -> bool:
        """Whether it is not known yet what some job held."""
        return self._limited and self._in_flight

    def ended(self, phase: Phase) -> bool:
        """Whether what was still planned of the phase is not paid for."""
        return any(each.phase == phase and each.cap_s >= self.cap_s for each in self._lacking(phase))

    def _lacking(self, phase: Phase) -> list[BudgetReached]:
        return [each for each in self._state.spending.shortfalls if each.phase == phase]

    @property
    def over(self) -> bool:
        """Whether the study ends although planned folds were not trained."""
        return self._limited and self.ended("confirm") and not self._in_flight

    @property
    def search_cut(self) -> bool:
        """Whether the searches ended for want of budget. A greater one later does not open them again: their winners
        are chosen."""
        return bool(self._lacking("search"))

    def whole_rounds(self, trials: Iterable[TrialAdded]) -> int | float:
        """How many settings of every activation there are until the first that ended for want of budget and has no
        result of an earlier round of folds."""
        stopped = {name for each in self._lacking("search") for name in each.stopped} - self._state.before_round.keys()
        return min((trial.index for trial in trials if trial.trial in stopped), default=math.inf)

    def waits(self, phase: Phase) -> bool:
        """Whether what is not affordable now may be later: jobs in flight may turn out to need less."""
        return self._limited and (self._in_flight or self._state.index.any_open()) and not self._lacking(phase)

    # -- what is asked -------------------------------------------------------------------------------------------------

    def affords(self, folds: Sequence[FoldSpec]) -> bool:
        """Whether these folds could be trained on top of all that was spent and promised before, and of what is
        reserved. False may only mean "not yet", see :meth:`waits`."""
        if not self._limited or not folds:
            return True
        if folds[0].phase == "search" and self.search_cut:
            return False
        asked: list[tuple[str, Phase, int]] = []
        for trial, specs in groupby(folds, key=lambda spec: spec.trial):
            same = list(specs)
            known = self._state.trials.get(trial)
            label = known.label if known is not None else trial.rpartition("-")[0]
            asked.append((label, same[0].phase, len(same)))
        trials = counted(len(asked), "trial")
        return self._affords(asked, f"{counted(len(folds), 'further fold')} of {trials} in the {asked[0][1]} phase")

    def affords_settings(self, labels: Collection[str], index: int) -> bool:
        """Whether one more setting of each of these activations could be trained; the first of each always may."""
        if not self._limited or index == 0:
            return True
        planned = max(planner.trials(self._study, label, "search") for label in labels)
        if index >= planned:  # the searches are to say so themselves
            return True
        if self.search_cut:
            return False
        each = len(planner.rounds(self._study, "search")[0])
        what = f"{counted(planned - index, 'further setting')} of every activation, of {planned} planned"
        return self._affords([(label, "search", each) for label in labels], what)

    def _affords(self, asked: Sequence[tuple[str, Phase, int]], what: str) -> bool:
        needs = [self._fresh_s(*each) for each in asked]
        if self._committed is None:
            packs = decisions.packs(self._open(), pack_size(self._study))
            self._committed = [_summed(self._need_s(pack) for pack in packs)]
        new, committed, reserved = _summed(needs), _summed(self._committed), self._reserved_s()
        if new is None or committed is None or reserved is None:
            return False  # until it was measured
        if new + committed + reserved <= self.left_s:
            self._committed.append(new)
            return True
        denied = self._reached(what, asked[0][1], new)
        if not self._in_flight and not self._state.index.any_open():
            self._ledger.write(denied)
        else:
            self._denied = self._denied or denied
        return False

    def _reached(self, what: str, phase: Phase, asked_s: float, stopped: Iterable[str] = ()) -> BudgetReached:
        return BudgetReached(
            what=what, spent_s=self.spent_s, asked_s=asked_s, cap_s=self.cap_s, phase=phase, stopped=tuple(stopped)
        )

    def _open(self) -> list[FoldKey]:
        return [
            fold
            for fold in decisions.open_folds(self._state)
            if (history := self._journals.history(fold)) is None or history.end is None
        ]

    def _need_s(self, pack: Pack) -> float | None:
        """Device seconds at most, with the margin."""
        seconds = self._estimates.pack_s(pack)
        return None if seconds is None else max(LEAST_S, seconds * self._margin) * self._devices

    def _fresh_s(self, label: str, phase: Phase, folds: int) -> float | None:
        packs = math.ceil(folds / (pack_size(self._study) or folds))
        seconds = self._estimates.fresh_s(label, phase, folds, packs)
        return None if seconds is None else max(packs * LEAST_S, seconds * self._margin) * self._devices

    def _reserved_s(self) -> float | None:
        """For the first folds of every activation in the confirm phase, as long as they are not added."""
        if not self._study.searched() or planner.claims_phase(self._study) == "search":
            return 0.0
        gone = {trial.label for trial in self._state.of_phase("confirm")}
        if not self._searching:  # a search without a winner has nothing to confirm
            gone |= set(self._study.compared()) - self._state.selected.keys()
        first = len(planner.rounds(self._study, "confirm")[0])
        needs = [self._fresh_s(label, "confirm", first) for label in self._study.compared() if label not in gone]
        return _summed(needs)

    @property
    def _searching(self) -> bool:
        open_ = not self.search_cut and any(label not in self._state.exhausted for label in self._study.searched())
        return open_ or any(trial.phase == "search" for trial in self._state.unfinished())

    # -- what is granted -----------------------------------------------------------------------------------------------

    def grant(self, packs: Iterable[Pack]) -> Iterable[Granted]:
        """Those of the packs that are paid for, each with what it may use. Of what is left a search leaves what is
        reserved for the confirm phase; of claims, a repeat is paid for all activations or for none."""
        if not self._limited:  # as many of them as there is room for are looked at
            return (Granted(pack, None, self._devices) for pack in packs)
        by_phase: dict[Phase, list[Pack]] = {"search": [], "confirm": []}
        for pack in packs:
            by_phase[self._state.trials[trial_of(pack[0])].phase].append(pack)
        reserved = self._reserved_s() or 0.0
        claims = [self._need_s(pack) or 0.0 for pack in by_phase["confirm"]]
        granted = self._in_order(by_phase["search"], self.left_s - reserved - sum(claims))
        promised = sum((each.seconds or 0.0) * each.devices for each in granted)
        available = self.left_s - reserved - promised
        if self._searching:
            first = self._first_repeats(by_phase["confirm"])
            return granted + self._in_order(first, available)
        if sum(claims) > available:
            return granted + self._by_repeat(by_phase["confirm"], available)
        return granted + self._in_order(by_phase["confirm"], available)

    def _in_order(self, packs: Sequence[Pack], available: float) -> list[Granted]:
        """Up to the first that is not paid for: to take a cheaper one before it would favour its activation."""
        granted: list[Granted] = []
        first = self._first_packs(packs)
        share = FIRST_SHARE * available / len(first) if first else 0.0
        for pack in packs:
            need = self._need_s(pack)
            if need is None:
                if pack not in first:
                    continue
                need = max(share, LEAST_S * self._devices)
            if need > available:
                break
            granted.append(Granted(pack, need / self._devices, self._devices))
            available -= need
        return granted

    def _first_packs(self, packs: Sequence[Pack]) -> set[Pack]:
        """One of each activation that was not measured, and that nothing measures now."""
        busy = {self._label(fold) for pack in self._state.folds_of.values() for fold in pack}
        found: dict[str, Pack] = {}
        for pack in packs:
            if self._label(pack[0]) not in busy and self._need_s(pack) is None:
                found.setdefault(self._label(pack[0]), pack)
        return set(found.values())

    def _first_repeats(self, packs: Sequence[Pack]) -> list[Pack]:
        """While settings are searched, of the claims only what measures an activation: the first of its repeats. The
        others wait, so that a repeat is paid for all activations or for none."""
        first = [tuple(fold for fold in pack if _repeat(fold) == _repeat(pack[0])) for pack in packs]
        return [pack for pack in first if self._need_s(pack) is None]

    def _by_repeat(self, packs: Sequence[Pack], available: float) -> list[Granted]:
        granted: list[Granted] = []
        for repeat in sorted({_repeat(fold) for pack in packs for fold in pack}):
            part = [tuple(fold for fold in pack if _repeat(fold) == repeat) for pack in packs]
            needs = {pack: self._need_s(pack) for pack in part if pack}
            if any(need is None for need in needs.values()):
                continue
            need_s = sum(need or 0.0 for need in needs.values())
            if need_s > available:
                break
            available -= need_s
            granted += [Granted(pack, (need or 0.0) / self._devices, self._devices) for pack, need in needs.items()]
        return granted

    def _label(self, fold: FoldKey) -> str:
        return self._state.trials[trial_of(fold)].label

    # -- what is not paid for ------------------------------------------------------------------------------------------

    def settle(self, waiting: Iterable[FoldKey]) -> None:
        """Writes down what the budget does not pay for, once nothing runs that could leave some of it."""
        if not self._limited:
            return
        self._stop()
        waiting = list(waiting)
        packs = list(decisions.packs(waiting, pack_size(self._study)))
        if self._in_flight or self.grant(packs) or self.over:
            return
        needs = {pack: self._need_s(pack) or 0.0 for pack in packs}
        search = [pack for pack in packs if self._state.trials[trial_of(pack[0])].phase == "search"]
        if search:
            trials = dict.fromkeys(trial_of(pack[0]) for pack in search)
            what = f"{counted(sum(map(len, search)), 'fold')} of {counted(len(trials), 'setting')} that had been chosen"
            self._ledger.write(self._reached(what, "search", sum(needs[pack] for pack in search), trials))
            self._stop()
            for trial in trials:
                decided.write(self._trials, self._state, trial)
        elif self._denied is not None:
            self._ledger.write(self._denied)
        elif packs:
            labels = ", ".join(dict.fromkeys(self._label(pack[0]) for pack in packs))
            what = f"{counted(len(waiting), 'planned fold')} of {labels}"
            self._ledger.write(self._reached(what, "confirm", sum(needs.values())))

    def _stop(self) -> None:
        """Ends the trials that the ledger says are not paid for."""
        for reached in self._lacking("search"):
            for trial in reached.stopped:
                if trial not in self._state.stopping and trial not in self._state.completed:
                    self._ledger.write(Stopping(trial=trial, epoch=0, reason=STOPPED))

    def reopen(self) -> None:
        """Goes on where an earlier, smaller budget ended the study."""
        self.observe()
        lacking = self._lacking("confirm")
        if lacking and not self.ended("confirm"):
            self._ledger.write(BudgetRaised(cap_s=self.cap_s if self._limited else 0.0))


def _summed(needs: Iterable[float | None]) -> float | None:
    """None where one of them is."""
    total = 0.0
    for need in needs:
        if need is None:
            return None
        total += need
    return total


def _repeat(fold: FoldKey) -> int:
    return int(fold.rpartition("/")[2].split("-")[1])
