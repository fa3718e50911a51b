"""`actsweep store`: what is refused before anything is written, what is found, and where secrets are."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from sweeps.cli.main import main
from sweeps.errors import StoreError, TrackingError
from sweeps.store_server import home, lab, mlflow_server, postgres
from sweeps.store_server.home import Home, Settings
from sweeps.store_server.mlflow_server import MlflowServer
from sweeps.store_server.postgres import Postgres


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["store", *map(str, words)])
    assert not isinstance(result.exception, BaseException) or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


# -- refused before anything is written --------------------------------------------------------------------------------


def test_settings_that_do_not_go_together_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "thesis.tex").write_text("mine")
    key = tmp_path / "key.pem"
    key.write_text("")
    for words, told in {
        ("up", "new", "--sqlite", "--no-login", "--host", "0.0.0.0"): "accepts 127.0.0.1 alone",
        ("up", "new", "--sqlite", "--key", str(key)): "--key was given without --certificate",
        ("up", "new", "--sqlite", "--key", str(key), "--certificate", "no.pem"): "cannot be read",
        ("up", "there", "--sqlite"): "holds thesis.tex and is no store",
        ("up", "x" * 110): "socket",
        ("status", "new"): "no store here; `actsweep store up",
        ("down", "new"): "no store here",
        ("user", "anna", "new"): "no store here",
        ("user", "anna", "new", "--reset", "--remove"): "give one of them",
    }.items():
        code, said = run(words[0], *[tmp_path / word if word in ("new", "there") else word for word in words[1:]])
        assert told in said, words
        assert code == 2
        assert said.count("\n") == 1 or "Usage" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "there"]
    assert [path.name for path in there.iterdir()] == ["thesis.tex"]


def programs(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_programs_are_found_where_debian_puts_them_and_fit_the_data(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(open_folder))
    monkeypatch.setattr(postgres, "DEBIAN", open_folder / "debian")
    database = Postgres(open_folder / "store")
    with pytest.raises(TrackingError, match=r"not installed: .*apt-get install postgresql.*or give --sqlite"):
        database.programs()
    for version in ("9", "15", "17"):
        programs(open_folder / "debian" / version / "bin", f"{version}.3 (Debian {version}.3-1)")
    assert database.programs() == open_folder / "debian" / "17" / "bin"
    database.data.mkdir(parents=True)
    (database.data / "PG_VERSION").write_text("15\n")
    assert database.programs() == open_folder / "debian" / "15" / "bin"
    (database.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(TrackingError, match=r"PostgreSQL 14 made it, here is 9, 15, 17; install postgresql-14"):
        database.programs()


@pytest.mark.skipif(os.getuid() != 0, reason="root alone starts PostgreSQL as somebody else")
def test_a_folder_that_postgresqls_user_cannot_enter_is_named(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StoreError, match=rf"cannot enter {closed}; choose another folder"):
        Postgres(closed / "store").check()
    Postgres(open_folder / "store").check()


def test_secrets_are_files_of_their_owner_and_stay_out_of_what_others_see(tmp_path: Path) -> None:
    place = Home(tmp_path / "a store")
    place.make()
    place.keep(Settings(database="sqlite", names=("ws12.lab.example",), host="0.0.0.0"))
    assert place.known().names == ("ws12.lab.example",)
    password = place.new_login("admin")
    server = MlflowServer(place, place.known())
    variables = server.environment()
    assert variables["MLFLOW_AUTH_ADMIN_PASSWORD"] == password
    seen = [*server.command(), place.known().__repr__(), (place.folder / home.FILE).read_text()]
    key = variables["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    assert not [text for text in seen if password in text or key in text]
    assert place.forms_key() == key  # the same in each of the server's processes
    for path in (place.folder / "secrets").iterdir():
        assert path.stat().st_mode & 0o077 == 0 or path.name == mlflow_server.LOGIN, path
    assert (place.folder / "secrets").stat().st_mode & 0o077 == 0
    assert "ws12.lab.example:5000" in variables["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert server.address == "http://ws12.lab.example:5000"
    shell = subprocess.run(
        ["sh", "-c", '. "$0"; printf %s "$MLFLOW_TRACKING_PASSWORD"', place.login_file("admin")],
        capture_output=True,
        text=True,
    )
    assert shell.stdout == password
    for name in ("../up", "", "a b", "x" * 65):
        with pytest.raises(StoreError, match="accepts letters"):
            place.login_file(name)


def test_the_environment_of_whoever_starts_it_does_not_reach_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "/elsewhere")
    place = Home(tmp_path)
    place.make()
    variables = MlflowServer(place, Settings(database="sqlite")).environment()
    assert "elsewhere" not in str(variables)
    assert variables["MLFLOW_ARTIFACTS_DESTINATION"] == (tmp_path / "artifacts").as_uri()


def test_a_damaged_settings_file_is_named(tmp_path: Path) -> None:
    for text in ("", "[]", '{"schema": 9}', '{"schema": 1, "colour": 2}', '{"schema": 1, "port": 1}'):
        (tmp_path / home.FILE).write_text(text)
        code, said = run("status", tmp_path)
        assert code == 2
        assert f"{tmp_path / home.FILE}: cannot be read" in said


def test_a_port_in_use_is_told_and_no_database_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = run("up", tmp_path / "store", "--sqlite", "--port", port)
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); name another --port" in said
    code, said = run("status", tmp_path / "store")
    assert code == 1
    assert "does not run; `actsweep store up" in said


def test_an_administrators_password_goes_to_no_stranger_on_the_port(tmp_path: Path) -> None:
    heard: list[str | None] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        place = Home(tmp_path)
        place.make()
        place.new_login("admin")
        place.keep(Settings(database="sqlite", port=server.server_address[1]))
        try:
            assert not lab.status(tmp_path).well
        finally:
            server.shutdown()
            thread.join()
    assert heard == []
