"""What MLflow shows of a study, read back as values."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from analysis.runs import schema
from sweeps.testing import InventedTrial
from sweeps.tracking.experiment_search import tagged
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.run_values import NOTE, PARENT
from sweeps.tracking.tracker import Tracker

RELU = InventedTrial(label="relu")


DSRELU = InventedTrial(label="dsrelu", index=7, params={"a": 3.73, "k": 5, "learn": True, "b": None})


View = dict[str, dict[str, Any]]


def client_of(tracker: Tracker) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracker.store.uri)


def experiment_of(tracker: Tracker) -> Any:
    """The one experiment of the folder's sweep, in whatever state."""
    sweep = FolderReader.open(tracker.folder).plan.sweep
    found = tagged(client_of(tracker), schema.SWEEP, sweep)
    kept = [one for one in found if one.lifecycle_stage == "active"] or found
    assert len(kept) == 1, f"{len(kept)} experiments of one sweep"
    return kept[0]


def view(tracker: Tracker) -> View:
    """The whole of a study's active runs: key -> all but run ids, MLflow's own times, and what people added."""
    client, experiment = client_of(tracker), experiment_of(tracker)
    runs = [
        run
        for run in client.search_runs([experiment.experiment_id], max_results=1000)
        if any(name.startswith(schema.PREFIX) for name in run.data.tags)
    ]
    keys = {run.info.run_id: run.data.tags[schema.KEY] for run in runs}
    assert len(set(keys.values())) == len(keys), "a run is doubled"
    histories = _histories(tracker, client, runs)
    found: View = {}
    for run in runs:
        tags = {name: text for name, text in run.data.tags.items() if name.startswith((schema.PREFIX, "mlflow."))}
        if tags[schema.KIND] == "fold":
            tags.pop(NOTE, None)
        if PARENT in tags:
            tags[PARENT] = keys[tags[PARENT]]
        found[tags[schema.KEY]] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "tags": tags,
            "params": dict(run.data.params),
            "history": histories[run.info.run_id],
            "inputs": sorted(
                (one.dataset.name, one.dataset.digest, tuple((tag.key, tag.value) for tag in one.tags))
                for one in run.inputs.dataset_inputs
            ),
            "latest": {name: repr(value) for name, value in run.data.metrics.items()},
        }
    return found


def _histories(tracker: Tracker, client: Any, runs: list[Any]) -> dict[str, list[tuple[str, int, int, str]]]:
    """Run id -> (metric, step, time, value), in order."""
    found: dict[str, list[tuple[str, int, int, str]]] = {run.info.run_id: [] for run in runs}
    if tracker.store.database is None:
        for run in runs:
            for key in run.data.metrics:
                for entry in client.get_metric_history(run.info.run_id, key):
                    found[run.info.run_id].append((key, entry.step, entry.timestamp, repr(entry.value)))
    else:
        with contextlib.closing(sqlite3.connect(tracker.store.database)) as connection:
            asked = "select run_uuid, key, step, timestamp, value, is_nan from metrics"
            for run_id, key, step, at, value, is_nan in connection.execute(asked):
                if run_id in found:
                    found[run_id].append((key, step, at, repr(math.nan if is_nan else float(value))))
    return {run_id: sorted(entries) for run_id, entries in found.items()}


def artifacts(tracker: Tracker) -> dict[str, str]:
    """Path -> text of the artifacts of the study's run; in a file's store, only of those that lie beside it."""
    client, experiment = client_of(tracker), experiment_of(tracker)
    asked = f"tags.`{schema.KIND}` = 'study'"
    (head,) = client.search_runs([experiment.experiment_id], asked)
    if tracker.store.database is not None:
        root = Path(unquote(urlsplit(head.info.artifact_uri).path))
        assert root.is_relative_to(tracker.store.database.parent), f"{root} is not beside {tracker.store.database}"
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    with tempfile.TemporaryDirectory() as name:
        root = Path(client.download_artifacts(head.info.run_id, "", name))
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


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
