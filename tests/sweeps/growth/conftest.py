"""Studies that grow, on a cluster that pretends to train at once, in this process: the same training gives the same
numbers, whatever study and trial it is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray.tune  # noqa: F401  # leaves its marks on the process: before any test, not in one

from slurm.jobs import Cluster
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.study.reading import load
from trainer.codec import from_text
from trainer.journal import read_fold
from trainer.spec import FoldSpec
from trainer.testing import pretended

Drive = Callable[..., Driver]
Trainings = Callable[[Path], dict[str, object]]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch, at_once: Callable[..., Cluster]) -> Drive:
    """Makes a study's folder from a text or file, unless it is there, and drives it to its end; the closed driver."""
    value = pretended.value

    def of_training(spec: FoldSpec, epoch: int) -> float:
        return value(SimpleNamespace(digest=spec.training_digest), epoch)  # type: ignore[arg-type]

    monkeypatch.setattr(pretended, "value", of_training)

    def driven(path: Path, text: str | Path = "", *, code: str = "") -> Driver:
        if text:
            session.make(load(text), path, ["test"])
        node = Node(data_root=None, scratch=None, code=code)
        driver = Driver(path, session.opened(path), at_once(pretended.pretend), None, node)
        try:
            for _ in range(200):
                driver.tick()
                if driver.done:
                    return driver
        finally:
            driver.close()
        raise AssertionError(f"{path} did not come to its end")

    return driven


@pytest.fixture
def trainings() -> Trainings:
    """What a folder's folds came to, by phase, activation and training, without the names of trials: the same for a
    study that grew and for one that was declared so from the start."""

    def found(path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        for file in sorted((path / "trials").glob("*/fold-*/spec.json")):
            spec, history = from_text(FoldSpec, file.read_text()), read_fold(file.parent)
            assert history is not None
            assert history.end is not None, file
            label = spec.trial.rpartition("-")[0]
            key = f"{spec.phase} {label} {spec.repeat} {spec.fold} {spec.training_digest}"
            epochs = [(epoch.epoch, dict(epoch.metrics)) for epoch in history.epochs]
            result[key] = (epochs, history.end.status, dict(history.end.outcomes))
        return result

    return found
