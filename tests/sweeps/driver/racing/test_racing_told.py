"""What is said of a race: before it, while it goes on, after it, in MLflow and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import races
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.report import build
from analysis.runs import load as loading
from analysis.runs import plan as planning
from analysis.runs import schema
from sweeps.driver import in_race
from sweeps.driver.budget import Budget
from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import digest
from sweeps.tracking.tracker import Tracker
from sweeps.view import preview, progress, status
from sweeps.view.after_run import after_run
from trainer.spec import FoldSpec


def test_a_race_ends_where_the_budget_affords_no_further_round(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def affords(self: object, folds: Sequence[FoldSpec]) -> bool:
        asked.append(len(folds))
        return not folds or folds[0].phase != "search" or folds[0].fold < 3

    monkeypatch.setattr(Budget, "affords", affords)
    path = races.made(tmp_path / "study")
    races.finish(races.driver_on(path))
    state = races.state_of(path)
    left = in_race.running(state.races["dsrelu"])
    assert len(left) > 1
    assert {len(state.trials[trial].folds) for trial in left} == {3}
    assert state.races["dsrelu"][-1].further == ()
    assert state.selected["dsrelu"].trial in left
    assert len(left) in asked  # for a whole round at once, or none of it
    assert {trial for look in races.looks(path) for trial in look.dropped} <= set(races.state_of(undisturbed).dropped)


def test_the_progress_counts_what_was_dropped_and_waits_for_none_of_it(undisturbed: Path) -> None:
    state = races.state_of(undisturbed)
    now = status.read(undisturbed).now
    (row,) = [row for row in now.rows if row.phase == "search"]
    assert row.dropped == len(state.dropped) > 0
    trained = sum(len(trial.folds) for trial in state.trials.values())
    assert (now.folds_done, now.folds - now.folds_never, now.folds) == (trained, trained, 8 * 5 + 2 * 5)
    assert now.epochs_most == now.epochs_done == 2 * trained
    assert now.epochs_planned == 2 * now.folds
    words = status.read(undisturbed).words()
    assert f"{len(state.dropped)} dropped" in words
    assert f"{2 * (now.folds - trained)} of 100 planned epochs not needed" in words


def test_while_it_races_the_progress_expects_no_fold_of_what_is_out(tmp_path: Path) -> None:
    path = races.made(tmp_path / "study")
    driver = races.driver_on(path)
    before = progress.view(driver)
    assert (before.folds - before.folds_never, before.epochs_most) == (50, 100)
    while not driver.state.dropped:
        driver.tick()
    now = progress.view(driver)
    driver.close()
    gone = sum(5 - len(driver.state.trials[trial].folds) for trial in driver.state.dropped)
    assert now.folds_never == gone
    assert now.epochs_most == 100 - 2 * gone


def test_after_a_run_it_is_said_what_the_race_saved(undisturbed: Path) -> None:
    driver = races.driver_on(undisturbed)
    said = [line.text for line in after_run(driver, finished=True).lines]
    driver.close()
    state = driver.state
    trained = sum(len(trial.folds) for trial in state.of_phase("search"))
    assert f"race: {len(state.dropped)} of 8 settings dropped; {40 - trained} of 40 planned folds not trained" in said


def test_a_study_says_how_its_settings_race_and_what_that_may_cost() -> None:
    words = preview.design(load(races.FORTY))
    assert "compared after 2, 3, 4 of 5 folds" in words
    assert "with probability 0.05 at most" in words
    assert "at least 80 folds, at most 200" in words
    assert "they race" not in preview.design(load(races.STUDY.replace(", race: {}", "")))


@pytest.mark.slow
def test_mlflow_and_the_report_say_what_was_dropped_also_after_a_crash_behind_the_record(undisturbed: Path) -> None:
    state = races.state_of(undisturbed)
    tracker = Tracker(None, undisturbed)
    tracker.sync()
    uri = tracker.store.uri
    tags = trial_tags(uri)
    assert {trial: told[schema.DROPPED] for trial, told in tags.items() if schema.DROPPED in told} == state.dropped
    # A run that ended before its trial was dropped, by a driver that died behind the record.
    api = MlflowClient(uri)
    some = next(iter(state.dropped))
    (run,) = [run for run in all_runs(api) if run.data.tags.get(schema.KEY) == f"raced/{some}"]
    api.delete_tag(run.info.run_id, schema.DROPPED)
    later = Tracker(None, undisturbed)
    later.flush()
    later.close()
    assert trial_tags(uri)[some][schema.DROPPED] == state.dropped[some]
    found = loading.load(undisturbed)
    assert set(found.cube.loc[found.cube["dropped"] != "", "trial"]) == set(state.dropped)
    text = (build.write(found, undisturbed / "report").parent / "report.md").read_text()
    trained = sum(len(trial.folds) for trial in state.of_phase("search"))
    assert f"{len(state.dropped)} of 8 settings dropped; {40 - trained} of 40 planned folds of searches not" in text


def all_runs(api: MlflowClient) -> list[Run]:
    return list(api.search_runs([one.experiment_id for one in api.search_experiments()]))


def trial_tags(uri: str) -> dict[str, dict[str, str]]:
    runs = all_runs(MlflowClient(uri))
    return {r.data.tags[schema.TRIAL]: r.data.tags for r in runs if r.data.tags.get(schema.KIND) == "trial"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("race: {first: 5}", "search.race.first: got 5; accepts fewer than the 5 folds that a search trial may train"),
        ("folds: 2, race: {}", "got 2; accepts fewer than the 2 folds"),
        ("race: {first: 1}", "greater than or equal to 2"),
        ("race: {error: 0}", "greater than 0"),
        ("race: {frist: 2}", "first"),
        ("race: {}}\nconfirm: {repeats: 0", "accepts null with confirm: {repeats: 0}"),
    ],
)
def test_a_race_that_cannot_be_is_refused_by_name(changed: str, said: str) -> None:
    with pytest.raises(StudyError) as refused:
        load(races.STUDY.replace("race: {}", changed))
    assert said in str(refused.value)


def test_a_race_is_declared_in_the_plan_and_counts_in_the_identity(undisturbed: Path) -> None:
    raced, plain = load(races.STUDY), load(races.STUDY.replace(", race: {}", ""))
    assert digest(raced) != digest(plain)
    declared = planning.from_json((undisturbed / "plan.json").read_text())
    assert declared == planning.from_json(planning.to_json(declared))
    assert declared.search_race == planning.Race(
        rule="Gupta's subset rule on corrected folds", folds=(2, 3, 4, 5), error=0.05
    )
    assert "search_race" not in planning.to_json(planner.plan(plain, "now"))
