from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sweeps.errors import TrackingError
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import ui_server
from sweeps.tracking.store import configure_mlflow, locate
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui_server import Ui, command, environment, ui

configure_mlflow()

# MLflow 3.17 asks SQLAlchemy 2.1 for a loader that is on its way out.


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Ui, Tracker]]:
    folder = tmp_path / "a study"
    invent_study(folder, [InventedTrial(label="relu")], folds=1)
    tracker = Tracker(None, folder)
    tracker.sync()
    with ui(folder) as running:
        yield running, tracker


def experiment_of(tracker: Tracker) -> str:
    """MLflow's id of the invented study's experiment."""
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=tracker.store.uri).get_experiment_by_name("invented")
    assert found is not None
    return str(found.experiment_id)


@pytest.mark.slow
def test_the_ui_serves_the_studys_store_on_localhost_only(served: tuple[Ui, Tracker]) -> None:
    running, tracker = served
    assert running.address.startswith("http://127.0.0.1:")
    experiment = experiment_of(tracker)
    runs = f"{running.address}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    assert running.url == f"{runs}&viewStateShareKey=comparison&compareRunsMode=TABLE"
    assert [page.name for page in running.pages] == ["comparison", "folds"]
    with urlopen(running.address) as page:
        assert b"<html" in page.read()
    asked = Request(  # localhost
        f"{running.address}/api/2.0/mlflow/runs/search",
        json.dumps({"experiment_ids": [experiment]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(asked) as answer:
        names = {run["info"]["run_name"] for run in json.load(answer)["runs"]}
    assert names == {"invented", "relu · c000", "r0 f0 · relu · c000"}
    with urlopen(f"{running.address}/ajax-api/3.0/mlflow/ui-telemetry") as answer:
        assert json.load(answer)["disable_ui_telemetry"] is True
    # A page of another site cannot talk to it by a name of its own.
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{running.address}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.example.org"}))
    assert refused.value.code == 403
    refused.value.close()
    # Whoever is on the machine can reach this server: nothing of it runs commands.
    with pytest.raises(HTTPError) as missing:
        urlopen(f"{running.address}/ajax-api/3.0/mlflow/assistant/config")
    assert missing.value.code == 404
    missing.value.close()
    assert running.process is not None
    running.stop()
    running.stop()
    assert running.process.returncode is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(running.address.rpartition(":")[2]))) != 0


def test_a_port_in_use_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"127\.0\.0\.1:{port}.*another port"):
            ui(tmp_path, port=port)


@pytest.mark.slow
def test_a_port_that_another_server_took_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people open their UIs at once: whoever comes second is not shown the other's."""
    answering = HTTPServer(("127.0.0.1", 0), Healthy)
    Thread(target=answering.serve_forever, daemon=True).start()
    taken, port = answering.server_port, ui_server._port
    ports = iter([taken])
    monkeypatch.setattr(ui_server, "_port", lambda host, wanted: next(ports, None) or port(host, wanted))
    try:
        with ui(tmp_path) as running:
            assert running.address != f"http://127.0.0.1:{taken}"
            with urlopen(running.address) as page:
                assert b"<html" in page.read()
    finally:
        answering.shutdown()
        answering.server_close()


class Healthy(BaseHTTPRequestHandler):
    """Another server of the machine, which is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_server_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('no module named gunicorn')"]
    monkeypatch.setattr(ui_server, "command", lambda host, port: broken)
    with pytest.raises(TrackingError, match=r"MLflow server.*mlflow-ui\.log"):
        ui(tmp_path, timeout_s=60)
    assert "no module named gunicorn" in (tmp_path / "mlflow-ui.log").read_text()


def test_a_store_that_cannot_be_read_is_told_before_a_server_is_started(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(TrackingError, match="is not a database"):
        ui(tmp_path, timeout_s=60)
    assert not (tmp_path / "mlflow-ui.log").exists()


def test_a_study_on_a_server_gets_that_servers_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "anna")
    running = ui(tmp_path, "https://anna:s3cret@mlflow.example.org/base")
    assert (running.url, running.process) == ("https://mlflow.example.org/base", None)
    running.stop()
    assert not list(tmp_path.iterdir())


def test_the_command_line_carries_no_uri_and_the_environment_names_the_hosts(tmp_path: Path) -> None:
    words = command("127.0.0.1", 5001)
    assert words[words.index("--host") + 1] == "127.0.0.1"
    store = locate("postgresql://anna:s3cret@db/mlflow", tmp_path)
    variables = environment(store, "127.0.0.1", 5001)
    assert variables["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",") == ["127.0.0.1", "127.0.0.1:5001", "localhost:5001"]
    assert variables["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_settings_for_a_child_leave_this_process_alone() -> None:
    before = dict(os.environ)
    child = configure_mlflow({"MLFLOW_HTTP_REQUEST_TIMEOUT": "99"})
    assert child["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert child["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"  # the user's own
    assert dict(os.environ) == before
