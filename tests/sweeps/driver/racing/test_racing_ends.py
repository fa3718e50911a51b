"""Settings that diverge, fail and are tried again while they race."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import races

from sweeps.driver import in_race, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder.records import TrialStatus
from trainer import testing
from trainer.attempt import claim, enter
from trainer.codec import from_text
from trainer.journal import Status, Writer, read_fold
from trainer.spec import Pack
from trainer.testing import pretended


def ending(how: Mapping[tuple[int, int], str]) -> Callable[[str], str]:
    """Packs in which the fold (index of the setting, fold) of a search ends as ``how`` says."""

    def call(text: str) -> str:
        pack = from_text(Pack, text)
        for launch in pack.launches:
            spec = launch.spec
            status = how.get((int(spec.trial[-3:]), spec.fold)) if spec.phase == "search" else None
            if status is not None and read_fold(Path(launch.folder)) is None:
                enter(Path(launch.folder), spec)
                claimed = claim(Path(launch.folder))
                assert not isinstance(claimed, str)
                writer = Writer(claimed.folder)
                writer.write(testing.invented_start(digest=spec.digest, attempt=claimed.number, time=1.0))
                rule = spec.training.checkpoint_rule
                writer.write(testing.invented_end(status=Status(status), reason="RuntimeError: mine", rule=rule))
                writer.close()
        return pretended.pretend(text)

    return call


def driver_with(path: Path, how: Mapping[tuple[int, int], str]) -> Driver:
    driver = races.driver_on(path)
    driver.close()
    node = Node(data_root=None, scratch=None, code="")
    return Driver(path, session.opened(path), races.InProcess(path, 0, ending(how)), None, node)


def best_first(path: Path) -> list[int]:
    """Indices of the settings by their mean over the first two folds, the best first."""
    state = races.state_of(path)
    of = {trial.index: trial.trial for trial in in_race.searched(state, "dsrelu")}
    values = {}
    for index, trial in of.items():
        ends = [read_fold(path / "trials" / fold) for fold in state.trials[trial].folds[:2]]
        values[index] = sum(
            end.end.outcomes[end.end.rule].metrics["validation/loss"] for end in ends if end and end.end
        )
    return sorted(values, key=values.__getitem__)


@pytest.mark.parametrize("how", ["diverged", "failed"])
def test_what_has_no_result_in_the_first_round_is_out_of_the_race(how: str, undisturbed: Path, tmp_path: Path) -> None:
    best = best_first(undisturbed)[0]
    path = races.made(tmp_path / "study")
    races.finish(driver_with(path, {(best, 1): how}))
    state = races.state_of(path)
    assert f"dsrelu-s{best:03d}" not in state.races["dsrelu"][0].compared
    assert len(state.races["dsrelu"][0].compared) == 7
    assert len(state.trials[f"dsrelu-s{best:03d}"].folds) == 2
    assert state.selected["dsrelu"].trial != f"dsrelu-s{best:03d}"


def test_a_setting_that_is_lost_in_a_later_round_leaves_the_race_there(undisturbed: Path, tmp_path: Path) -> None:
    best = best_first(undisturbed)[0]
    path = races.made(tmp_path / "study")
    races.finish(driver_with(path, {(best, 2): "diverged"}))
    state = races.state_of(path)
    lost = f"dsrelu-s{best:03d}"
    assert lost in state.races["dsrelu"][0].compared
    assert all(lost not in look.compared for look in state.races["dsrelu"][1:])
    assert state.selected["dsrelu"].trial != lost
    assert math.isfinite(state.selected["dsrelu"].value)


def test_where_all_that_are_left_diverge_the_best_of_the_others_wins(undisturbed: Path, tmp_path: Path) -> None:
    path = races.made(tmp_path / "study")
    races.finish(driver_with(path, {(index, 2): "diverged" for index in range(8)}))
    state = races.state_of(path)
    won = state.selected["dsrelu"]
    assert won.trial in state.dropped
    assert math.isfinite(won.value)


def test_where_every_setting_diverges_the_first_stands_for_all(tmp_path: Path) -> None:
    path = races.made(tmp_path / "study")
    races.finish(driver_with(path, {(index, 0): "diverged" for index in range(8)}))
    state = races.state_of(path)
    assert not state.races
    assert state.selected["dsrelu"].trial == "dsrelu-s000"
    assert math.isnan(state.selected["dsrelu"].value)


def test_a_failed_round_is_tried_again_while_nothing_was_decided_without_it(undisturbed: Path, tmp_path: Path) -> None:
    """All that are left fail in a later round: no winner, and another try ends as if nothing had failed."""
    path = races.made(tmp_path / "study")
    races.finish(driver_with(path, {(index, 2): "failed" for index in range(8)}))
    assert "dsrelu" not in races.state_of(path).selected
    driver = races.driver_on(path)
    again = driver.retry_failed()
    assert again == [f"{trial}/fold-0-2" for trial in in_race.running(races.looks(undisturbed)[:1])]
    races.finish(driver)
    assert races.outcome(path) == races.outcome(undisturbed)


def test_a_race_that_went_on_takes_nobody_back(undisturbed: Path, tmp_path: Path) -> None:
    """The driver is stopped in mid-race; a setting that failed in the first round is not tried again."""
    worst = best_first(undisturbed)[-1]
    path = races.made(tmp_path / "study")
    driver = driver_with(path, {(worst, 0): "failed"})
    while not driver.state.races:
        driver.tick()
    assert driver.retry_failed() == []
    races.finish(driver)
    state = races.state_of(path)
    assert state.completed[f"dsrelu-s{worst:03d}"].status is TrialStatus.FAILED
    assert in_race.out(state, state.trials[f"dsrelu-s{worst:03d}"])


def test_what_failed_before_the_first_look_is_tried_again_and_races(undisturbed: Path, tmp_path: Path) -> None:
    path = races.made(tmp_path / "study")
    driver = driver_with(path, {(0, 0): "failed"})
    while "dsrelu-s000" not in driver.state.completed:
        driver.tick()
    assert not driver.state.races
    driver.close()
    driver = races.driver_on(path)
    assert driver.retry_failed() == ["dsrelu-s000/fold-0-0"]
    races.finish(driver)
    assert races.outcome(path) == races.outcome(undisturbed)
