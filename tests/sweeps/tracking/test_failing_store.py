"""A failing MLflow store: one line of ours, none of MLflow's on the terminal, and what is missing is completed later.

Real SQLite files, a real MLflow server, and servers that answer as proxies do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import SourceError
from analysis.runs import load, store_words
from sweeps.errors import TrackingError
from sweeps.testing import InventedTrial, invent_attempt, invent_fold, invent_study
from sweeps.tracking import store
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui_server import ui
from trainer.journal import Status

RELU = InventedTrial(label="relu")
LATER = "relu-c000/fold-0-2"
FOREIGN = ("Traceback", "[SQL:", "SELECT", "INSERT", "sqlalche.me", "WARNING", "ERROR", "HTTPConnectionPool", "<html>")
"""What no line of ours has."""


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synced") / "study"
    invent_study(folder, [RELU], folds=2)
    Tracker(None, folder).sync()
    forget(folder)
    return folder


def forget(folder: Path) -> None:
    """MLflow keeps an engine for each file that it ever opened."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.pop(f"sqlite:///{folder}/mlflow.db", None)
    if engine is not None:
        engine.dispose()


@pytest.fixture
def folder(synced: Path, tmp_path: Path) -> Iterator[Path]:
    path = Path(shutil.copytree(synced, tmp_path / "study"))
    yield path
    forget(path)


def trained_on(folder: Path) -> None:
    """A further fold has ended, of which the store does not know."""
    invent_fold(folder, RELU, study="invented", fold=2, folds=3, epochs=4)
    invent_attempt(folder, LATER, epochs=4, status=Status.FINISHED)


def sql(statement: str) -> Callable[[Path], None]:
    def harm(database: Path) -> None:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
            connection.commit()

    return harm


def no_database(database: Path) -> None:
    database.write_bytes(b"no database" * 500)


def half(database: Path) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])


def a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no database": (no_database, "the file is not a database"),
    "half of it": (half, "the file is damaged"),
    "a folder": (a_folder, "the file cannot be opened"),
    "no table": (sql("DROP TABLE metrics"), "a table of it is missing"),
    "a newer MLflow's": (sql("UPDATE alembic_version SET version_num = 'f00'"), "another version of MLflow made it"),
}  # fmt: skip


def one_line(text: str | None) -> str:
    assert text
    assert "\n" not in text
    assert not [word for word in FOREIGN if word in text]
    assert "the journals keep everything" in text
    return text


