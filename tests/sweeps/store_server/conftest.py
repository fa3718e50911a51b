"""One store for a lab, as `actsweep store up` starts it, for all tests that need a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeps.store_server import lab, postgres
from sweeps.tracking.store import configure_mlflow

configure_mlflow()
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
TRUST = ("REQUESTS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Lab:
    folder: Path
    port: int
    said: list[list[str]]
    """What each of two that started it at once said."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder whose path every user may enter: PostgreSQL, started by root, runs as another one."""
    path = Path(tempfile.mkdtemp(prefix="as-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def store() -> Iterator[Lab]:
    if not postgres.installed():
        pytest.skip("PostgreSQL is not installed")
    path = Path(tempfile.mkdtemp(prefix="as-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    path.chmod(0o755)
    port, said, errors = free_port(), [], []

    def start() -> None:
        try:
            said.append(lab.up(path / "a store", {"port": port}))
        except BaseException as error:
            errors.append(error)

    both = [threading.Thread(target=start) for _ in range(2)]
    try:
        for one in both:
            one.start()
        for one in both:
            one.join()
        if errors:
            raise errors[0]
        yield Lab(path / "a store", port, said)
    finally:
        with contextlib.suppress(Exception):
            lab.down(path / "a store")
        shutil.rmtree(path)


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """No login and no authority of whoever runs the tests."""
    for name in (*LOGIN, *TRUST):
        monkeypatch.setenv(name, "x")  # so that whatever is set meanwhile is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("ACTSWEEP_TOKENS", str(tmp_path / "tokens"))
    monkeypatch.setenv("HOME", str(tmp_path))
