from __future__ import annotations

import contextlib
import gc
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import schema
from sweeps.errors import TrackingError
from sweeps.folder.layout import reopen, write_infra
from sweeps.folder.secrets import redact
from sweeps.testing import InventedTrial, decide, invent_attempt, invent_fold, invent_study, invent_trial
from sweeps.tracking.run_values import LOGGED, PARENT, Mark, metric_key, value_text
from sweeps.tracking.store import configure_mlflow, initialise, locate
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status, set_aside
from trainer.testing import rewrite

configure_mlflow()

# MLflow 3.17 asks SQLAlchemy 2.1 for a loader that is on its way out.

RELU = InventedTrial(label="relu")
DSRELU = InventedTrial(label="dsrelu", index=7, params={"a": 3.73, "k": 5, "learn": True, "b": None})

View = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised MLflow file to copy: making one takes two seconds."""
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    initialise(database)
    return database


@pytest.fixture
def open_tracker(empty_store: Path) -> Iterator[Callable[..., Tracker]]:
    trackers: list[Tracker] = []

    def make(folder: Path, **options: Any) -> Tracker:
        if not (folder / "mlflow.db").exists():
            shutil.copy(empty_store, folder / "mlflow.db")
        trackers.append(Tracker(None, folder, **options))
        return trackers[-1]

    yield make
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for tracker in trackers:
        engine = SqlAlchemyStore._engine_map.pop(tracker.store.uri, None)
        if engine is not None:
            engine.dispose()
    gc.collect()


def view(tracker: Tracker) -> View:
    """The whole of a study's active runs: key -> all but run ids and MLflow's own times."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracker.store.uri)
    experiment = client.get_experiment_by_name("invented")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    keys = {run.info.run_id: run.data.tags[schema.KEY] for run in runs}
    assert len(set(keys.values())) == len(keys), "a run is doubled"
    found: View = {}
    for run in runs:
        tags = dict(run.data.tags)
        if PARENT in tags:
            tags[PARENT] = keys[tags[PARENT]]
        history = sorted(
            (metric.key, metric.step, metric.timestamp, repr(metric.value))
            for key in run.data.metrics
            for metric in client.get_metric_history(run.info.run_id, key)
        )
        found[tags[schema.KEY]] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "tags": tags,
            "params": dict(run.data.params),
            "history": history,
            "latest": {name: repr(value) for name, value in run.data.metrics.items()},
        }
    return found


def rebuilt(folder: Path, open_tracker: Callable[..., Tracker], tmp_path: Path) -> View:
    """The view of a copy of the folder without its store."""
    copy = tmp_path / f"copy-{time.monotonic_ns()}"
    shutil.copytree(
        folder, copy, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"), copy_function=shutil.copy2
    )
    tracker = open_tracker(copy)
    tracker.sync()
    return view(tracker)


def epochs_of(run: dict[str, Any], metric: str = "train/loss") -> list[int]:
    return [step for key, step, _, _ in run["history"] if key == metric]


