"""What is sent to a store goes in portions that it takes and in its order; what a store does late is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweeps.errors import TrackingError
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import aside, parcels
from sweeps.tracking.run_values import Point
from sweeps.tracking.tracker import Tracker

RELU = InventedTrial(label="relu")
TOO_LARGE = (
    "API request to endpoint /api/2.0/mlflow/runs/log-batch failed with error code 413 != 200. Response body: '<html>\n"
    "<head><title>413 Request Entity Too Large</title></head>'"
)


class Proxy:
    """Lets ``most`` items through at once."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, []

    def log_batch(self, run_id: str, metrics: list[Any], params: list[Any], tags: list[Any]) -> None:
        if len(metrics) + len(params) + len(tags) > self.most:
            raise RuntimeError(TOO_LARGE)
        self.taken += [metric.step for metric in metrics] + [each.key for each in (*params, *tags)]


@pytest.mark.parametrize("most", [1, 2, 7, 100])
def test_a_batch_is_cut_until_it_fits_and_keeps_its_order(most: int) -> None:
    proxy: Any = Proxy(most)
    points = [Point("train/loss", 0.5, 1000 + step, step) for step in range(23)]
    parcels.send(proxy, "run", points, {"a": "1", "b": "2"}, {"last": "x"})
    assert proxy.taken == [*range(23), "a", "b", "last"]


def test_what_does_not_fit_alone_and_any_other_refusal_is_raised() -> None:
    proxy: Any = Proxy(0)
    with pytest.raises(RuntimeError, match="413"):
        parcels.send(proxy, "run", [], {}, {"tag": "long"})

    def refuses(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("failed with error code 500")

    other: Any = SimpleNamespace(log_batch=refuses)
    with pytest.raises(RuntimeError, match="500"):
        parcels.send(other, "run", [], {"a": "1", "b": "2"}, {})
    parcels.send(proxy, "run", [], {}, {})  # nothing is no request


def test_a_file_that_a_proxy_refuses_is_told_keeps_no_run_away_and_is_sent_once_it_may(
    tmp_path: Path, open_tracker: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=2)
    real = MlflowClient.log_artifact

    def refuses(self: MlflowClient, run_id: str, path: str, place: str | None = None) -> None:
        if path.endswith("study.yaml"):
            raise RuntimeError(TOO_LARGE)
        real(self, run_id, path, place)

    monkeypatch.setattr(MlflowClient, "log_artifact", refuses)
    tracker = open_tracker(folder)
    with pytest.raises(TrackingError) as caught:
        tracker.sync()
    assert "does not take study.yaml (" in str(caught.value)
    assert "client_max_body_size" in str(caught.value)
    assert "<html>" not in str(caught.value)
    client = MlflowClient(tracking_uri=tracker.store.uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "invented"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    (of_study,) = [run.info.run_id for run in runs if run.info.run_name == "invented" or "study" in run.info.run_name]
    assert {file.path for file in client.list_artifacts(of_study)} == {"plan.json", "provenance.json"}
    monkeypatch.undo()
    assert open_tracker(folder).sync().folds == 2
    assert "study.yaml" in {file.path for file in client.list_artifacts(of_study)}


def test_a_run_that_the_server_makes_after_we_stopped_waiting_is_not_doubled(
    tmp_path: Path, open_tracker: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=2)
    real, late = MlflowClient.create_run, []

    def slow(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        if len(late) < 3 and "·" in str(kwargs.get("run_name", args)):
            late.append((self, args, kwargs))
            raise TimeoutError("Read timed out")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_run", slow)
    now = [0.0]
    tracker = open_tracker(folder, clock=lambda: now[0])
    while not tracker.flush():
        assert "nobody answers in time" in str(tracker.trouble)
        now[0] += 100
    assert len(late) == 3
    for client, args, kwargs in late:
        real(client, *args, **kwargs)
    assert tracker.close()
    runs = MlflowClient(tracking_uri=tracker.store.uri).search_runs(["1"])
    keys = [run.data.tags["actsweep.key"] for run in runs]
    assert sorted(keys) == ["invented", "invented/relu-c000", "invented/relu-c000/0-0", "invented/relu-c000/0-1"]
    trial = next(run.info.run_id for run in runs if run.data.tags["actsweep.key"] == "invented/relu-c000")
    assert [run.data.tags.get("mlflow.parentRunId") for run in runs].count(trial) == 2


def test_a_slow_store_that_is_not_done_in_time_is_told(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=3)
    now = [0.0]

    def ticks() -> float:
        now[0] += 50
        return now[0]

    tracker = open_tracker(folder, clock=ticks)
    assert not tracker.close(budget_s=60)
    assert "is slow: after 60 s" in str(tracker.trouble)
    assert "wait" in str(tracker.trouble)


def test_a_study_is_read_from_its_folder_where_its_store_cannot_be(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [RELU], folds=2)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    study = aside.read(folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    from analysis.runs import load

    open_tracker(folder).sync()
    assert study.cube.drop(columns="run_id").equals(load.load(folder).cube.drop(columns="run_id"))
