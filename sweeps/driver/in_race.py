"""Who is in the race of an activation's settings, by the ledger alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweeps.folder.records import Raced, TrialAdded
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study


def searched(state: State, label: str) -> list[TrialAdded]:
    return [state.trials[name] for name in state.group(label, "search").trials]


def running(looks: Sequence[Raced]) -> list[str]:
    """Trials in the race after these looks, in the order in which they were asked for."""
    return [trial for trial in looks[-1].compared if trial not in looks[-1].dropped] if looks else []


def out(state: State, trial: TrialAdded) -> bool:
    """Whether the trial is out of its race: dropped, or without a result when it was looked at."""
    looks = state.races.get(trial.label) if trial.phase == "search" else None
    return bool(looks) and trial.trial not in running(looks or [])


def candidates(state: State, label: str) -> list[TrialAdded]:
    """Of whom the search's winner is chosen: who is still in the race. Where each of those diverged in a later round,
    the others with the most folds; where one failed, those that failed, which can be tried again."""
    trials = searched(state, label)
    looks = state.races.get(label)
    if not looks:
        return trials
    left = [trial for trial in trials if trial.trial in running(looks)]
    if any(state.completed[trial.trial].metrics for trial in left):
        return left
    if any(state.completed[trial.trial].status.may_be_retried for trial in left):
        return [trial for trial in left if state.completed[trial.trial].status.may_be_retried]
    others = [trial for trial in trials if state.completed[trial.trial].metrics]
    most = max((len(trial.folds) for trial in others), default=0)
    return [trial for trial in others if len(trial.folds) == most] or trials


def never(study: Study, state: State) -> Iterator[tuple[TrialAdded, int]]:
    """Trials, each with the folds that it was planned to train at most and will not: it is out of its race, or the race
    is over."""
    if study.search is None or study.search.race is None:
        return
    most = sum(map(len, planner.rounds(study, "search")))
    for label in {*state.races, *state.selected}:
        left = set() if label in state.selected else set(running(state.races[label]))
        yield from ((trial, most - len(trial.folds)) for trial in searched(state, label) if trial.trial not in left)