def test_a_finished_study_has_a_run_for_the_study_each_trial_and_each_fold(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "a study"
    invent_study(folder, [RELU, DSRELU], folds=2, epochs=3)
    tracker = open_tracker(folder)
    synced = tracker.sync()
    assert (synced.trials, synced.folds) == (2, 4)
    found = view(tracker)
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
    assert [(step, at) for key, step, at, _ in fold["history"] if key == "validation/auc"] == [
        (epoch, 1_760_001_010_000 + 2000 * epoch) for epoch in (1, 2, 3)
    ]
    assert {name: fold["params"][f"activation.{name}"] for name in ("a", "k", "learn", "b")} == {
        "a": "3.73",
        "k": "5",
        "learn": "true",
        "b": "null",
    }
    assert fold["params"]["training.lr"] == "0.001"
    assert trial["params"] == {
        "activation.a": "3.73",
        "activation.k": "5",
        "activation.learn": "true",
        "activation.b": "null",
        "training.lr": "0.001",
    }
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
    assert {"outcome.last/heldout/accuracy", "outcome.validation_loss/epoch", "heldout/accuracy"} <= set(fold["latest"])
    assert {"seconds/train", "memory/peak_mb", "activation/layer1.0.relu/a"} <= set(fold["latest"])


def test_an_angle_stands_beside_its_tangent_on_trial_and_fold(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    steep = InventedTrial(label="dsrelu", params={"a": math.tan(math.radians(75)), "k": 5.0}, degrees={"a": 75.0})
    invent_study(tmp_path, [steep], folds=1)
    tracker = open_tracker(tmp_path)
    tracker.sync()
    found = view(tracker)
    for key in ("invented/dsrelu-c000", "invented/dsrelu-c000/0-0"):
        params = found[key]["params"]
        assert float(params["activation.a"]) == pytest.approx(3.7320508)
        assert params["activation.a_degrees"] == "75.0"
        assert "activation.k_degrees" not in params


def test_a_trial_carries_mean_and_deviation_over_its_folds(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=3)
    tracker = open_tracker(folder)
    tracker.sync()
    found = view(tracker)
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
    invent_study(folder, [RELU, DSRELU], folds=2)
    tracker = open_tracker(folder)
    tracker.sync()
    before = view(tracker)
    tracker.sync()
    assert view(tracker) == before
    other = open_tracker(folder)
    other.sync()
    assert view(other) == before
    assert trash(other) == 0


def trash(tracker: Tracker) -> int:
    with sqlite3.connect(str(tracker.store.database)) as connection:
        (count,) = connection.execute("select count(*) from runs where lifecycle_stage = 'deleted'").fetchone()
    connection.close()
    return int(count)


def test_live_ingestion_gives_the_same_view_as_a_rebuild(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU, DSRELU], folds=2, epochs=4, write_folds=False)
    tracker = open_tracker(folder)
    tracker.note(keys)
    assert tracker.flush()
    assert list(view(tracker)) == ["invented"]  # a fold has a run once it has begun
    for epochs in (0, 1, 3):
        for key in keys:
            shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
            invent_attempt(folder, key, epochs=epochs)
        tracker.note(keys)
        assert tracker.flush()
        assert tracker.trouble is None
    running = view(tracker)["invented/relu-c000/0-0"]
    assert (running["status"], running["end"]) == ("RUNNING", None)
    assert epochs_of(running) == [1, 2, 3]
    for key in keys:
        shutil.rmtree(folder / "trials" / key / "attempt-1")
        invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
        tracker.note([key])
        tracker.flush()
    assert tracker.close()
    kept = view(tracker)
    assert epochs_of(kept["invented/relu-c000/0-0"]) == [1, 2, 3, 4]
    assert kept == rebuilt(folder, open_tracker, tmp_path)
    assert trash(tracker) == 0


def test_what_is_known_at_the_end_alone_reaches_a_run_that_was_followed_from_its_start(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [RELU], folds=1, epochs=4, write_folds=False)
    tracker = open_tracker(folder)
    for epochs, status in ((1, None), (3, None), (4, Status.FINISHED)):
        shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
        invent_attempt(folder, key, epochs=epochs, status=status)
        in_two_stages(folder / "trials" / key / "attempt-1" / "metrics.jsonl")
        tracker.note([key])
        assert tracker.flush()
    assert tracker.close()
    kept = view(tracker)
    tags = kept["invented/relu-c000/0-0"]["tags"]
    assert tags[schema.STAGES] == "first 2, second 2"
    assert tags[schema.REMARK_PREFIX + "loss"] == "all scores are equal"
    assert kept == rebuilt(folder, open_tracker, tmp_path)


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
    (key,) = invent_study(folder, [RELU], folds=1, epochs=6, write_folds=False)
    tracker = open_tracker(folder)
    invent_attempt(folder, key, epochs=4)
    tracker.note([key])
    tracker.flush()
    invent_attempt(folder, key, attempt=2, resumed=2, epochs=3)  # epochs 3 and 4 of attempt 1 no longer count
    tracker.note([key])
    tracker.flush()
    run = view(tracker)["invented/relu-c000/0-0"]
    assert epochs_of(run) == [1, 2, 3]
    assert [at for metric, step, at, _ in run["history"] if metric == "train/loss" and step == 3] == [1_760_002_006_000]
    assert (run["tags"][schema.ATTEMPTS], run["tags"][schema.HOST]) == ("2", "node2")
    assert run == rebuilt(folder, open_tracker, tmp_path)["invented/relu-c000/0-0"]


def test_a_fold_resumed_where_it_stopped_keeps_its_run(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [RELU], folds=1, epochs=6, write_folds=False)
    tracker = open_tracker(folder)
    invent_attempt(folder, key, epochs=3)
    tracker.note([key])
    tracker.flush()
    invent_attempt(folder, key, attempt=2, resumed=3, epochs=5, status=Status.FINISHED)
    tracker.note([key])
    tracker.flush()
    tracker.close()
    assert trash(tracker) == 0
    kept = view(tracker)
    assert kept["invented/relu-c000/0-0"]["start"] == 1_760_001_000_000  # of the first attempt
    assert kept == rebuilt(folder, open_tracker, tmp_path)


def test_a_failed_fold_that_is_tried_again_replaces_its_end_and_its_trials(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=3, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2, status=Status.FAILED)
    tracker = open_tracker(folder)
    tracker.sync()
    found = view(tracker)
    assert found["invented/relu-c000/0-1"]["status"] == "FAILED"
    trial = found["invented/relu-c000"]
    assert (trial["status"], trial["tags"][schema.STATUS]) == ("FAILED", "failed")
    assert trial["tags"][schema.REASON] == "1 of 2 folds failed"
    assert trial["latest"] == {}  # no mean over the folds that survived
    invent_attempt(folder, keys[1], attempt=2, resumed=2, epochs=3)
    tracker.note([keys[1]])
    tracker.flush()
    assert view(tracker)["invented/relu-c000"]["status"] == "RUNNING"
    shutil.rmtree(folder / "trials" / keys[1] / "attempt-2")
    invent_attempt(folder, keys[1], attempt=2, resumed=2, epochs=3, status=Status.FINISHED)
    tracker.note([keys[1]])
    assert tracker.close()
    kept = view(tracker)
    assert kept["invented/relu-c000"]["status"] == "FINISHED"
    assert kept["invented"]["status"] == "FINISHED"
    assert kept["invented/relu-c000/0-0"]["tags"][PARENT] == "invented/relu-c000"
    assert kept == rebuilt(folder, open_tracker, tmp_path)


def test_a_failed_end_that_was_set_aside_leaves_no_run_until_the_fold_begins_again(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=3, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2, status=Status.FAILED)
    tracker = open_tracker(folder)
    tracker.sync()
    set_aside(folder / "trials" / keys[1], 1)
    tracker.note([keys[1]])
    tracker.flush()
    waiting = view(tracker)
    assert "invented/relu-c000/0-1" not in waiting
    assert waiting["invented/relu-c000"]["status"] == "RUNNING"
    assert tracker.close()
    assert view(tracker) == rebuilt(folder, open_tracker, tmp_path)
    set_aside(folder / "trials" / keys[0], 1)
    tracker.note([keys[0]])
    assert tracker.close()
    assert set(view(tracker)) == {"invented"}
    cut = open_tracker(folder)
    invent_attempt(folder, keys[0], attempt=2, epochs=2, status=Status.FAILED)
    cut.note(keys)
    assert cut.close()
    set_aside(folder / "trials" / keys[0], 2)
    cut._index.delete("invented/relu-c000/0-0")  # and the process died before it removed the trial's run
    cut.note(keys)
    assert cut.close()
    assert set(view(cut)) == {"invented"}
    for key in keys:
        invent_attempt(folder, key, attempt=3, epochs=3, status=Status.FINISHED)
    tracker = cut
    tracker.note(keys)
    assert tracker.close()
    kept = view(tracker)
    assert kept["invented/relu-c000"]["status"] == "FINISHED"
    assert kept == rebuilt(folder, open_tracker, tmp_path)


@pytest.mark.parametrize(
    ("status", "mlflow"),
    [(Status.FINISHED, "FINISHED"), (Status.STOPPED, "KILLED"), (Status.DIVERGED, "FAILED"), (Status.FAILED, "FAILED")],
)
def test_every_end_of_a_fold_has_its_status(
    tmp_path: Path, open_tracker: Callable[..., Tracker], status: Any, mlflow: str
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [RELU], folds=1, write_folds=False)
    invent_attempt(folder, key, epochs=2, status=status)
    tracker = open_tracker(folder)
    tracker.sync()
    run = view(tracker)["invented/relu-c000/0-0"]
    assert (run["status"], run["tags"][schema.STATUS]) == (mlflow, status)
    assert run["tags"][schema.REASON]
    assert run["tags"][schema.EPOCHS] == "2"
    assert run["end"] == 1_760_001_004_500


def test_a_fold_that_was_given_up_is_infra_failed_until_it_begins_again(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    begun, never = invent_study(folder, [RELU], folds=2, write_folds=False)
    invent_attempt(folder, begun, epochs=2)
    for key in (begun, never):
        write_infra(folder / "trials" / key, "node failed 4 times")
    decide(folder, RELU.name)
    tracker = open_tracker(folder)
    tracker.sync()
    found = view(tracker)
    for name, epochs in (("0-0", [1, 2]), ("0-1", [])):
        run = found[f"invented/relu-c000/{name}"]
        assert (run["status"], run["tags"][schema.STATUS]) == ("FAILED", "infra_failed")
        assert run["tags"][schema.REASON] == "node failed 4 times"
        assert epochs_of(run) == epochs
    assert found["invented/relu-c000"]["tags"][schema.STATUS] == "infra_failed"
    reopen(folder / "trials" / begun, None)
    invent_attempt(folder, begun, attempt=2, resumed=2, epochs=3)
    tracker.note([begun])
    tracker.flush()
    assert view(tracker)["invented/relu-c000/0-0"]["tags"][schema.STATUS] == "running"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_logged_once_and_the_status_says_diverged(
    tmp_path: Path, open_tracker: Callable[..., Tracker], loss: float
) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [RELU], folds=1, write_folds=False)
    invent_attempt(folder, key, epochs=3, status=Status.DIVERGED, loss=loss)
    tracker = open_tracker(folder)
    tracker.sync()
    tracker.sync()
    run = view(tracker)["invented/relu-c000/0-0"]
    assert epochs_of(run) == [1, 2, 3]
    last = next(float(value) for name, step, _, value in run["history"] if (name, step) == ("train/loss", 3))
    assert math.isnan(last) if math.isnan(loss) else last > 1e308  # what MLflow's SQL stores make of an infinity
    assert run["tags"][schema.STATUS] == "diverged"


@pytest.mark.slow
def test_a_write_cut_off_at_any_call_is_completed_by_the_next_process(
    tmp_path: Path, open_tracker: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2, epochs=2, write_folds=False)
    invent_attempt(folder, keys[0], epochs=2, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2)
    expected = rebuilt(folder, open_tracker, tmp_path)
    names = ("create_run", "log_batch", "set_tag", "set_terminated", "log_artifacts", "delete_run")
    originals = {name: getattr(MlflowClient, name) for name in names}
    left = [0]

    def cut(name: str, after: bool) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise ConnectionError("cut off before the write")
            answer = originals[name](self, *arguments, **options)
            if left[0] == 0:
                raise ConnectionError("cut off behind the write")
            return answer

        return call

    cuts = 0
    for after in (False, True):
        for name in names:
            monkeypatch.setattr(MlflowClient, name, cut(name, after))
        for at in range(1, 100):
            copy = tmp_path / f"cut-{after}-{at}"
            shutil.copytree(folder, copy)
            tracker = open_tracker(copy)
            left[0] = at
            if tracker.close():
                break
            cuts += 1
            assert "cut off" in (tracker.trouble or "")
            left[0] = 0
            following = open_tracker(copy)
            following.close()
            assert following.trouble is None
            assert view(following) == expected, f"cut at call {at}, after={after}"
    assert cuts > 15


def test_an_unfinished_log_batch_of_a_superseded_attempt_leaves_nothing_behind(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    """Killed between a fold's epochs and what the driver knew of them; by the next start another attempt counts."""
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [RELU], folds=1, epochs=6, write_folds=False)
    invent_attempt(folder, key, epochs=4)
    tracker = open_tracker(folder)
    tracker.close()
    invent_attempt(folder, key, attempt=2, resumed=3, epochs=5)
    following = open_tracker(folder)
    following.close()
    kept = view(following)
    assert epochs_of(kept["invented/relu-c000/0-0"]) == [1, 2, 3, 4, 5]
    assert kept == rebuilt(folder, open_tracker, tmp_path)


def test_a_new_process_takes_up_what_the_last_one_left_without_being_told(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=2)
    tracker = open_tracker(folder)
    tracker.note(keys)
    tracker.flush()
    for key in keys:
        shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
        invent_attempt(folder, key, epochs=3, status=Status.FINISHED)
    following = open_tracker(folder)
    assert following.close()
    assert view(following) == rebuilt(folder, open_tracker, tmp_path)


def test_an_outage_is_told_and_caught_up_after_a_pause(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2)
    now = [100.0]
    tracker = open_tracker(folder, clock=lambda: now[0])
    database = folder / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"no database at all" * 100)
    tracker.note(keys)
    assert not tracker.flush()
    assert "journals keep everything" in (tracker.trouble or "")
    assert tracker.pending == 2
    database.write_bytes(whole)
    assert not tracker.flush()  # the pause is not over: a dead server is not asked at every tick
    assert tracker.pending == 2
    now[0] += 6
    assert tracker.flush()
    assert (tracker.trouble, tracker.pending) == (None, 0)
    tracker.close()
    assert view(tracker) == rebuilt(folder, open_tracker, tmp_path)


