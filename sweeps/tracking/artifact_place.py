"""Artifacts of a store that is one SQLite file lie beside it, and MLflow keeps where as absolute addresses: after the
file was moved or copied they name the old folder. Here they are made to name the folder that the file lies in now.

One transaction, so that a process that is killed changed all of them or none; a UI that is open on the file goes on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from analysis.runs import schema
from sweeps.tracking.store import ARTIFACTS, BUSY_S

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns that MLflow keeps absolute addresses in, where a version of it has them."""


def settle(database: Path) -> None:
    """Where the file holds an experiment of ours whose artifacts are said to lie beside another file, everything below
    that folder is said to lie beside this one. Other addresses stay. Raises sqlite3.Error."""
    here = (database.parent / ARTIFACTS).as_uri()
    uri = f"file:{quote(str(database))}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)) as connection:
        if not _elsewhere(connection, here):
            return
        connection.execute("BEGIN IMMEDIATE")
        for old in _elsewhere(connection, here):
            for table, column in _PLACES:
                if any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})")):
                    moved = (
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  # names of this file
                        f"WHERE substr({column} || '/', 1, ?) = ?"
                    )
                    connection.execute(moved, (here, len(old) + 1, len(old) + 1, old + "/"))
        connection.execute("COMMIT")


def forget() -> None:
    """Drops what MLflow's client remembers, by the run's id alone, of where artifacts are: a folder and its copy have
    runs of one id."""
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).clear()


def _elsewhere(connection: sqlite3.Connection, here: str) -> list[str]:
    asked = (
        "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location != ? AND experiment_id IN "
        "(SELECT experiment_id FROM experiment_tags WHERE key = ?)"
    )
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiment_tags'").fetchone():
        return []  # nothing of MLflow's is in it yet
    found = [str(row[0]) for row in connection.execute(asked, (here, schema.STUDY_DIGEST))]
    return [old for old in found if old.startswith("file:") and old.endswith("/" + ARTIFACTS)]
