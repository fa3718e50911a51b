"""What the tests of sweeps share: empty MLflow files to copy, a cluster whose jobs are over at once, and children that
begin where this process is."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from slurm.jobs import Costs, JobReport, JobState
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


class AtOnce:
    """A cluster whose jobs do what they are given in this process, and are over when they were submitted."""

    trouble = ""

    def __init__(self, work: Callable[[str], object]) -> None:
        self.costs = Costs()
        self._work = work

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        for text in texts:
            self._work(text)
        return [f"{name}.{number}" for number in range(len(texts))]

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return {}

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        return {job: JobReport(job=job, state=JobState.FINISHED) for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        pass

    def room(self, active: int) -> int:
        return 1000

    def release(self) -> None:
        pass


@pytest.fixture(scope="session")
def at_once() -> Callable[[Callable[[str], object]], AtOnce]:
    """Makes a cluster whose jobs are over when they were submitted, of what a job does with its text."""
    return AtOnce


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
