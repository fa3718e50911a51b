"""What the store holds of small studies that were really trained, of three tasks, through MLflow's client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import load as runs
from analysis.runs import schema
from slurm.jobs import Cluster
from sweeps.cli import reporting
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.study.reading import load
from sweeps.tracking import experiment
from sweeps.tracking.run_values import NOTE
from sweeps.tracking.tracker import Tracker
from trainer.journal import read_fold

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


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, at_once: Callable[..., Cluster]) -> dict[str, Path]:
    """The folder of each study, driven to its end."""
    from trainer import entry

    home, found = tmp_path_factory.mktemp("runs"), {}
    for name, text in STUDIES.items():
        path = found[name] = home / name
        session.make(load(text), path, ["actsweep", "run", f"studies/{name}.yaml", "--folder", str(path)])
        tracker = Tracker(None, path)
        driver = Driver(
            path, session.opened(path), at_once(entry.run), tracker, Node(data_root=None, scratch=None, code="")
        )
        try:
            for _ in range(100):
                driver.tick()
                if driver.done:
                    break
        finally:
            driver.close()
        assert (driver.done, tracker.trouble, tracker.pending) == (True, None, 0), name
    return found


def store(folder: Path) -> dict[str, list[Any]]:
    """The active runs by kind, and the experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string=f"tags.`{schema.STUDY}` = '{folder.name}'")
    found: dict[str, list[Any]] = {"experiment": [experiment], "study": [], "trial": [], "fold": []}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        found[run.data.tags[schema.KIND]].append(run)
    return found


def shown(run: Any) -> set[str]:
    return {name for name in run.data.metrics if not name.startswith(schema.DETAIL)}


def test_runs_of_a_searched_study_say_what_they_are(ran: dict[str, Path]) -> None:
    found = store(ran["classes"])
    assert all(run.info.status == "FINISHED" for kind in ("study", "trial", "fold") for run in found[kind])
    names = ("loss", "accuracy", "f1_weighted", "f1_macro", "auc")
    heldout = {f"heldout/{name}" for name in names}
    for run in found["fold"]:
        learned = {f"activation/{layer}/{name}" for layer in (2, 5) for name in "ab"}
        curves = {f"{part}/{name}" for part in ("train", "validation") for name in ("loss", "accuracy", "auc")}
        apalu = run.data.tags[schema.ACTIVATION] == "apalu"
        assert shown(run) == heldout | curves | (learned if apalu else set())
        assert [(one.dataset.name, one.tags[0].value) for one in run.inputs.dataset_inputs] == [
            ("digits", "training"),
            ("digits held out", "eval"),
        ]
        tags = run.data.tags
        assert tags[schema.DATA_DIGEST].startswith(run.inputs.dataset_inputs[0].dataset.digest)
        assert tags[schema.SPLIT_HASH].startswith(run.inputs.dataset_inputs[1].dataset.digest)
        profile = json.loads(run.inputs.dataset_inputs[1].dataset.profile)
        assert profile == {"num_rows": int(tags[schema.N_HELDOUT])}
    for run in found["trial"]:
        confirmed = run.data.tags[schema.PHASE] == "confirm"
        selected = {"mean/validation/auc", *(["sd/validation/auc"] if confirmed else [])}
        spread = {f"sd/{name}" for name in heldout} if confirmed else set()
        assert shown(run) == {f"mean/{name}" for name in heldout} | spread | selected | {"seconds/epoch"}
        assert (run.data.params["training.epochs"], run.data.params["training.batch"]) == ("2", "128")
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["digits"]
    (study,) = found["study"]
    assert shown(study) == {"folds/done", "control/mean/heldout/accuracy", "control/sd/heldout/accuracy"}
    control = next(run for run in found["trial"] if run.info.run_name == "relu · c000")
    assert study.data.metrics["control/mean/heldout/accuracy"] == control.data.metrics["mean/heldout/accuracy"]
    assert study.data.metrics["folds/done"] == len(found["fold"])
    assert study.data.params.items() >= {"task": "classification", "data": "digits", "seed": "7"}.items()
    for kind in ("study", "trial", "fold"):
        assert {run.data.tags["mlflow.source.name"] for run in found[kind]} == {"studies/classes.yaml"}


