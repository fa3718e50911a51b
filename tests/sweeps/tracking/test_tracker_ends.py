"""How folds and trials end in MLflow, and begin again."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import schema
from sweeps.folder.layout import reopen, write_infra
from sweeps.testing import InventedTrial, decide, invent_attempt, invent_fold, invent_study, invent_trial
from sweeps.tracking.run_values import PARENT
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status, set_aside

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


def test_a_failed_fold_that_is_tried_again_replaces_its_end_and_its_trials(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=3, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2, status=Status.FAILED)
    tracker = open_tracker(folder)
    tracker.sync()
    found = views.view(tracker)
    assert found["invented/relu-c000/0-1"]["status"] == "FAILED"
    trial = found["invented/relu-c000"]
    assert (trial["status"], trial["tags"][schema.STATUS]) == ("FAILED", "failed")
    assert trial["tags"][schema.REASON] == "1 of 2 folds failed"
    assert trial["latest"] == {}  # no mean over the folds that survived
    invent_attempt(folder, keys[1], attempt=2, resumed=2, epochs=3)
    tracker.note([keys[1]])
    tracker.flush()
    assert views.view(tracker)["invented/relu-c000"]["status"] == "RUNNING"
    shutil.rmtree(folder / "trials" / keys[1] / "attempt-2")
    invent_attempt(folder, keys[1], attempt=2, resumed=2, epochs=3, status=Status.FINISHED)
    tracker.note([keys[1]])
    assert tracker.close()
    kept = views.view(tracker)
    assert kept["invented/relu-c000"]["status"] == "FINISHED"
    assert kept["invented"]["status"] == "FINISHED"
    assert kept["invented/relu-c000/0-0"]["tags"][PARENT] == "invented/relu-c000"
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


def test_a_failed_end_that_was_set_aside_leaves_no_run_until_the_fold_begins_again(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=3, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2, status=Status.FAILED)
    tracker = open_tracker(folder)
    tracker.sync()
    set_aside(folder / "trials" / keys[1], 1)
    tracker.note([keys[1]])
    tracker.flush()
    waiting = views.view(tracker)
    assert "invented/relu-c000/0-1" not in waiting
    assert waiting["invented/relu-c000"]["status"] == "RUNNING"
    assert tracker.close()
    assert views.view(tracker) == views.rebuilt(folder, open_tracker, tmp_path)
    set_aside(folder / "trials" / keys[0], 1)
    tracker.note([keys[0]])
    assert tracker.close()
    assert set(views.view(tracker)) == {"invented"}
    cut = open_tracker(folder)
    invent_attempt(folder, keys[0], attempt=2, epochs=2, status=Status.FAILED)
    cut.note(keys)
    assert cut.close()
    set_aside(folder / "trials" / keys[0], 2)
    cut._index.delete("invented/relu-c000/0-0")  # and the process died before it removed the trial's run
    cut.note(keys)
    assert cut.close()
    assert set(views.view(cut)) == {"invented"}
    for key in keys:
        invent_attempt(folder, key, attempt=3, epochs=3, status=Status.FINISHED)
    tracker = cut
    tracker.note(keys)
    assert tracker.close()
    kept = views.view(tracker)
    assert kept["invented/relu-c000"]["status"] == "FINISHED"
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


@pytest.mark.parametrize(
    ("status", "mlflow"),
    [(Status.FINISHED, "FINISHED"), (Status.STOPPED, "KILLED"), (Status.DIVERGED, "FAILED"), (Status.FAILED, "FAILED")],
)
def test_every_end_of_a_fold_has_its_status(
    tmp_path: Path, open_tracker: Callable[..., Tracker], status: Any, mlflow: str
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, write_folds=False)
    invent_attempt(folder, key, epochs=2, status=status)
    tracker = open_tracker(folder)
    tracker.sync()
    run = views.view(tracker)["invented/relu-c000/0-0"]
    assert (run["status"], run["tags"][schema.STATUS]) == (mlflow, status)
    assert run["tags"][schema.REASON]
    assert run["tags"][schema.EPOCHS] == "2"
    assert run["end"] == 1_760_001_004_500


def test_a_fold_that_was_given_up_is_infra_failed_until_it_begins_again(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    begun, never = invent_study(folder, [views.RELU], folds=2, write_folds=False)
    invent_attempt(folder, begun, epochs=2)
    for key in (begun, never):
        write_infra(folder / "trials" / key, "node failed 4 times")
    decide(folder, views.RELU.name)
    tracker = open_tracker(folder)
    tracker.sync()
    found = views.view(tracker)
    for name, epochs in (("0-0", [1, 2]), ("0-1", [])):
        run = found[f"invented/relu-c000/{name}"]
        assert (run["status"], run["tags"][schema.STATUS]) == ("FAILED", "infra_failed")
        assert run["tags"][schema.REASON] == "node failed 4 times"
        assert views.epochs_of(run) == epochs
    assert found["invented/relu-c000"]["tags"][schema.STATUS] == "infra_failed"
    reopen(folder / "trials" / begun, None)
    invent_attempt(folder, begun, attempt=2, resumed=2, epochs=3)
    tracker.note([begun])
    tracker.flush()
    assert views.view(tracker)["invented/relu-c000/0-0"]["tags"][schema.STATUS] == "running"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_logged_once_and_the_status_says_diverged(
    tmp_path: Path, open_tracker: Callable[..., Tracker], loss: float
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, write_folds=False)
    invent_attempt(folder, key, epochs=3, status=Status.DIVERGED, loss=loss)
    tracker = open_tracker(folder)
    tracker.sync()
    tracker.sync()
    run = views.view(tracker)["invented/relu-c000/0-0"]
    assert views.epochs_of(run) == [1, 2, 3]
    last = next(float(value) for name, step, _, value in run["history"] if (name, step) == ("train/loss", 3))
    assert math.isnan(last) if math.isnan(loss) else last > 1e308  # what MLflow's SQL stores make of an infinity
    assert run["tags"][schema.STATUS] == "diverged"


def test_search_and_confirm_trials_of_one_label_have_names_of_their_own(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    trials = [InventedTrial(label="relu", index=3, phase="search"), InventedTrial(label="relu", phase="confirm")]
    invent_study(folder, trials, folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    found = views.view(tracker)
    assert {run["name"] for run in found.values()} >= {"relu · s003", "relu · c000", "r0 f0 · relu · s003"}
    assert found["invented/relu-s003"]["tags"][schema.PHASE] == "search"


def test_a_trial_that_gets_more_folds_is_open_again(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [views.RELU], folds=1, epochs=4)
    tracker = open_tracker(folder)
    tracker.sync()
    invent_trial(folder, views.RELU)
    key = invent_fold(folder, views.RELU, study="invented", fold=1, folds=2, epochs=4)
    invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
    tracker.note([key])
    assert tracker.close()
    assert views.view(tracker) == views.rebuilt(folder, open_tracker, tmp_path)
