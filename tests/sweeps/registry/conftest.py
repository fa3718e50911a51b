"""Small studies that are trained in this process, and registered: the weights are real."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest

from slurm.jobs import JobReport, JobState
from sweeps.driver import session
from sweeps.folder import place
from sweeps.stand_in import StandIn
from sweeps.study.reading import load
from trainer import entry

STUDY = (Path(__file__).parent / "kept.yaml").read_text(encoding="utf-8")


class Inline(StandIn):
    """Trains each pack for real, in this process, at its submission."""

    def __init__(self) -> None:
        super().__init__(100)

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        for text in texts:
            entry.run(text)
        return [f"{name}-{index}" for index in range(len(texts))]

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        return {job: JobReport(job=job, state=JobState.FINISHED, node="here") for job in jobs}


def train(text: str, folder: Path) -> Path:
    """The study in ``folder``, trained to its end and in its store."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".yaml")
    file.write_text(text, encoding="utf-8")
    session.make(load(file), folder, ["test"])
    drive(folder)
    return folder


def drive(folder: Path, *, again: bool = False) -> None:
    with session.driving(folder, cluster=Inline()) as driver:
        if again:
            driver.retry_failed()
        for _ in range(20):
            driver.tick()
            if driver.done:
                break
        assert driver.done
    session.sync(folder)


@pytest.fixture(scope="session")
def trains() -> Callable[[str, Path], Path]:
    return train


@pytest.fixture
def drives() -> Callable[..., None]:
    return drive


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, to be copied and not changed."""
    return train(STUDY, tmp_path_factory.mktemp("trained") / "kept")


@pytest.fixture
def kept(trained: Path, tmp_path: Path) -> Path:
    """A finished study that kept its weights, moved to a place of its own."""
    shutil.copytree(trained, tmp_path / "runs" / "kept")
    place.settle(tmp_path / "runs" / "kept")
    return tmp_path / "runs" / "kept"
