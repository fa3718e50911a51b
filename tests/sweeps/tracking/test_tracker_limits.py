"""What MLflow takes, what it is sent, and what never reaches it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.errors import TrackingError
from sweeps.folder.secrets import redact
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking.run_values import Mark, metric_key, value_text
from sweeps.tracking.store import locate
from sweeps.tracking.tracker import Tracker

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


def test_a_flush_keeps_to_its_budget(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=4)
    tracker = open_tracker(folder)
    tracker.note(keys)
    assert not tracker.flush(0.0)
    assert 0 < tracker.pending < 5
    for _ in range(4):
        done = tracker.flush(0.0)
    assert done


def test_a_folder_without_a_plan_is_refused(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    with pytest.raises(TrackingError, match=r"plan\.json: cannot be read .* restore it"):
        open_tracker(tmp_path).sync()


def test_study_files_and_report_are_artifacts_without_credentials(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [views.RELU], folds=1)
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
    run = views.view(tracker)["invented/wide-c000/0-0"]
    assert run["params"]["activation.p229"] == "229"
    assert run["params"]["activation.long"].startswith("x" * 5000)
    assert "sha256" in run["params"]["activation.long"]
    assert views.epochs_of(run) == list(range(1, 121))
    assert len(run["history"]) > 1400
    assert key == "wide-c000/fold-0-0"


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
