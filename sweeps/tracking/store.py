"""Where a study's MLflow store is, and how this process behaves towards it.

The embedded default is one SQLite file and a folder of artifacts inside the study folder. A server's credentials
belong into ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD`` (or ``MLFLOW_TRACKING_TOKEN``); those in a URI
are moved there, so that no message of MLflow's can carry them. MLflow itself is imported on first use only.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from analysis.runs import store_words
from sweeps.errors import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
from sweeps.folder.secrets import redact
from sweeps.tracking import login

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
# MLflow's defaults retry a dead server for minutes inside one call. The tracker comes back by itself, and a request
# that is never repeated blindly never creates a run twice.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
BUSY_S = 5.0
"""How long another process may hold the embedded store before it counts as locked."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """An MLflow store; ``uri`` has no credentials when it is a server's."""

    uri: str
    artifacts: str | None
    """Artifact location for a new experiment; None leaves it to the server."""
    database: Path | None
    """The SQLite file of the embedded store."""


def configure_mlflow(environment: dict[str, str] | None = None) -> dict[str, str]:
    """Switches MLflow's telemetry off and bounds its requests; the user's own settings of the latter stay.

    Works on this process's environment unless given another (for a child). Call it before MLflow is imported; where it
    already was, its telemetry client is stopped.
    """
    target = os.environ if environment is None else environment
    target["MLFLOW_DISABLE_TELEMETRY"] = "true"
    target["DO_NOT_TRACK"] = "true"
    for name, value in _SETTINGS.items():
        target.setdefault(name, value)
    if environment is None and "mlflow.telemetry" in sys.modules:
        sys.modules["mlflow.telemetry"].set_telemetry_client()
    return dict(target)


def locate(uri: str | None, study_folder: Path) -> Store:
    """The study's store: the embedded one for no URI; a relative SQLite file is taken from the study's folder.
    Credentials in a server's URI move to MLflow's own environment variables. Raises :class:`TrackingError` for a file
    store, a URI that is none, or a path that no URI can have."""
    if uri is None:
        return _sqlite(study_folder.resolve() / DATABASE)
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        if "@" in parts.netloc:
            os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username or ""))
            os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
        clean = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return Store(uri=clean.rstrip("/"), artifacts=None, database=None)
    if parts.scheme == "sqlite" and parts.path:
        return _sqlite((study_folder / uri.removeprefix("sqlite:///")).resolve())
    if re.match(r"(postgresql|mysql|mssql)(\+\w+)?$", parts.scheme):
        return Store(uri=uri, artifacts=(study_folder.resolve() / ARTIFACTS).as_uri(), database=None)
    raise TrackingError(
        f"tracking uri: got {redact(uri)!r}, accepts null (the store in the study folder), sqlite:///FILE, "
        "postgresql://..., mysql://..., mssql://... or the http(s) address of an MLflow server; plain folders are no "
        "longer a store for MLflow"
    )


def _sqlite(database: Path) -> Store:
    if found := next((sign for sign in "?#%" if sign in str(database)), None):
        raise TrackingError(
            f"{database.parent}: MLflow cannot address a SQLite file in a path with {found}; choose another folder, or "
            "set tracking: {uri: sqlite:///FILE} in the study"
        )
    return Store(uri=f"sqlite:///{database}", artifacts=(database.parent / ARTIFACTS).as_uri(), database=database)


def connect(store: Store) -> MlflowClient:
    """A client of the store, made first where it is a SQLite file that does not exist."""
    configure_mlflow()
    from mlflow import MlflowClient  # heavy, and reads the settings above

    store_words.silence()
    store_words.hurry()
    login.use(store.uri)
    if store.database is not None:
        if not store.database.exists():
            initialise(store.database)
        ask(store.database)
    return MlflowClient(tracking_uri=store.uri)


def ask(database: Path) -> None:
    """Whether the file is a database that can be written now; MLflow would ask for long. Raises sqlite3.Error."""
    if not database.exists():
        raise sqlite3.OperationalError("the file is gone")
    uri = f"file:{quote(str(database))}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def leave(store: Store) -> None:
    """Closes what MLflow keeps open of a store that is a file, which may be another one when it is asked for again."""
    if store.database is not None and (module := sys.modules.get("mlflow.store.tracking.sqlalchemy_store")):
        engine = module.SqlAlchemyStore._engine_map.get(store.uri)
        if engine is not None:
            engine.dispose()


def initialise(database: Path) -> None:
    """Creates an MLflow SQLite file, whole or not at all, safe with any number of processes at once.

    MLflow migrates an empty file in place, and processes that meet there break each other. Here each makes a file
    of its own aside; the first to link it under the final name wins, the others drop theirs. The disk is waited for
    once, for the whole file, and not in each of its thousand steps.
    """
    configure_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store_words.silence()
    store_words.hurry()
    database.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=".mlflow-") as name:
        aside = Path(name) / DATABASE
        with _unsynced():
            made = SqlAlchemyStore(f"sqlite:///{aside}", (database.parent / ARTIFACTS).as_uri())
            made.engine.dispose()
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(aside, database)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if not database.exists():
                aside.rename(database)


@contextlib.contextmanager
def _unsynced() -> Iterator[None]:
    """SQLite connections that are opened meanwhile do not wait for the disk."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def opened(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", opened)
    try:
        yield
    finally:
        event.remove(Engine, "connect", opened)


def words(store: Store, error: Exception) -> str:
    """A failure of the store in one line: where, what, and what to do."""
    what, remedy, anew = store_words.failure(error)
    then = "`actsweep sync` catches up"
    if anew and store.database is not None:
        remedy, then = f"delete {store.database}", "`actsweep sync` builds it anew"
    remedy = f"{redact(remedy)}, and {then}" if remedy else then
    return f"MLflow store {redact(store.uri)}: {redact(what)}; the journals keep everything: {remedy}"
