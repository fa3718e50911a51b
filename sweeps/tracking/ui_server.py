"""The MLflow UI of one study: a server process of its own, on this machine only.

MLflow's default server also answers for its AI assistant, which runs shell commands for whoever reaches it from the
same machine: on a login node that is every user. The server started here is MLflow's plain web application under
gunicorn, which has no assistant, and it answers to the names of this machine only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from analysis.runs import store_words
from sweeps.errors import TrackingError
from sweeps.folder.secrets import redact
from sweeps.tracking import artifact_place, pages
from sweeps.tracking.pages import LIST, Page
from sweeps.tracking.store import Store, ask, configure_mlflow, initialise, locate, words

LOG = "mlflow-ui.log"
FIRST_PORT = 5000
_LISTENS, _TAKEN = "Listening at: ", "Connection in use: "
"""What gunicorn writes where it got the port, and where another process has it."""
START_TIMEOUT_S = 120.0
"""MLflow's server takes seconds to import, minutes on a busy login node's file system."""


@dataclass(frozen=True)
class Ui:
    """A UI that answers; as a context, stopped on the way out. ``process`` is None where the study tracks on a server
    that runs anyway."""

    address: str
    """Of the server itself."""
    pages: tuple[Page, ...] = ()
    """Those of what it was asked for, the one to open first."""
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    @property
    def url(self) -> str:
        """What to open: the first page, or the list of all experiments where the store has nothing of ours."""
        if self.pages:
            return self.at(self.pages[0])
        return self.address + LIST if self.process is not None else self.address

    def at(self, page: Page) -> str:
        """The whole address of a page."""
        return self.address + page.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Until the server ends; not at all for one that runs anyway."""
        if self.process is not None:
            self.process.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends the server with its workers. Safe to call twice."""
        if self.process is None:
            return
        # The process leads a group of its own: workers that outlive it are found there.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)


def ui(
    study_folder: Path,
    uri: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    timeout_s: float = START_TIMEOUT_S,
    studies: Sequence[Path] = (),
) -> Ui:
    """Starts the UI of the study's store and returns once it answers. Prints nothing; the server's own words go to
    ``mlflow-ui.log`` in the study folder.

    ``uri``: the study's ``tracking.uri``, None for the embedded store. ``port`` None takes the first free one from 5000
    on. ``studies``: the study folders whose runs are shown beside each other, of a suite; none: that of the study
    folder. Raises :class:`TrackingError` for a port in use and for a server that does not start.
    """
    store = locate(uri, study_folder)
    if store.uri.startswith("http"):
        return Ui(redact(store.uri), tuple(_pages(store, study_folder, studies)))
    if store.database is not None and not store.database.exists():
        initialise(store.database)
    if store.database is not None:
        try:
            ask(store.database)
            artifact_place.settle(store.database)
        except sqlite3.Error as error:
            raise TrackingError(words(store, error)) from error
    found = _pages(store, study_folder, studies)
    return serve(store, study_folder / LOG, found, host=host, port=port, timeout_s=timeout_s)


def _pages(store: Store, study_folder: Path, studies: Sequence[Path]) -> list[Page]:
    if not studies:
        return pages.of_study(store, study_folder)
    return [*pages.of_studies(store, {path.name: path for path in studies}), *pages.beside(store, studies)]


def serve(
    store: Store,
    log: Path,
    found: Sequence[Page],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    timeout_s: float = START_TIMEOUT_S,
) -> Ui:
    """Starts the UI of a store that is there, with these pages; otherwise as :func:`ui`."""
    while (served := _start(store, log, host, _port(host, port), found, timeout_s)) is None:
        pass  # another server took the port between our look at it and our server's
    return served


def _start(store: Store, log: Path, host: str, port: int, found: Sequence[Page], timeout_s: float) -> Ui | None:
    """A server that answers on this port; None where another one took it first."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(host, port),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(store, host, port),
            start_new_session=True,
        )
    served = Ui(f"http://{_in_url(host)}:{port}", tuple(found), process, log)
    try:
        if _wait(served, timeout_s):
            return served
    except BaseException:
        served.stop()
        raise
    served.stop()
    return None


def command(host: str, port: int) -> list[str]:
    """The server's command line. The store's URI is not in it: a process list is public, and a database's URI may carry
    a password."""
    options = "--threads 8 --graceful-timeout 2"  # an open browser keeps connections, and would delay Ctrl-C
    if find_spec("gunicorn.ctl"):
        options += " --no-control-socket"
    return [
        sys.executable,
        "-P",
        *("-m", "mlflow", "server"),
        *("--host", host, "--port", str(port), "--workers", "1"),
        *(
            "--gunicorn-opts",
            "--threads 8 --graceful-timeout 2" + (" --no-control-socket" if find_spec("gunicorn.ctl") else ""),
        ),
    ]


def environment(store: Store, host: str, port: int) -> dict[str, str]:
    """The server's environment: this process's, with the store, the names it answers to, and no telemetry."""
    variables = configure_mlflow(dict(os.environ))
    variables["MLFLOW_BACKEND_STORE_URI"] = store.uri
    if store.artifacts is not None:
        variables["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = store.artifacts
        variables["MLFLOW_ARTIFACTS_DESTINATION"] = store.artifacts
    names = {host, f"{_in_url(host)}:{port}", f"localhost:{port}", f"127.0.0.1:{port}"}
    variables["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(sorted(names))
    variables["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # a queue and its workers, for what a study has no use
    variables["PYTHONSAFEPATH"] = "1"  # -P for the workers: a folder named slurm in the current one is not ours
    variables.pop("MLFLOW_TRACKING_URI", None)
    return variables


def _port(host: str, wanted: int | None) -> int:
    for candidate in [wanted] if wanted is not None else [*range(FIRST_PORT, FIRST_PORT + 100), 0]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError as error:
                if wanted is not None or candidate == 0:
                    raise TrackingError(
                        f"the MLflow UI cannot listen on {host}:{candidate} ({error.strerror}); "
                        "name another port, or none to take a free one"
                    ) from error
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("port 0 is always tried")


def _wait(served: Ui, timeout_s: float) -> bool:
    """Until it answers; False where the port is another server's, whose answer is not ours."""
    assert served.process is not None
    assert served.log is not None
    until = time.monotonic() + timeout_s
    opener = build_opener(ProxyHandler({}))  # a proxy of the site's has no business between us and ourselves
    while time.monotonic() < until:
        said = served.log.read_text(encoding="utf-8", errors="replace")
        if _TAKEN in said:
            return False
        if served.process.poll() is not None:
            raise TrackingError(
                f"the MLflow server ended at its start (exit {served.process.returncode}): {_tail(served)}"
            )
        if _LISTENS in said:
            with contextlib.suppress(URLError, OSError), opener.open(f"{served.address}/health", timeout=5) as answer:
                if answer.status == 200:
                    return True
        time.sleep(0.2)
    raise TrackingError(f"the MLflow server did not answer on {served.address} in {timeout_s:.0f} s: {_tail(served)}")


def _tail(served: Ui) -> str:
    assert served.log is not None
    text = served.log.read_text(encoding="utf-8", errors="replace").strip()
    known = store_words.known(text)
    said = f"{known.what}; {known.remedy}" if known else (text.splitlines() or ["it said nothing"])[-1]
    return f"{redact(said)} (whole log: {served.log})"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