def test_a_damaged_specification_keeps_its_fold_out_and_no_other(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=2)
    specification = folder / "trials" / keys[0] / "spec.json"
    whole = specification.read_text()
    specification.write_text(whole[:40])
    tracker = open_tracker(folder)
    with pytest.raises(TrackingError, match=r"fold-0-0/spec\.json: cannot be read .*`actsweep resume DIR`"):
        tracker.sync()
    assert view(tracker)["invented/relu-c000/0-1"]["status"] == "FINISHED"
    specification.write_text(whole)
    assert tracker.close()
    assert tracker.trouble is None
    assert view(tracker) == rebuilt(folder, open_tracker, tmp_path)


def test_a_flush_keeps_to_its_budget(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [RELU], folds=4)
    tracker = open_tracker(folder)
    tracker.note(keys)
    assert not tracker.flush(0.0)
    assert 0 < tracker.pending < 5
    for _ in range(4):
        done = tracker.flush(0.0)
    assert done


def test_an_experiment_of_another_study_is_left_alone(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=1)
    open_tracker(folder).sync()
    plan = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(plan.replace("0123456789abcdef", "fedcba9876543210"))
    with pytest.raises(TrackingError, match=r"holds a study of digest 0123456789abcdef.*another name"):
        open_tracker(folder).sync()


