"""Writers, servers and stores that end in the middle: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.testing import invent_attempt, invent_study
from sweeps.tracking.run_values import LOGGED
from sweeps.tracking.store import initialise
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


@pytest.mark.slow
def test_a_write_cut_off_at_any_call_is_completed_by_the_next_process(
    tmp_path: Path, open_tracker: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2, epochs=2, write_folds=False)
    invent_attempt(folder, keys[0], epochs=2, status=Status.FINISHED)
    invent_attempt(folder, keys[1], epochs=2)
    expected = views.rebuilt(folder, open_tracker, tmp_path)
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
            assert views.view(following) == expected, f"cut at call {at}, after={after}"
    assert cuts > 15


def test_an_unfinished_log_batch_of_a_superseded_attempt_leaves_nothing_behind(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    """Killed between a fold's epochs and what the driver knew of them; by the next start another attempt counts."""
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1, epochs=6, write_folds=False)
    invent_attempt(folder, key, epochs=4)
    tracker = open_tracker(folder)
    tracker.close()
    invent_attempt(folder, key, attempt=2, resumed=3, epochs=5)
    following = open_tracker(folder)
    following.close()
    kept = views.view(following)
    assert views.epochs_of(kept["invented/relu-c000/0-0"]) == [1, 2, 3, 4, 5]
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


def test_a_new_process_takes_up_what_the_last_one_left_without_being_told(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2, epochs=3, write_folds=False)
    invent_attempt(folder, keys[0], epochs=2)
    tracker = open_tracker(folder)
    tracker.note(keys)
    tracker.flush()
    for key in keys:
        shutil.rmtree(folder / "trials" / key / "attempt-1", ignore_errors=True)
        invent_attempt(folder, key, epochs=3, status=Status.FINISHED)
    following = open_tracker(folder)
    assert following.close()
    assert views.view(following) == views.rebuilt(folder, open_tracker, tmp_path)


def test_an_outage_is_told_and_caught_up_after_a_pause(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2)
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
    assert views.view(tracker) == views.rebuilt(folder, open_tracker, tmp_path)


@pytest.mark.slow
def test_telemetry_is_off_and_no_package_but_the_store_is_reached(tmp_path: Path) -> None:
    """In a process of its own, with every connection refused."""
    invent_study(tmp_path / "study", [views.RELU], folds=1)
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
    invent_study(folder, [views.RELU, views.DSRELU], folds=3, epochs=5)
    expected = views.rebuilt(folder, open_tracker, tmp_path)
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
    assert views.view(tracker) == expected
    assert LOGGED in views.view(tracker)["invented"]["tags"]


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_loses_nothing(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    """A real MLflow server on localhost, killed in the middle of a study and started again."""
    from sweeps.tracking.ui_server import ui

    folder, served = tmp_path / "study", tmp_path / "server"
    keys = invent_study(folder, [views.RELU, views.DSRELU], folds=2, epochs=4, write_folds=False)
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
        kept = views.view(tracker)
        report = folder / "report"
        report.mkdir()
        (report / "report.md").write_text("report")
        tracker.log_report(report)
    finally:
        server.stop()
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)
    assert [path.name for path in (served / "mlartifacts").rglob("report.md")] == ["report.md"]
