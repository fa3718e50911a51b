"""What MLflow shows of a study, read back as values."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.runs import schema
from sweeps.testing import InventedTrial
from sweeps.tracking.run_values import PARENT
from sweeps.tracking.tracker import Tracker

RELU = InventedTrial(label="relu")


DSRELU = InventedTrial(label="dsrelu", index=7, params={"a": 3.73, "k": 5, "learn": True, "b": None})


View = dict[str, dict[str, Any]]


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
            "inputs": sorted(
                (one.dataset.name, one.dataset.digest, tuple((tag.key, tag.value) for tag in one.tags))
                for one in run.inputs.dataset_inputs
            ),
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


def trash(tracker: Tracker) -> int:
    with sqlite3.connect(str(tracker.store.database)) as connection:
        (count,) = connection.execute("select count(*) from runs where lifecycle_stage = 'deleted'").fetchone()
    connection.close()
    return int(count)
