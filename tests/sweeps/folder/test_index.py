"""What the state keeps by name and number is what its records say, after every one of them."""

from __future__ import annotations

import math
import random

import pytest

from sweeps.folder.records import (
    Completed,
    FoldsAdded,
    GaveUp,
    LedgerRecord,
    Reopened,
    Stopping,
    Submitted,
    Submitting,
    TrialAdded,
    TrialStatus,
)
from sweeps.folder.state import State


def added(name: str, label: str, epochs: int | None) -> TrialAdded:
    return TrialAdded(
        trial=name, label=label, activation=label, phase="search", index=0, params={}, config={},
        training={} if epochs is None else {"epochs": epochs}, folds=(f"{name}/fold-0-0", f"{name}/fold-0-1"),
    )  # fmt: skip


def next_record(state: State, dice: random.Random, batch: int) -> LedgerRecord:
    opened, over = [trial.trial for trial in state.unfinished()], list(state.completed)
    what = dice.random()
    if what < 0.3 or not opened:
        name = f"t{len(state.trials)}"
        return added(name, dice.choice("ab"), dice.choice([None, 3]))
    trial = dice.choice(opened)
    if what < 0.5:
        return Submitting(batch=batch, name=str(batch), packs=(state.trials[trial].folds[:1],))
    if what < 0.55 and state.unanswered:
        number, begun = dice.choice(list(state.unanswered.items()))
        return Submitted(batch=number, jobs=tuple(f"{number}_{at}" for at in range(len(begun.packs))))
    if what < 0.6:
        return GaveUp(fold=state.trials[trial].folds[0], reason="lost")
    if what < 0.65:
        return Stopping(trial=trial, epoch=1, reason="")
    if what < 0.8 or not over:
        status = dice.choice(list(TrialStatus))
        metrics = {"validation/loss": dice.choice([0.1, 0.2, 0.3, math.nan])} if status.has_result else {}
        epochs = dice.choice([None, 4])
        return Completed(trial=trial, status=status, metrics=metrics, epochs=epochs, seconds=2.0 if epochs else 0.0)
    again = dice.choice(over)
    if what < 0.9:
        number = state.rounds.get(again, 0) + 1
        return FoldsAdded(trial=again, round=number, folds=(f"{again}/fold-{number}-0",))
    return Reopened(trials=(again,), folds=(), failed={})


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_going_through_all_trials_finds(seed: int) -> None:
    state, dice = State(), random.Random(seed)
    begun: set[str] = set()
    for batch in range(150):
        record = next_record(state, dice, batch)
        state.apply(record)
        begun |= _begun_by(record)
        opened = [name for name in state.trials if name not in state.completed]
        assert [trial.trial for trial in state.unfinished()] == opened
        assert state.index.any_open() == bool(opened)
        assert [trial.trial for trial in state.active()] == [name for name in opened if name in begun]
        for label in "ab":
            _check(state, label)


def _begun_by(record: LedgerRecord) -> set[str]:
    if isinstance(record, Submitting):
        return {fold.partition("/")[0] for pack in record.packs for fold in pack}
    if isinstance(record, GaveUp):
        return {record.fold.partition("/")[0]}
    if isinstance(record, Stopping | Completed | FoldsAdded):
        return {record.trial}
    return set()


def _check(state: State, label: str) -> None:
    group = state.group(label, "search")
    trials = [trial for trial in state.trials.values() if trial.label == label]
    over = [trial for trial in trials if trial.trial in state.completed]
    ends = [state.completed[trial.trial] for trial in over]
    assert group.trials == [trial.trial for trial in trials]
    assert (group.over, group.open) == (len(over), len(trials) - len(over))
    assert (group.folds, group.folds_over) == (sum(len(t.folds) for t in trials), sum(len(t.folds) for t in over))
    assert group.epochs == sum(end.epochs or 0 for end in ends)
    assert group.seconds == sum(end.seconds for end in ends)
    assert set(group.untold) == {end.trial for end in ends if end.epochs is None}
    assert set(group.without_result) == {end.trial for end in ends if not end.status.has_result}
    told = [trial for trial in over if trial.trial not in group.untold]
    for own in (None, 3):
        folds = sum(len(trial.folds) for trial in told if trial.training.get("epochs") == own)
        assert group.planned.get(own, 0) == folds
    values = [value for end in ends for value in end.metrics.values() if math.isfinite(value)]
    assert group.extremes.get("validation/loss") == ((min(values), max(values)) if values else None)
