"""Trackers over copies of an empty store."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking.store import configure_mlflow, initialise
from sweeps.tracking.tracker import Tracker

configure_mlflow()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised MLflow file to copy: making one takes two seconds."""
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    initialise(database)
    return database


@pytest.fixture
def open_tracker(empty_store: Path) -> Iterator[Callable[..., Tracker]]:
    trackers: list[Tracker] = []

    def make(folder: Path, **options: Any) -> Tracker:
        if not (folder / "mlflow.db").exists():
            shutil.copy(empty_store, folder / "mlflow.db")
        trackers.append(Tracker(None, folder, **options))
        return trackers[-1]

    yield make
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for tracker in trackers:
        engine = SqlAlchemyStore._engine_map.pop(tracker.store.uri, None)
        if engine is not None:
            engine.dispose()
    gc.collect()
