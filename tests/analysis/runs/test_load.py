"""Reading a tracking store: the frames, what hides in histories, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from analysis.errors import DuplicateRuns, SourceError
from analysis.runs import load, plan, schema, stores

# MLflow's own models warn under SQLAlchemy 2.1.

PLAN = plan.Plan(
    study="tiny",
    study_digest="0" * 16,
    study_seed=7,
    dataset="digits",
    model="resnet34",
    task="classification",
    metrics=plan.unstated_metrics(),
    activations=("relu", "dsrelu"),
    claims_phase="confirm",
    repeats=(0,),
    folds=3,
    declaration=plan.Declaration(
        question="Is it better?",
        metric="accuracy",
        rule="validation_loss",
        control="relu",
        declared_at="2026-01-01T00:00:00Z",
    ),
)
EPOCHS = 4
HEAD = {schema.SCHEMA_TAG: str(schema.SCHEMA), schema.KIND: "study"}


def write_fold(client: MlflowClient, experiment: str, label: str, fold: int, losses: list[float], **tags: str) -> str:
    run = client.create_run(experiment, run_name=f"{label} {fold}")
    stamp = 1_700_000_000_000
    metrics = []
    for step, loss in enumerate(losses, start=1):
        metrics.append(Metric("train/loss", loss, stamp + step * 1000, step))
        metrics.append(Metric("validation/accuracy", 0.5 + 0.1 * step, stamp + step * 1000, step))
        metrics.append(Metric("activation/layer1/a", 3.0 - 0.1 * step, stamp + step * 1000, step))
        metrics.append(Metric("seconds/train", 1.5, stamp + step * 1000, step))
    metrics.append(Metric("heldout/accuracy", 0.8 + fold / 100, stamp + 9000, 3))
    metrics.append(Metric("outcome.validation_loss/heldout/accuracy", 0.8 + fold / 100, stamp + 9000, 3))
    metrics.append(Metric("outcome.validation_loss/validation/accuracy", 0.81, stamp + 9000, 3))
    metrics.append(Metric("outcome.validation_loss/epoch", 3, stamp + 9000, 3))
    metrics.append(Metric("outcome.last/heldout/accuracy", 0.7, stamp + 9000, 4))
    named = {
        schema.SCHEMA_TAG: str(schema.SCHEMA),
        schema.KIND: "fold",
        schema.KEY: f"tiny/{label}/0-{fold}",
        schema.STUDY: "tiny",
        schema.STUDY_SEED: "7",
        schema.PHASE: "confirm",
        schema.TRIAL: f"{label}-0",
        schema.ACTIVATION: label,
        schema.DATASET: "digits",
        schema.REPEAT: "0",
        schema.FOLD: str(fold),
        schema.SPLIT_HASH: f"split-{fold}",
        schema.STATUS: "finished",
        schema.RULE: "validation_loss",
        schema.EPOCHS: str(len(losses)),
        schema.N_TRAIN: "100",
        schema.N_HELDOUT: "50",
        schema.REFERENCE_PREFIX + "accuracy": "0.1",
        schema.ENVIRONMENT_PREFIX + "torch": "2.15",
    } | {schema.PREFIX + name: value for name, value in tags.items()}
    params = [Param("activation.k", "5.0"), Param("training.lr", "0.001"), Param("training.precision", "fp32")]
    client.log_batch(run.info.run_id, metrics, params, [RunTag(key, value) for key, value in named.items()])
    return str(run.info.run_id)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tiny-study")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("tiny", artifact_location=str(folder / "mlartifacts"))
    head = client.create_run(experiment)
    for key, value in {**HEAD, schema.KEY: "tiny", schema.STUDY: "tiny"}.items():
        client.set_tag(head.info.run_id, key, value)
    client.log_text(head.info.run_id, plan.to_json(PLAN), schema.PLAN_ARTIFACT)
    fine = [2.0, 1.0, 0.5, 0.25]
    ids = {("relu", fold): write_fold(client, experiment, "relu", fold, fine) for fold in range(3)}
    ids["dsrelu", 0] = write_fold(client, experiment, "dsrelu", 0, [2.0, math.nan, 0.5, 0.25])
    ids["dsrelu", 1] = write_fold(client, experiment, "dsrelu", 1, [2.0, 1.0, math.inf, 0.25])
    return {"folder": folder, "uri": uri, "client": client, "experiment": experiment, "ids": ids}


@pytest.fixture
def chosen(store: dict[str, Any]) -> Iterator[str]:
    """A trial's run as its search's driver marks it; gives its id."""
    tags = {**HEAD, schema.KIND: "trial", schema.KEY: "tiny/relu-0", schema.TRIAL: "relu-0", schema.SELECTED: "true"}
    tags |= {schema.SELECTED_VALUE: repr(0.1 + 0.2), schema.SELECTED_AMONG: "7"}
    run = store["client"].create_run(store["experiment"], tags=tags).info.run_id
    yield run
    store["client"].delete_run(run)


def row(study: load.Study, label: str, fold: int) -> Any:
    cube = study.cube
    return cube[(cube["activation"] == label) & (cube["fold"] == fold)].iloc[0]


def test_the_cube_has_a_row_for_every_run_and_every_missing_fold(store: dict[str, Any]) -> None:
    study = load.load(store["uri"])
    assert list(study.cube["activation"]) == ["relu"] * 3 + ["dsrelu"] * 3
    assert list(study.cube["status"]) == ["finished"] * 3 + ["diverged", "diverged", "missing"]
    one = row(study, "relu", 1)
    assert one["heldout/accuracy"] == 0.81
    assert one["validation/accuracy"] == 0.81
    assert one["outcome.last/heldout/accuracy"] == 0.7
    assert (one["best_epoch"], one["epochs"], one["n_train"], one["reference/accuracy"]) == (3, EPOCHS, 100, 0.1)
    assert (one["activation.k"], one["training.lr"], one["training.precision"]) == (5.0, 0.001, "fp32")
    assert one["run_id"] == store["ids"]["relu", 1]
    assert study.plan == PLAN
    assert study.environment == {"torch": "2.15"}


def test_a_searchs_choice_is_read_from_its_trial(store: dict[str, Any], chosen: str) -> None:
    one, other = (row(load.load(store["uri"]), label, 0) for label in ("relu", "dsrelu"))
    assert (one["selected"], one["selected_value"], one["selected_among"]) == (True, 0.1 + 0.2, 7)
    assert not other["selected"]
    assert math.isnan(other["selected_value"])


@pytest.mark.parametrize(
    ("version", "said"), [("1", r"earlier.*`actsweep sync DIR`"), ("4", "later version"), ("", "earlier")]
)
def test_runs_of_another_version_are_refused(store: dict[str, Any], version: str, said: str) -> None:
    run = store["ids"]["relu", 0]
    store["client"].set_tag(run, schema.SCHEMA_TAG, version)
    try:
        with pytest.raises(SourceError, match=f"tiny: runs were written by an? {said}"):
            load.load(store["uri"])
    finally:
        store["client"].set_tag(run, schema.SCHEMA_TAG, str(schema.SCHEMA))


def test_a_loss_that_was_not_finite_in_the_middle_is_seen(store: dict[str, Any]) -> None:
    study = load.load(store["uri"])
    assert row(study, "dsrelu", 0)["reason"] == "train/loss is nan at epoch 2"
    assert row(study, "dsrelu", 1)["reason"] == "train/loss is inf at epoch 3"


def test_curves_hold_the_whole_histories(store: dict[str, Any]) -> None:
    study = load.load(store["uri"])
    curves = study.curves
    assert len(curves) == 5 * EPOCHS
    mine = curves[curves["run_id"] == store["ids"]["relu", 0]]
    assert list(mine["epoch"]) == [1, 2, 3, 4]
    assert list(mine["train/loss"]) == [2.0, 1.0, 0.5, 0.25]
    assert list(np.diff(mine["time"])) == [1.0, 1.0, 1.0]
    assert "activation/layer1/a" not in curves
    every = load.load(store["uri"], histories=(*load.HISTORY_PREFIXES, "activation/")).curves
    assert list(every["activation/layer1/a"][:2]) == [2.9, 2.8]


def test_learned_parameters_are_the_last_logged(store: dict[str, Any]) -> None:
    learned = load.load(store["uri"]).learned
    assert set(learned["layer"]) == {"layer1"}
    assert np.allclose(learned["value"].astype(float), 2.6)


def test_a_study_folder_is_read_by_its_embedded_store(store: dict[str, Any]) -> None:
    by_folder, by_uri = load.load(store["folder"]), load.load(store["uri"])
    assert by_folder.cube.equals(by_uri.cube)
    assert by_folder.curves.equals(by_uri.curves)
    assert len(load.load_all([store["folder"], store["uri"]])) == 2


def test_two_runs_for_one_fold_are_refused_by_their_ids(store: dict[str, Any]) -> None:
    again = write_fold(store["client"], store["experiment"], "relu", 0, [1.0])
    try:
        with pytest.raises(DuplicateRuns) as caught:
            load.load(store["uri"])
        assert again in str(caught.value)
        assert store["ids"]["relu", 0] in str(caught.value)
    finally:
        store["client"].delete_run(again)


def test_sources_that_cannot_be_read_say_what_was_expected(store: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        load.load(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(SourceError, match=r"no mlflow\.db"):
        load.load(tmp_path)
    with pytest.raises(SourceError, match="neither a tracking URI nor a folder"):
        load.load(tmp_path / "none")
    with pytest.raises(SourceError, match=r"no study named 'other'; the store has .*tiny"):
        load.load(store["uri"], "other")
    (tmp_path / "mlflow.db").write_text("not a database")
    with pytest.raises(SourceError, match="not an MLflow store"):
        load.load(tmp_path)


def test_several_studies_in_a_store_ask_for_a_name(store: dict[str, Any]) -> None:
    client = store["client"]
    second = client.create_experiment("second", artifact_location=str(store["folder"] / "mlartifacts"))
    other = dataclasses.replace(PLAN, study="second", activations=("relu",))
    head = client.create_run(second, tags={**HEAD, schema.KEY: "second"})
    client.log_text(head.info.run_id, plan.to_json(other), schema.PLAN_ARTIFACT)
    try:
        with pytest.raises(SourceError, match="several studies; the store has 'second', 'tiny'; name the experiment"):
            load.load(store["uri"])
        both = load.load_all([store["uri"]])
        assert [study.plan.study for study in both] == ["second", "tiny"]
        assert set(both[0].cube["status"]) == {"missing"}
    finally:
        client.delete_experiment(second)


def test_credentials_in_a_uri_stay_out_of_the_report() -> None:
    assert stores.uri_without_secrets("postgresql://me:secret@host:5432/db") == "postgresql://host:5432/db"


@pytest.fixture
def server(store: dict[str, Any], unused_port: int, tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store["uri"], "--port"]
    command += [str(unused_port), "--host", "127.0.0.1", "--workers", "1"]
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True)
    uri = f"http://127.0.0.1:{unused_port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        log.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_a_server_gives_the_same_frames_as_its_database(
    store: dict[str, Any], server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def alike() -> None:
        by_server, by_database = load.load(server), load.load(store["uri"])
        pd.testing.assert_frame_equal(by_server.cube, by_database.cube)
        pd.testing.assert_frame_equal(by_server.curves, by_database.curves)

    alike()
    asked: list[int] = []
    bulk = stores.ClientStore._bulk

    def counted(self: Any, run_ids: Any, key: str) -> Any:
        asked.append(len(run_ids))
        return bulk(self, run_ids, key)

    monkeypatch.setattr(stores.ClientStore, "_bulk", counted)
    for most in (EPOCHS * 3 + 1, EPOCHS):  # there the server cuts its answer: of more than three runs, and of one
        monkeypatch.setattr(stores, "BULK_RESULTS", most)
        alike()
    assert {1, 2} <= set(asked)
    # Folds that train have told no number of epochs yet.
    runs = {run_id: store["client"].get_run(run_id).data.tags.get(schema.EPOCHS) for run_id in store["ids"].values()}
    for run_id, epochs in runs.items():
        if epochs is not None:
            store["client"].delete_tag(run_id, schema.EPOCHS)
    alike()
    for run_id, epochs in runs.items():
        if epochs is not None:
            store["client"].set_tag(run_id, schema.EPOCHS, epochs)
    assert capfd.readouterr() == ("", "")


def test_the_order_in_which_a_store_lists_runs_changes_nothing(store: dict[str, Any]) -> None:
    """Runs that began in one millisecond come in any order, and each may have tags that the others lack."""
    opened = stores.open_store(store["uri"])

    class Backwards:
        def __getattr__(self, name: str) -> Any:
            return getattr(opened, name)

        def runs(self, identity: str) -> list[Any]:
            return list(reversed(list(opened.runs(identity))))

    extra = {("relu", 2): schema.REMARK_PREFIX + "accuracy", ("dsrelu", 0): schema.REMARK_PREFIX + "loss"}
    for fold, tag in extra.items():
        store["client"].set_tag(store["ids"][fold], tag, "1")
    frames = [
        load.assemble(one, load.studies_in(one, "tiny"), uri=store["uri"], folder=None, histories=())[0].cube
        for one in (opened, Backwards())
    ]
    for fold, tag in extra.items():
        store["client"].delete_tag(store["ids"][fold], tag)
    pd.testing.assert_frame_equal(*frames)