def test_a_folder_without_a_plan_is_refused(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    with pytest.raises(TrackingError, match=r"plan\.json: cannot be read .* restore it"):
        open_tracker(tmp_path).sync()


def test_study_files_and_report_are_artifacts_without_credentials(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=1)
    (folder / "study.yaml").write_text("name: invented\ntracking: {uri: 'https://anna:s3cret@mlflow.example.org'}\n")
    report = folder / "report"
    (report / "tables").mkdir(parents=True)
    (report / "report.html").write_text("<p>report</p>")
    (report / "tables" / "means.csv").write_text("a,b\n")
    tracker = open_tracker(folder)
    tracker.sync()
    tracker.log_report(report)
    stored = {
        path.relative_to(folder / "mlartifacts").parts[2:]: path for path in (folder / "mlartifacts").rglob("*.*")
    }
    assert set(stored) == {
        ("study.yaml",),
        ("plan.json",),
        ("provenance.json",),
        ("report", "report.html"),
        ("report", "tables", "means.csv"),
    }
    text = stored[("study.yaml",)].read_text()
    assert "s3cret" not in text
    assert "https://***@mlflow.example.org" in text


def test_more_params_and_metrics_than_a_batch_takes_all_arrive(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    wide = InventedTrial(label="wide", params={f"p{number}": number for number in range(230)} | {"long": "x" * 7000})
    (key,) = invent_study(folder, [wide], folds=1, epochs=120)
    tracker = open_tracker(folder)
    tracker.sync()
    run = view(tracker)["invented/wide-c000/0-0"]
    assert run["params"]["activation.p229"] == "229"
    assert run["params"]["activation.long"].startswith("x" * 5000)
    assert "sha256" in run["params"]["activation.long"]
    assert epochs_of(run) == list(range(1, 121))
    assert len(run["history"]) > 1600
    assert key == "wide-c000/fold-0-0"


def test_search_and_confirm_trials_of_one_label_have_names_of_their_own(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    trials = [InventedTrial(label="relu", index=3, phase="search"), InventedTrial(label="relu", phase="confirm")]
    invent_study(folder, trials, folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    found = view(tracker)
    assert {run["name"] for run in found.values()} >= {"relu · s003", "relu · c000", "r0 f0 · relu · s003"}
    assert found["invented/relu-s003"]["tags"][schema.PHASE] == "search"


def test_a_trial_that_gets_more_folds_is_open_again(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=1, epochs=4)
    tracker = open_tracker(folder)
    tracker.sync()
    invent_trial(folder, RELU)
    key = invent_fold(folder, RELU, study="invented", fold=1, folds=2, epochs=4)
    invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
    tracker.note([key])
    assert tracker.close()
    assert view(tracker) == rebuilt(folder, open_tracker, tmp_path)


def test_names_and_values_meet_mlflows_limits() -> None:
    assert metric_key("validation/f1_macro") == "validation/f1_macro"
    odd = [metric_key(name) for name in ("a(b)", "a[b]", "é" * 300, "é" * 301, "/x")]
    assert len(set(odd)) == len(odd)
    assert all(len(name) <= 250 for name in odd)
    assert value_text(True) == "true"
    assert value_text(1e-05) == "1e-05"
    assert len(value_text("x" * 9000, 8000)) <= 8000
    mark = Mark(epochs=3, checksum=0xAB, final_ms=12)
    assert Mark.parse(mark.text()) == mark
    assert Mark.parse("c0ffee") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pass@host:5000/x", "http://***@host:5000/x"),
        (
            "failed at https://tok%40en@host and postgresql://a:b@db/c",
            "failed at https://***@host and postgresql://***@db/c",
        ),
        ("http://host/path?mail=a@b", "http://host/path?mail=a@b"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("http://user:pa:ss@wo@host/", "http://***@host/"),
    ],
)
def test_redact_hides_credentials_only(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_credentials_of_a_server_move_to_mlflows_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    store = locate("https://anna:s%40cret@mlflow.example.org/base/", tmp_path)
    assert store.uri == "https://mlflow.example.org/base"
    assert "s@cret" not in repr(store)
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "anna"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s@cret"


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/x", "ftp://host", "", "http://"])
def test_a_uri_that_is_no_store_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="accepts null"):
        Tracker(uri, tmp_path)


@pytest.mark.slow
def test_telemetry_is_off_and_no_package_but_the_store_is_reached(tmp_path: Path) -> None:
    """In a process of its own, with every connection refused."""
    invent_study(tmp_path / "study", [RELU], folds=1)
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError(f'network: {a}')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from pathlib import Path\n"
        "from sweeps.tracking.tracker import Tracker\n"
        "assert 'mlflow' not in sys.modules\n"
        "Tracker(None, Path(sys.argv[1])).sync()\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert get_telemetry_client() is None and is_telemetry_disabled()\n"
        "import mlflow; assert mlflow.active_run() is None\n"
    )
    ci = {"PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"}
    environment = {name: value for name, value in os.environ.items() if name not in ci}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path / "study")], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_four_processes_may_meet_a_new_store(tmp_path: Path, fork: Callable[[Callable[[], object]], int]) -> None:
    database = tmp_path / "study" / "mlflow.db"
    children = [fork(lambda: initialise(database)) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    assert [entry.name for entry in database.parent.iterdir()] == ["mlflow.db"]
    connection = sqlite3.connect(database)
    assert connection.execute("select count(*) from experiments").fetchone() == (1,)
    connection.close()


@pytest.mark.slow
def test_a_rebuild_killed_at_random_moments_ends_in_the_same_view(
    tmp_path: Path,
    empty_store: Path,
    open_tracker: Callable[..., Tracker],
    fork: Callable[[Callable[[], object]], int],
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU, DSRELU], folds=3, epochs=5)
    expected = rebuilt(folder, open_tracker, tmp_path)
    shutil.copy(empty_store, folder / "mlflow.db")
    kills = 0
    for round_ in range(10):
        child = fork(lambda: Tracker(None, folder).sync())
        time.sleep(0.05 + 0.03 * round_)
        kills += os.waitpid(child, os.WNOHANG) == (0, 0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert kills >= 5
    tracker = open_tracker(folder)
    tracker.sync()
    assert view(tracker) == expected
    assert LOGGED in view(tracker)["invented"]["tags"]


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_loses_nothing(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    """A real MLflow server on localhost, killed in the middle of a study and started again."""
    from sweeps.tracking.ui_server import ui

    folder, served = tmp_path / "study", tmp_path / "server"
    keys = invent_study(folder, [RELU, DSRELU], folds=2, epochs=4, write_folds=False)
    served.mkdir()
    server = ui(served)
    try:
        port = int(server.address.rpartition(":")[2])
        now = [0.0]
        tracker = Tracker(f"http://anna:s3cret@127.0.0.1:{port}", folder, clock=lambda: now[0])
        for key in keys[:2]:
            invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
        tracker.note(keys[:2])
        assert tracker.flush(), tracker.trouble
        server.stop()
        for key in keys[2:]:
            invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
        tracker.note(keys[2:])
        assert not tracker.flush()
        assert tracker.trouble is not None
        assert "s3cret" not in tracker.trouble
        assert tracker.pending == 2
        server = ui(served, port=port)
        now[0] += 10
        assert tracker.flush(), tracker.trouble
        assert tracker.close()
        assert tracker.trouble is None
        kept = view(tracker)
        report = folder / "report"
        report.mkdir()
        (report / "report.md").write_text("report")
        tracker.log_report(report)
    finally:
        server.stop()
    assert kept == rebuilt(folder, open_tracker, tmp_path)
    assert [path.name for path in (served / "mlartifacts").rglob("report.md")] == ["report.md"]