@pytest.mark.parametrize("what", HARMS)
def test_a_store_that_fails_is_told_in_one_line_and_sync_completes_it_later(
    what: str, folder: Path, synced: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    harm, told = HARMS[what]
    database = folder / "mlflow.db"
    now = [0.0]
    tracker = Tracker(None, folder, clock=lambda: now[0])
    tracker.note([])
    trained_on(folder)
    forget(folder)
    harm(database)
    tracker.note([LATER])
    assert not tracker.flush()  # and the driver goes on
    assert told in one_line(tracker.trouble)
    with pytest.raises(TrackingError) as caught:
        Tracker(None, folder).sync()
    assert told in one_line(str(caught.value))
    assert capfd.readouterr() == ("", "")
    forget(folder)
    shutil.rmtree(database) if database.is_dir() else database.unlink()
    shutil.copy(synced / "mlflow.db", database)
    assert Tracker(None, folder).sync().folds == 3


def test_a_locked_store_and_one_that_vanished_are_told_while_the_driver_lives(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_S", 0.2)
    now = [0.0]
    tracker = Tracker(None, folder, clock=lambda: now[0])
    assert tracker.flush()
    trained_on(folder)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        tracker.note([LATER])
        assert not tracker.flush()
    assert "another process holds it locked" in one_line(tracker.trouble)
    now[0] += 100
    assert tracker.flush()
    (folder / "mlflow.db").unlink()
    tracker.note([LATER])
    assert not tracker.flush()
    assert "its file is gone" in one_line(tracker.trouble)
    now[0] += 100
    assert tracker.flush()
    assert tracker.trouble is None
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (5,)  # made anew, with all that there is
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_told_and_caught_up_once_there_is_room(
    synced: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small disk of its own takes root")
    try:
        folder = Path(shutil.copytree(synced, disk / "study"))
        now = [0.0]
        tracker = Tracker(None, folder, clock=lambda: now[0])
        assert tracker.flush()
        trained_on(folder)
        room = os.statvfs(disk)
        (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_bsize))
        tracker.note([LATER])
        assert not tracker.flush()
        assert "the disk is full" in one_line(tracker.trouble)
        (disk / "ballast").unlink()
        now[0] += 100
        assert tracker.flush(), tracker.trouble
        assert tracker.close()
        assert capfd.readouterr() == ("", "")
        forget(folder)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("what", ["no database", "half of it", "no table"])
def test_a_report_and_a_ui_of_a_store_that_fails_say_so_in_one_line(
    what: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    harm, told = HARMS[what]
    harm(folder / "mlflow.db")
    with pytest.raises(SourceError) as caught:
        load.load(f"sqlite:///{folder}/mlflow.db")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [word for word in FOREIGN if word in str(caught.value)]
    if what == "no database":
        with pytest.raises(TrackingError) as refused:
            ui(folder)
        assert told in one_line(str(refused.value))
    assert capfd.readouterr() == ("", "")


# -- servers -----------------------------------------------------------------------------------------------------------


class Answering(BaseHTTPRequestHandler):
    code, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        pass


ANSWERS = {
    (200, b"<html>\n<body>Sign in,\nplease</body></html>"): "what answers there is no MLflow server",
    (404, b"<html>nginx</html>"): "what answers there is no MLflow server",
    (401, b"You are not authenticated.\nPlease see"): "the server wants other credentials",
    (403, b"Invalid Host header - possible DNS rebinding attack detected"): "refuses the name that it is asked by",
    (500, b"<h1>Internal Server Error</h1>\n<p>x</p>"): "the server answers with an error of its own",
    (503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "a\\nTraceback"}'): "an error of its own",
}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer[0]) + answer[1][:6].decode())
def test_a_server_that_answers_as_none_should_is_told_in_one_line(
    answer: tuple[int, bytes], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = type("Handler", (Answering,), {"code": answer[0], "body": answer[1]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        uri = f"http://anna:s3cret@127.0.0.1:{server.server_address[1]}"
        try:
            with pytest.raises(TrackingError) as caught:
                Tracker(uri, folder).sync()
            with pytest.raises(SourceError) as refused:
                load.load(uri.replace("anna:s3cret@", ""))
        finally:
            server.shutdown()
            thread.join()
    assert ANSWERS[answer] in one_line(str(caught.value))
    assert ANSWERS[answer] in str(refused.value)
    assert "s3cret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_not_there_is_told_in_one_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    places = {"http://127.0.0.1:9": "nobody answers", "http://no.such.host.invalid": "no host of that name"}
    for uri, told in places.items():
        with pytest.raises(TrackingError) as caught:
            Tracker(uri, folder).sync()
        assert told in one_line(str(caught.value))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_real_server_whose_database_fails_is_told_in_one_line_and_catches_up(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    with ui(served) as server:
        now = [0.0]
        tracker = Tracker(server.address, folder, clock=lambda: now[0])
        assert tracker.flush(), tracker.trouble
        trained_on(folder)
        sql("ALTER TABLE metrics RENAME TO mislaid")(served / "mlflow.db")
        tracker.note([LATER])
        assert not tracker.flush()
        one_line(tracker.trouble)
        sql("ALTER TABLE mislaid RENAME TO metrics")(served / "mlflow.db")
        now[0] += 100
        assert tracker.flush(), tracker.trouble
        assert tracker.close()
        assert capfd.readouterr() == ("", "")


def test_what_mlflow_and_its_libraries_log_stays_off_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    store_words.silence()
    for name in store_words.NOISY:
        logging.getLogger(f"{name}.store.db.utils").error("a statement\n[SQL: SELECT 1]")
    assert capfd.readouterr() == ("", "")


def test_words_that_are_not_known_become_one_short_line() -> None:
    error = RuntimeError("something\n  new [in three\nlines]" + "x" * 500 + "\n[SQL: INSERT INTO metrics]")
    told = store_words.failure(error)
    assert told.what.startswith("something new [in three lines]xxx")
    assert len(told.what) < 220
    assert told.remedy == ""
