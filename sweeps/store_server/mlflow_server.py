"""MLflow's server of a store for a lab: its web application under gunicorn, which has no assistant that runs shell
commands, with the artifacts of all studies in the store's folder and a login for each person.

Its processes are found by a variable of their environment, not by a number in a file: that survives a crash, a reboot
and numbers that are given again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import psutil

from analysis.runs import store_words
from slurm import processes
from sweeps.errors import StoreError, TrackingError
from sweeps.folder.secrets import redact
from sweeps.store_server.home import ADMIN, ARTIFACTS, EVERYWHERE, LOCAL, SECRETS, Home, Settings
from sweeps.store_server.postgres import RUNS, USERS, Postgres
from sweeps.tracking.store import configure_mlflow

LOG, LOGIN = "mlflow-server.log", "login.ini"
VARIABLE = "ACTSWEEP_STORE"
WORKERS, THREADS = 2, 8
START_TIMEOUT_S, STOP_TIMEOUT_S = 180.0, 20.0
REMEMBERED_S = 30
"""How long each of the server's processes goes on taking a password that it has checked."""
_LISTENS, _TAKEN = "Listening at: ", "Connection in use: "
_NO_SUCH_HOST = re.compile(r"Invalid address|gaierror|Cannot assign requested address|Name or service not known")


