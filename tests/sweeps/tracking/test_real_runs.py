"""What the store holds of small studies that were really trained, of three tasks, through MLflow's client."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import load as runs
from analysis.runs import schema
from slurm.jobs import Costs, JobReport, JobState
from sweeps.cli import reporting
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.study.reading import load
from sweeps.tracking.tracker import Tracker

pytestmark = pytest.mark.slow

CLASSES = """
name: classes
question: Does a learned APALU do better?
seed: 7
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, batch: 128, lr: 3e-3, patience: null}
folds: {folds: 2, repeats: 1, validation: 0.2}
search: {algorithm: random, samples: 2, folds: 1, select_on: validation/auc}
confirm: {repeats: 1}
activations: [relu, {activation: apalu, space: default}]
control: relu
"""
NUMBERS = """
name: numbers
seed: 7
task: {name: regression, scale_targets: false}
data: {name: curve, target: tanh}
model: {name: mlp, hidden: 4x8}
training: {epochs: 3, batch: 8, lr: 1e-2}
folds: {scheme: fixed, repeats: 2, validation: 0}
activations: [relu, prelu]
control: relu
"""
STUDIES = {"classes": CLASSES, "numbers": NUMBERS}


class Here:
    """A cluster whose jobs train in this process, and are over when they were submitted."""

    def __init__(self) -> None:
        self.costs = Costs()

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        from trainer import entry

        for text in texts:
            entry.run(text)
        return [f"{name}.{number}" for number in range(len(texts))]

    trouble = ""

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


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The folder of each study, driven to its end."""
    home, found = tmp_path_factory.mktemp("runs"), {}
    for name, text in STUDIES.items():
        path = found[name] = home / name
        session.make(load(text), path, ["actsweep", "run", f"studies/{name}.yaml", "--folder", str(path)])
        study = session.opened(path)
        driver = Driver(path, study, Here(), Tracker(None, path), Node(data_root=None, scratch=None, code=""))
        try:
            for _ in range(100):
                driver.tick()
                if driver.done:
                    break
        finally:
            driver.close()
        assert (driver.done, driver.tracker.trouble, driver.tracker.pending) == (True, None, 0), name
    yield found


def kinds(folder: Path) -> dict[str, list[Any]]:
    """The active runs by their kind, sorted by their keys."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string=f"tags.`{schema.STUDY}` = '{folder.name}'")
    found: dict[str, list[Any]] = {"experiment": [experiment], "study": [], "trial": [], "fold": []}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        found[run.data.tags[schema.KIND]].append(run)
    return {
        kind: sorted(each, key=lambda one: one.tags[schema.KEY] if kind == "x" else 0) for kind, each in found.items()
    }


def test_time(ran: dict[str, Path]) -> None:
    for name, folder in ran.items():
        found = kinds(folder)
        print(name, {k: len(v) for k, v in found.items()})
        for kind in ("study", "trial", "fold"):
            run = found[kind][0]
            print(
                kind,
                run.info.run_name,
                sorted(run.data.metrics),
                run.data.params,
                [
                    (d.dataset.name, d.dataset.digest, d.dataset.profile, d.dataset.source)
                    for d in run.inputs.dataset_inputs
                ],
            )
