"""A study ends with a whole view whatever its server does: MLflow on PostgreSQL with proxied artifacts behind a site's
TLS and tokens, which is down, slow, restarted, asked too much, or loses its answers."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import importlib.util
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from analysis.runs import load, plan, schema, stores
from sweeps.cli.main import main
from sweeps.store_server import lab, mlflow_server, postgres
from sweeps.store_server.home import Home
from sweeps.store_server.mlflow_server import MlflowServer
from sweeps.store_server.postgres import Postgres
from sweeps.testing import InventedTrial, invent_attempt, invent_fold, invent_study
from sweeps.tracking import login
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status

HERE = Path(__file__)
RELU, DSRELU = InventedTrial(label="relu"), InventedTrial(label="dsrelu", params={"a": 3.73, "k": 5})
FOREIGN = ("Traceback", "[SQL:", "HTTPConnectionPool", "<html>", "s3cret")
"""What no line of ours has."""
pytestmark = pytest.mark.slow


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found


gateway = module(HERE.with_name("gateway.py"))
views = module(HERE.parents[1] / "tracking" / "views.py")


@pytest.fixture
def site(store: Any, tmp_path: Path) -> Any:
    """Not open yet."""
    password = Home(store.folder).password("admin")
    return gateway.Site(folder=tmp_path / "site", upstream=("127.0.0.1", store.port), user="admin", password=password)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[Path], Any]]:
    """The view of a copy of a study in a store of its own, made at once."""

    def make(folder: Path) -> Any:
        copy = tmp_path / "fresh" / folder.name
        shutil.copytree(folder, copy, copy_function=shutil.copy2)
        tracker = Tracker(None, copy)
        tracker.sync()
        return views.view(tracker)

    yield make
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for uri in [uri for uri in SqlAlchemyStore._engine_map if str(tmp_path) in uri]:
        SqlAlchemyStore._engine_map.pop(uri).dispose()


class Study:
    """A study that goes on, a fold at a time, with the tracker of its driver."""

    def __init__(self, folder: Path, uri: str) -> None:
        sweep = secrets.token_hex(8)
        self.folder, self.name, self.now = folder, f"{folder.name}-{sweep}", 0.0
        invent_study(folder, [RELU, DSRELU], name=self.name, folds=1, epochs=3)
        path = folder / schema.PLAN_ARTIFACT
        path.write_text(plan.to_json(dataclasses.replace(plan.from_json(path.read_text()), sweep=sweep)))
        self.tracker = Tracker(uri, folder, clock=lambda: self.now)
        self.folds = 2

    def trains(self) -> None:
        """A further fold of a trial ends."""
        trial, fold = (RELU, DSRELU)[self.folds % 2], self.folds // 2
        invent_fold(self.folder, trial, study=self.name, fold=fold, folds=9, epochs=3)
        key = f"{trial.name}/fold-0-{fold}"
        invent_attempt(self.folder, key, epochs=3, status=Status.FINISHED)
        self.tracker.note([key])
        self.folds += 1

    def flush(self) -> bool:
        self.now += 100
        return self.tracker.flush()

    def until_sent(self, most: int = 200) -> int:
        """Tries as a driver does until all is sent; how often."""
        for tries in range(1, most + 1):
            if self.flush():
                return tries
            one_line(self.tracker.trouble)
        raise AssertionError(self.tracker.trouble)

    def refused(self, told: str) -> None:
        if not self.tracker.pending:
            self.trains()
        assert not self.flush()  # and the driver goes on
        assert told in one_line(self.tracker.trouble)


def _split(items: list[Any], at: int) -> tuple[list[Any], list[Any]]:
    return items[:at], items[at:]


def differences(one: Any, other: Any) -> list[Any]:
    """Run, what of it, and what only one of two views says."""
    return [
        (key, part, sorted(set(map(str, _items(here.get(part)))) ^ set(map(str, _items(there.get(part))))))
        for key, here, there in [(key, one.get(key, {}), other.get(key, {})) for key in {**one, **other}]
        for part in {**here, **there}
        if here.get(part) != there.get(part)
    ]


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else value if isinstance(value, list) else [value]


def one_line(text: str | None) -> str:
    assert text
    assert "\n" not in text
    assert not [word for word in FOREIGN if word in text]
    return text


def test_a_study_outlives_all_that_a_site_does_to_its_server(
    store: Any, site: Any, tmp_path: Path, fresh: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(tmp_path / "study", site.address)
    study.refused("nobody answers")  # before it was started
    with site:
        study.refused("its certificate is not trusted here")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.authority))
        study.refused("the server wants other credentials")
        tokens = Path(os.environ["ACTSWEEP_TOKENS"])
        tokens.write_text(f"# ours\nhttps://other.site old\n{site.address}/ {site.token}\n")
        study.refused("others can read the tokens in it; chmod 600")
        tokens.chmod(0o600)
        study.until_sent(1)
        assert "MLFLOW_TRACKING_USERNAME" not in os.environ
        # The login ends, and is renewed while the driver runs.
        site.token = "s3cret-renewed"
        study.refused("write a token into ~/.config/actsweep/tokens")
        tokens.write_text(f"{site.address} {site.token}\n")
        study.until_sent(1)
        for code, told in {429: "asked too often", 502: "error of its own", 503: "error of", 504: "error of"}.items():
            site.fault = lambda method, path, code=code: gateway.Fault(code=code)
            study.refused(told)
        site.fault = lambda method, path: gateway.Fault(code=403)
        study.refused("does not let this user in")
        # Each kind of request loses its first answer after the server did the work.
        lost: set[tuple[str, str]] = set()

        def loses(method: str, path: str) -> Any:
            kind = (method, path.partition("?")[0][:60])
            if method == "GET" or kind in lost:
                return None
            lost.add(kind)
            return gateway.Fault(after=True)

        site.fault = loses
        study.until_sent()
        assert {path.rpartition("/")[2] for _, path in lost} >= {"create", "log-batch", "update", "search"}
        site.fault = lambda method, path: None
        before, site.largest = len(site.asked), 3000
        study.trains()
        study.until_sent(1)
        sent = [[size for _, path, size in part if path.endswith("log-batch")] for part in _split(site.asked, before)]
        assert max(sent[0]) > 3000 >= max(sent[1])  # a fold's batch had more, and is cut
        site.largest = 10**9
        site.slow_s = 0.2
        # PostgreSQL goes away below the server and comes back; then both end without a chance to tidy up.
        database = Postgres(store.folder)
        database.stop()
        study.refused("")
        database.start()
        study.until_sent()
        server = MlflowServer(Home(store.folder), Home(store.folder).known())
        main_process = int((database.data / "postmaster.pid").read_text().split()[0])
        for pid in (main_process, *server.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while server.processes() or database.runs:
            time.sleep(0.05)
        study.refused("an error of its own")
        site.slow_s = 0.0
        state = lab.status(store.folder)
        assert not state.well
        assert [line.partition(";")[0] for line in state.lines] == [
            "PostgreSQL: does not run",
            "MLflow's server: does not run",
        ]
        lab.up(store.folder, {})
        assert lab.status(store.folder).well
        study.until_sent()
        assert study.tracker.close(), study.tracker.trouble
        assert differences(views.view(study.tracker), fresh(study.folder)) == []
        login.use(site.address)
        there, here = load.load(site.address, study.name), load.load(tmp_path / "fresh" / "study")
        assert there.cube.drop(columns="run_id").equals(here.cube.drop(columns="run_id"))


def test_whatever_fails_at_random_the_view_ends_whole(
    site: Any, tmp_path: Path, fresh: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(site.authority))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", site.token)
    dice = random.Random(0)
    faults = [gateway.Fault(), gateway.Fault(after=True), gateway.Fault(after=True), gateway.Fault(code=503)]

    met: list[str] = []

    def at_random(method: str, path: str) -> Any:
        if dice.random() > 0.12:
            return None
        met.append(path)
        return dice.choice(faults)

    site.fault, site.largest = at_random, 20_000
    with site:
        study = Study(tmp_path / "at-random", site.address)
        for _ in range(3):
            study.trains()
            study.flush()
        study.until_sent()
        while not study.tracker.close():
            study.until_sent()
        assert len(met) > 5
        site.fault = lambda method, path: None
        assert differences(views.view(study.tracker), fresh(study.folder)) == []


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["store", *map(str, words)])
    return result.exit_code, result.output


def asked(address: str, user: str = "", password: str = "") -> int:
    login = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()} if user else {}
    try:
        with urlopen(Request(f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0", headers=login)) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_a_store_is_started_once_and_shared_by_login(store: Any) -> None:
    place = Home(store.folder)
    address = f"http://127.0.0.1:{store.port}"
    first, second = store.said
    assert first == second
    said = "\n".join(first)
    assert f'tracking: {{uri: "{address}"}}' in said
    password = place.password("admin")
    assert password
    assert password not in said
    listening = MlflowServer(place, place.known()).processes()
    assert lab.up(store.folder, {}) == first  # what runs is left as it is
    assert MlflowServer(place, place.known()).processes() == listening
    assert (asked(address), asked(address, "admin", "wrong"), asked(address, "admin", password)) == (401, 401, 200)
    # A colleague's login.
    code, told = run("user", "anna", store.folder)
    assert code == 0, told
    theirs = place.password("anna")
    assert theirs
    assert theirs not in told
    assert asked(address, "anna", theirs) == 200
    code, told = run("user", "anna", store.folder)
    assert code == 2
    assert "there already" in told
    assert run("user", "anna", store.folder, "--reset")[0] == 0
    assert place.password("anna") != theirs
    assert asked(address, "anna", str(place.password("anna"))) == 200
    assert "admin\nanna\n" in "\n".join([lab.user(store.folder, None), ""])
    assert run("user", "anna", store.folder, "--remove")[0] == 0
    assert asked(address, "nobody", "x" * 20) == 401
    assert not place.login_file("anna").exists()
    assert "stays" in run("user", "admin", store.folder, "--remove")[1]
    # Nothing secret is in a log or in a process list.
    logs = [store.folder / mlflow_server.LOG, store.folder / "postgresql" / postgres.LOG]
    for secret in (password, theirs, place.forms_key()):
        assert not [log for log in logs if secret in log.read_text()]
        lists = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert secret not in lists
    # Another port: not while it runs.
    code, told = run("up", store.folder, "--port", store.port + 1)
    assert code == 2
    assert f"runs with port {store.port}; `actsweep store down" in told
    assert "its runs are in postgresql" in run("up", store.folder, "--sqlite")[1]


def test_the_histories_of_many_runs_come_in_one_answer(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ids and a metric's name of any length fit into an address; else each history is an answer of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", Home(store.folder).password("admin") or "")
    reader = stores.ClientStore(f"http://127.0.0.1:{store.port}")
    monkeypatch.setattr(reader._client, "get_metric_history", lambda *names: pytest.fail(f"asked for {names} alone"))
    assert list(reader.history([f"{number:032x}" for number in range(2 * stores.BULK_RUNS)], "m/" * 125)) == []


def test_a_study_whose_server_never_answers_ends_with_its_report(tmp_path: Path) -> None:
    study = tmp_path / "tiny.yaml"
    study.write_text(
        "name: tiny\ndata: {name: wine}\nmodel: {name: mlp}\ntraining: {epochs: 2}\nfolds: {folds: 2, repeats: 1}\n"
        'activations: [relu, silu]\ntracking: {uri: "http://127.0.0.1:9"}\ncluster: {profile: local}\n'
    )
    result = CliRunner().invoke(main, ["run", str(study), "--folder", str(tmp_path / "tiny")])
    assert result.exit_code == 0, result.output
    assert "MLflow is behind" in result.output
    assert "The report was made from the folder itself" in result.output
    assert "silu" in (tmp_path / "tiny" / "report" / "report.html").read_text()