def test_runs_of_numbers_without_validation_say_what_they_are(ran: dict[str, Path]) -> None:
    found = store(ran["numbers"])
    names = ("loss", "rmse", "mae", "r2", "nrmse", "max_error")
    for run in found["fold"]:
        learned = {f"activation/{layer}/slope" for layer in (2, 4, 6, 8)}
        prelu = run.data.tags[schema.ACTIVATION] == "prelu"
        expected = {f"heldout/{name}" for name in names} | {"train/loss", "train/rmse"}
        assert shown(run) == expected | (learned if prelu else set())
    assert {"mean/heldout/rmse", "sd/heldout/rmse", "seconds/epoch"} <= shown(found["trial"][0])
    (study,) = found["study"]
    assert study.data.metrics["control/mean/heldout/rmse"] > 0
    assert "search_selects_on" not in study.data.params
    assert not [name for name in found["experiment"][0].tags if name.endswith("sharedViewState.search")]


def test_the_frames_hold_what_the_journals_say(ran: dict[str, Path]) -> None:
    folder = ran["classes"]
    study = runs.load(folder)
    for run_id, row in study.cube.set_index("run_id").iterrows():
        fold = folder / "trials" / row["trial"] / f"fold-{row['repeat']}-{row['fold']}"
        history = read_fold(fold)
        assert history is not None
        assert history.end is not None
        for rule, outcome in history.end.outcomes.items():
            assert row[f"outcome.{rule}/epoch"] == outcome.epoch
            for name, value in outcome.metrics.items():
                if name.startswith("heldout/"):
                    assert row[f"outcome.{rule}/{name}"] == value
                if rule == history.end.rule:
                    assert row[name] == value
        curves = study.curves[study.curves["run_id"] == run_id].set_index("epoch")
        for epoch in history.epochs:
            written = curves.loc[epoch.epoch]
            assert written["seconds/train"] == epoch.train_s
            assert written["memory/peak_mb"] == epoch.peak_memory_mb
            assert {name: written[name] for name in epoch.metrics if name.startswith("validation/")} == {
                name: value for name, value in epoch.metrics.items() if name.startswith("validation/")
            }
        learned = study.learned[study.learned["run_id"] == run_id]
        last = {f"{one['layer']}/{one['parameter']}": one["value"] for _, one in learned.iterrows()}
        assert last == dict(history.epochs[-1].activation)


def test_the_reports_answer_stands_in_the_view(ran: dict[str, Path]) -> None:
    folder = ran["classes"]
    before = store(folder)
    assert "Not reported yet" in before["experiment"][0].tags[NOTE]
    assert not any(schema.VERDICT in run.data.tags for run in before["trial"])
    reporting.write([str(folder)], None)
    found = store(folder)
    numbers = json.loads((folder / "report" / "numbers.json").read_text())["answer"]
    note = found["experiment"][0].tags[NOTE]
    assert experiment.plain(numbers["sentence"]) in note
    (study,) = found["study"]
    address = (
        f"#/experiments/{found['experiment'][0].experiment_id}/runs/{study.info.run_id}/artifacts/report/report.html"
    )
    assert f"[report.html]({address})" in note
    assert (folder / "mlartifacts" / study.info.run_id / "artifacts" / "report" / "report.html").is_file()
    verdicts = {run.info.run_name: run.data.tags.get(schema.VERDICT) for run in found["trial"]}
    (one,) = numbers["comparisons"]
    assert verdicts.pop("relu · c000") == "control"
    assert one["word"] in verdicts.pop("apalu · c000")
    assert set(verdicts.values()) == {None}
    ids = [run.info.run_id for run in found["fold"]]
    session.sync(folder)
    again = store(folder)
    assert [run.info.run_id for run in again["fold"]] == ids
    assert all(len(run.inputs.dataset_inputs) == 2 for run in again["fold"])
    assert again["experiment"][0].tags[NOTE] == note
