"""Races over a cluster that runs packs in this process: what they decide, and from what."""

from __future__ import annotations

from pathlib import Path

import pytest
import races

from analysis.runs import plan as planning
from sweeps.driver import in_race
from sweeps.folder import decided
from sweeps.folder.records import Completed, Reported, TrialStatus
from trainer.spec import FoldSpec
from trainer.testing import pretended


def test_settings_that_are_shown_to_be_worse_get_no_further_folds(undisturbed: Path) -> None:
    state = races.state_of(undisturbed)
    assert [look.round for look in races.looks(undisturbed)] == list(range(len(races.looks(undisturbed))))
    assert len(races.looks(undisturbed)[0].compared) == 8
    assert state.dropped
    planned = planning.from_json((undisturbed / "plan.json").read_text()).search_race
    assert planned is not None
    assert planned.folds == (2, 3, 4, 5)
    for look in races.looks(undisturbed):
        left = [trial for trial in look.compared if trial not in look.dropped]
        assert left
        for trial in look.dropped:
            assert len(state.trials[trial].folds) == planned.folds[look.round]
            assert races.depth(state, trial) > min(races.depth(state, other) for other in left)


def test_the_winner_is_chosen_among_those_with_all_folds(undisturbed: Path) -> None:
    state = races.state_of(undisturbed)
    won = state.selected["dsrelu"]
    searched = in_race.searched(state, "dsrelu")
    left = in_race.running(state.races["dsrelu"])
    assert won.trial in left
    assert won.among == len(searched) == 8
    if len(left) > 1:
        assert {len(state.trials[trial].folds) for trial in left} == {5}
    values = {trial: state.completed[trial].metrics["validation/loss"] for trial in left}
    assert won.trial == min(values, key=values.__getitem__)
    assert won.value == values[won.trial]


def test_a_dropped_trial_says_why_in_its_folder(undisturbed: Path) -> None:
    state = races.state_of(undisturbed)
    for trial in state.dropped:
        said = decided.read(undisturbed / "trials" / trial)
        assert said is not None
        assert said.status is TrialStatus.FINISHED
        assert said.dropped == state.dropped[trial]
        assert "Gupta's subset rule" in said.dropped
        assert f"after {len(state.trials[trial].folds)} of 5 folds its validation/loss is worse" in said.dropped
    others = [trial for trial in state.trials if trial not in state.dropped]
    told = [decided.read(undisturbed / "trials" / trial) for trial in others]
    assert [one.dropped for one in told if one] == [""] * len(others)


def test_no_look_sees_what_was_held_out(tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out scores turned round: all that is decided stays."""
    plain = pretended._scores

    def turned(spec: FoldSpec, part: str, loss: float) -> dict[str, float]:
        return plain(spec, part, 30 - loss if part == "heldout" else loss)

    monkeypatch.setattr(pretended, "_scores", turned)
    path = races.made(tmp_path / "study")
    races.finish(races.driver_on(path))
    assert races.outcome(path)[:3] == races.outcome(undisturbed)[:3]  # type: ignore[index]
    assert races.outcome(path) != races.outcome(undisturbed)


def test_no_order_of_results_decides_anything(undisturbed: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        path = races.made(tmp_path / str(seed))
        races.finish(races.driver_on(path, seed))
        assert races.outcome(path) == races.outcome(undisturbed)


def test_searchers_hear_of_the_first_round_alone(tmp_path: Path) -> None:
    asha = "algorithm: tpe, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}"
    text = races.STUDY.replace("algorithm: random", asha).replace("epochs: 2", "epochs: 4")
    path = races.made(tmp_path / "study", text)
    races.finish(races.driver_on(path))
    state = races.state_of(path)
    first_ends: dict[str, int] = {}
    for record in races.records(path):
        if isinstance(record, Completed):
            first_ends[record.trial] = first_ends.get(record.trial, 0) + 1
        if isinstance(record, Reported):
            assert first_ends.get(record.trial, 0) == 0
    assert max(first_ends.values()) > 1
    stopped = list(state.stopping)
    assert stopped
    for look in state.races["dsrelu"]:
        assert not set(stopped) & set(look.compared)
    races.finish(races.driver_on(path))  # a replay of its searcher suggests the same
