"""What MLflow shows of a study, as it goes on and once it is over."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import schema
from sweeps.errors import TrackingError
from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking.run_values import PARENT
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status
from trainer.testing import rewrite

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


def test_a_finished_study_has_a_run_for_the_study_each_trial_and_each_fold(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "a study"
    invent_study(folder, [views.RELU, views.DSRELU], folds=2, epochs=3)
    tracker = open_tracker(folder)
    synced = tracker.sync()
    assert (synced.trials, synced.folds) == (2, 4)
    found = views.view(tracker)
    assert sorted(found) == [
        "invented",
        "invented/dsrelu-c007",
        "invented/dsrelu-c007/0-0",
        "invented/dsrelu-c007/0-1",
        "invented/relu-c000",
        "invented/relu-c000/0-0",
        "invented/relu-c000/0-1",
    ]
    fold, trial = found["invented/dsrelu-c007/0-1"], found["invented/dsrelu-c007"]
    assert (trial["name"], fold["name"]) == ("dsrelu · c007", "r0 f1 · dsrelu · c007")
    assert fold["tags"][PARENT] == "invented/dsrelu-c007"
    assert PARENT not in trial["tags"]
    assert {run["status"] for run in found.values()} == {"FINISHED"}
    # Times and steps are the journal's.
    assert fold["start"] == 1_760_001_010_000
    assert [(step, at) for key, step, at, _ in fold["history"] if key == "validation/accuracy"] == [
        (epoch, 1_760_001_010_000 + 2000 * epoch) for epoch in (1, 2, 3)
    ]
    assert {name: fold["params"][f"activation.{name}"] for name in ("a", "k", "learn", "b")} == {
        "a": "3.73",
        "k": "5",
        "learn": "true",
        "b": "null",
    }
    assert fold["params"]["training.lr"] == "0.001"
    assert trial["params"] == fold["params"]
    tags = fold["tags"]
    assert tags[schema.STATUS] == "finished"
    assert (tags[schema.ACTIVATION], tags[schema.PHASE], tags[schema.REPEAT], tags[schema.FOLD]) == (
        "dsrelu",
        "confirm",
        "0",
        "1",
    )
    assert tags[schema.COMMIT].startswith("c0ffee")
    assert tags[schema.ENVIRONMENT_PREFIX + "torch"] == "2.15"
    outcomes = {"detail/outcome.last/heldout/accuracy", "detail/outcome.validation_loss/epoch", "heldout/accuracy"}
    assert outcomes <= set(fold["latest"])
    assert {"detail/seconds/train", "detail/memory/peak_mb", "activation/layer1.0.relu/a"} <= set(fold["latest"])


def test_an_angle_stands_beside_its_tangent_on_trial_and_fold(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    steep = InventedTrial(label="dsrelu", params={"a": math.tan(math.radians(75)), "k": 5.0}, degrees={"a": 75.0})
    invent_study(tmp_path, [steep], folds=1)
    tracker = open_tracker(tmp_path)
    tracker.sync()
    found = views.view(tracker)
    for key in ("invented/dsrelu-c000", "invented/dsrelu-c000/0-0"):
        params = found[key]["params"]
        assert float(params["activation.a"]) == pytest.approx(3.7320508)
        assert params["activation.a_degrees"] == "75.0"
        assert "activation.k_degrees" not in params


def test_a_trial_carries_mean_and_deviation_over_its_folds(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [views.RELU], folds=3)
    tracker = open_tracker(folder)
    tracker.sync()
    found = views.view(tracker)
    values = [float(found[f"invented/relu-c000/0-{fold}"]["latest"]["heldout/accuracy"]) for fold in range(3)]
    mean = sum(values) / 3
    latest = found["invented/relu-c000"]["latest"]
    assert float(latest["mean/heldout/accuracy"]) == pytest.approx(mean)
    assert float(latest["sd/heldout/accuracy"]) == pytest.approx(
        math.sqrt(sum((value - mean) ** 2 for value in values) / 2)
    )


def test_nothing_is_doubled_by_a_second_sync_or_a_new_process(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [views.RELU, views.DSRELU], folds=2)
    tracker = open_tracker(folder)
    tracker.sync()
    before = views.view(tracker)
    tracker.sync()
    assert views.view(tracker) == before
    other = open_tracker(folder)
    other.sync()
    assert views.view(other) == before
    assert views.trash(other) == 0


def test_live_ingestion_gives_the_same_view_as_a_rebuild(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU, views.DSRELU], folds=2, epochs=4, write_folds=False)
    tracker = open_tracker(folder)
    tracker.note(keys)
    assert tracker.flush()
    assert list(views.view(tracker)) == ["invented"]  # a fold has a run once it has begun
    for epochs in (0, 1, 3):
        for key in keys:
            shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
            invent_attempt(folder, key, epochs=epochs)
        tracker.note(keys)
        assert tracker.flush()
        assert tracker.trouble is None
    running = views.view(tracker)["invented/relu-c000/0-0"]
    assert (running["status"], running["end"]) == ("RUNNING", None)
    assert views.epochs_of(running) == [1, 2, 3]
    for key in keys:
        shutil.rmtree(folder / "trials" / key / "attempt-1")
        invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
        tracker.note([key])
        tracker.flush()
    assert tracker.close()
    kept = views.view(tracker)
    assert views.epochs_of(kept["invented/relu-c000/0-0"]) == [1, 2, 3, 4]
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)
    assert views.trash(tracker) == 0


def test_what_is_known_at_the_end_alone_reaches_a_run_that_was_followed_from_its_start(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, epochs=4, write_folds=False)
    tracker = open_tracker(folder)
    for epochs, status in ((1, None), (3, None), (4, Status.FINISHED)):
        shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
        invent_attempt(folder, key, epochs=epochs, status=status)
        in_two_stages(folder / "trials" / key / "attempt-1" / "metrics.jsonl")
        tracker.note([key])
        assert tracker.flush()
    assert tracker.close()
    kept = views.view(tracker)
    tags = kept["invented/relu-c000/0-0"]["tags"]
    assert tags[schema.STAGES] == "first 2, second 2"
    assert tags[schema.REMARK_PREFIX + "loss"] == "all scores are equal"
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


def in_two_stages(journal: Path) -> None:
    """Names a stage in each epoch, and remarks on a metric at the end."""

    def named(line: dict[str, Any]) -> None:
        if line["kind"] == "epoch":
            line["stage"] = "first" if line["epoch"] <= 2 else "second"
        elif line["kind"] == "end":
            line["remarks"] = {"loss": "all scores are equal"}

    rewrite(journal, named)


def test_a_restarted_fold_shows_each_epoch_once_with_the_newest_attempt(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, epochs=6, write_folds=False)
    tracker = open_tracker(folder)
    invent_attempt(folder, key, epochs=4)
    tracker.note([key])
    tracker.flush()
    invent_attempt(folder, key, attempt=2, resumed=2, epochs=3)  # epochs 3 and 4 of attempt 1 no longer count
    tracker.note([key])
    tracker.flush()
    run = views.view(tracker)["invented/relu-c000/0-0"]
    assert views.epochs_of(run) == [1, 2, 3]
    assert [at for metric, step, at, _ in run["history"] if metric == "train/loss" and step == 3] == [1_760_002_006_000]
    assert (run["tags"][schema.ATTEMPTS], run["tags"][schema.HOST]) == ("2", "node2")
    assert run == views.rebuilt(folder, open_tracker, tmp_path)["invented/relu-c000/0-0"]


def test_a_fold_resumed_where_it_stopped_keeps_its_run(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, epochs=6, write_folds=False)
    tracker = open_tracker(folder)
    invent_attempt(folder, key, epochs=3)
    tracker.note([key])
    tracker.flush()
    invent_attempt(folder, key, attempt=2, resumed=3, epochs=5, status=Status.FINISHED)
    tracker.note([key])
    tracker.flush()
    tracker.close()
    assert views.trash(tracker) == 0
    kept = views.view(tracker)
    assert kept["invented/relu-c000/0-0"]["start"] == 1_760_001_000_000  # of the first attempt
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


def test_a_damaged_specification_keeps_its_fold_out_and_no_other(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2)
    specification = folder / "trials" / keys[0] / "spec.json"
    whole = specification.read_text()
    specification.write_text(whole[:40])
    tracker = open_tracker(folder)
    with pytest.raises(TrackingError, match=r"fold-0-0/spec\.json: cannot be read .*`actsweep resume DIR`"):
        tracker.sync()
    assert views.view(tracker)["invented/relu-c000/0-1"]["status"] == "FINISHED"
    specification.write_text(whole)
    assert tracker.close()
    assert tracker.trouble is None
    assert views.view(tracker) == views.rebuilt(folder, open_tracker, tmp_path)