@dataclass(frozen=True)
class MlflowServer:
    home: Home
    settings: Settings

    @property
    def log(self) -> Path:
        return self.home.folder / LOG

    def processes(self) -> list[int]:
        """Numbers of its processes that run: MLflow's, gunicorn's and its workers."""
        found = processes.with_variable(VARIABLE, str(self.home.folder))
        return [pid for pid in found if pid != os.getpid() and processes.identify(pid) is not None]

    @property
    def runs(self) -> bool:
        """Whether one of its processes listens on its port; anything else may answer there, and is not it."""
        for pid in self.processes():
            with contextlib.suppress(psutil.Error, OSError):
                connections = psutil.Process(pid).net_connections("tcp")
                if any(
                    one.status == psutil.CONN_LISTEN and one.laddr.port == self.settings.port for one in connections
                ):
                    return True
        return False

    @property
    def address(self) -> str:
        """What others call it by."""
        host = self.settings.host
        if host in EVERYWHERE:
            host = next(iter(self.settings.names), socket.getfqdn())
        elif host not in LOCAL and self.settings.names:
            host = self.settings.names[0]
        return f"{self.settings.scheme}://{_in_url(host)}:{self.settings.port}"

    # -- its life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Does nothing where it runs. What is left of one that crashed is ended first. Raises :class:`TrackingError`
        for a port in use and a server that does not start."""
        if self.runs:
            return
        self.stop()
        if self.settings.login and find_spec("flask_wtf") is None:
            raise TrackingError(
                "MLflow's login needs Flask-WTF: pip install 'actsweep[store]', or give --no-login (this machine only)"
            )
        self._free()
        command = self.command()
        # It outlives this process, so nobody here waits for its end: no Popen.
        to_log = (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        files = [nothing, to_log, (os.POSIX_SPAWN_DUP2, 1, 2)]
        pid = os.posix_spawn(command[0], command, self.environment(), file_actions=files, setsid=True)
        try:
            self._wait(pid)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it with its workers; nothing where none runs."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + STOP_TIMEOUT_S
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.processes():
                if time.monotonic() > until:
                    break
                time.sleep(0.1)
            else:
                return

    def command(self) -> list[str]:
        """Its command line; a process list is public, so nothing secret is in it."""
        tls = [f"--certfile={self.settings.certificate}", f"--keyfile={self.settings.key}"]
        options = [
            *("--threads", str(THREADS), "--timeout", "120"),
            *(["--no-control-socket"] if find_spec("gunicorn.ctl") else []),
            *(tls if self.settings.certificate else []),
        ]
        return [
            *(sys.executable, "-P", "-m", "mlflow", "server"),
            *("--host", _in_url(self.settings.host), "--port", str(self.settings.port), "--workers", str(WORKERS)),
            *("--gunicorn-opts", shlex.join(options)),
            *(["--app-name", "basic-auth"] if self.settings.login else []),
        ]

    def environment(self) -> dict[str, str]:
        """Its environment: this process's without what that says of other stores, with its own databases, artifacts
        and names."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        variables = configure_mlflow(kept)
        variables[VARIABLE] = str(self.home.folder)
        variables["MLFLOW_BACKEND_STORE_URI"] = self.database(RUNS)
        variables["MLFLOW_SERVE_ARTIFACTS"] = "true"
        variables["MLFLOW_ARTIFACTS_DESTINATION"] = (self.home.folder / ARTIFACTS).as_uri()
        port = self.settings.port
        names = self._names()
        variables["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(
            sorted({name for host in names for name in (host, f"{host}:{port}")})
        )
        variables["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(
            f"{self.settings.scheme}://{n}:{port}" for n in names
        )
        variables["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        variables["PYTHONSAFEPATH"] = "1"
        if self.settings.login:
            variables["MLFLOW_AUTH_CONFIG_PATH"] = str(self._login_file())
            variables["MLFLOW_FLASK_SERVER_SECRET_KEY"] = self.home.forms_key()
            variables["MLFLOW_AUTH_ADMIN_USERNAME"] = ADMIN
            variables["MLFLOW_AUTH_ADMIN_PASSWORD"] = self.home.password(ADMIN) or self.home.new_login(ADMIN)
        return variables

    def database(self, name: str) -> str:
        """The URI of one of its databases; has no secret."""
        if self.settings.database == "sqlite":
            return f"sqlite:///{self.home.folder / name}.db"
        return Postgres(self.home.folder).uri(name)

    def _login_file(self) -> Path:
        """What MLflow's login reads: who is new may read every study, and change his own."""
        path = self.home.folder / SECRETS / LOGIN
        path.write_text(
            "[mlflow]\ndefault_permission = READ\nauthorization_function = "
            "mlflow.server.auth:authenticate_request_basic_auth\n"
            f"database_uri = {self.database(USERS).replace('%', '%%')}\nauth_cache_ttl_seconds = {REMEMBERED_S}\n",
            encoding="utf-8",
        )
        return path

    def _names(self) -> list[str]:
        names = {"localhost", "127.0.0.1", "[::1]", *self.settings.names}
        if self.settings.host in EVERYWHERE:
            names |= {socket.gethostname(), socket.getfqdn()}
            found = (one.address for each in psutil.net_if_addrs().values() for one in each)
            names |= {_in_url(one) for one in found if re.fullmatch(r"\d+(\.\d+){3}|[0-9a-f:]+:[0-9a-f]+", one)}
        else:
            names.add(_in_url(self.settings.host))
        return sorted(names)

    def _free(self) -> None:
        """Raises :class:`TrackingError` where the port is taken: by whom is not known here."""
        host, port = self.settings.host, self.settings.port
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except socket.gaierror as error:
                raise StoreError(f"--host {host}: no address of this machine ({error.strerror})") from error
            except OSError as error:
                raise TrackingError(
                    f"MLflow's server cannot listen on {_in_url(host)}:{port} ({error.strerror}); name another --port"
                ) from error

    def _wait(self, pid: int) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            ended = processes.identify(pid) is None
            said = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
            if _TAKEN in said:
                raise TrackingError(f"MLflow's server: port {self.settings.port} is in use; name another --port")
            if ended:
                raise TrackingError(f"MLflow's server ended at its start: {self._tail(said)}")
            if _LISTENS in said and self.runs and self.trouble() is None:
                return
            time.sleep(0.2)
        why = self.trouble() or self._tail(self.log.read_text(encoding="utf-8", errors="replace"))
        raise TrackingError(f"MLflow's server did not answer on {self.address} in {START_TIMEOUT_S:.0f} s: {why}")

    def _tail(self, said: str) -> str:
        known = store_words.known(said)
        words = f"{known.what}; {known.remedy}" if known else (said.strip().splitlines() or ["it said nothing"])[-1]
        return f"{redact(words)} (whole log: {self.log})"

    # -- asked ---------------------------------------------------------------------------------------------------------

    def trouble(self) -> str | None:
        """What keeps it from answering from its database, in words; None when all is well. Ask where it ``runs``: the
        administrator's password goes to whoever listens there."""
        try:
            self._ask("/api/2.0/mlflow/experiments/get?experiment_id=0")
        except HTTPError as error:
            said = error.read().decode(errors="replace")
            if error.code == 401:
                file = self.home.login_file(ADMIN)
                return f"it does not take what {file} says; `actsweep store user {ADMIN} --reset` makes it anew"
            if error.code == 404 and "RESOURCE_DOES_NOT_EXIST" in said:
                return None  # somebody removed the experiment for good: that, too, is known from the database
            found = store_words.known(said)
            return f"it answers {error.code}: {found.what if found else store_words.short(ValueError(said))}"
        except (URLError, OSError, ValueError) as error:
            found = store_words.failure(error)
            return found.what
        return None

    def _ask(self, path: str) -> Any:
        host = dict(zip(EVERYWHERE, LOCAL[:2], strict=True)).get(self.settings.host, self.settings.host)
        headers = {}
        password = self.home.password(ADMIN)
        if self.settings.login and password:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{ADMIN}:{password}".encode()).decode()
        unverified = ssl.create_default_context()  # our own process was seen to listen there
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=unverified))
        address = f"{self.settings.scheme}://{_in_url(host)}:{self.settings.port}{path}"
        with opener.open(Request(address, headers=headers), timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read())


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
