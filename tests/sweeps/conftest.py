"""What the tests of sweeps share: empty MLflow files to copy, and children that begin where this process is."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeps.tracking import store, ui_server


@pytest.fixture(scope="session", autouse=True)
def _one_new_store_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The first MLflow file that the product makes in this process is copied wherever it makes one afterwards: they
    are alike, and each takes a second of CPU. ``tracking/test_store.py`` and ``test_tracker.py`` make their own."""
    kept, make = tmp_path_factory.mktemp("store") / "mlflow.db", store.initialise

    def initialise(database: Path) -> None:
        if not kept.exists():
            make(kept)
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists():
            shutil.copy(kept, database)

    with pytest.MonkeyPatch.context() as patch:
        for module in (store, ui_server):  # all that know it by name: loaded here, before it is another
            patch.setattr(module, "initialise", initialise)
        yield


@pytest.fixture
def fork() -> Callable[[Callable[[], object]], int]:
    """Begins a child of this process, in which all is loaded that is loaded here, and gives its pid. It does what it is
    given and ends with 0, or with 1 where that raises."""

    def begin(work: Callable[[], object]) -> int:
        if child := os.fork():
            return child
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)

    return begin
