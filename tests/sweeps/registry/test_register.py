"""A study's winner as a registered model: which one, what it says of itself, and that it is the fold's model."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from sklearn.datasets import load_wine

from analysis.notebook import Comparison
from analysis.report.findings import gather
from analysis.runs import load, schema
from sweeps.cli.main import main
from sweeps.driver import growing, session
from sweeps.errors import FoldChanged, RegistryError, StudyError, TrackingError
from sweeps.registry import package, shelf
from sweeps.registry import register as registry
from sweeps.study.reading import load as load_study
from sweeps.tracking import store
from sweeps.tracking.ui_server import ui
from trainer import serving
from trainer.codec import from_plain
from trainer.journal import FoldHistory, read_fold

Register = Callable[..., str]


def command(folder: Path, *words: str, code: int = 0) -> str:
    """What the command says where it ends with ``code``."""
    done = CliRunner(catch_exceptions=False).invoke(main, ["register", str(folder), *words], prog_name="actsweep")
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def said(trained: Path) -> Comparison:
    """What the study found."""
    found = Comparison(gather(load.load(trained)))
    assert found.sentences
    return found


@pytest.fixture
def register(said: Comparison, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """As the command, of what was read once; the other process' work is done in this one."""

    def answered(module: str, question: object, failed: object) -> Any:
        text = json.dumps(dataclasses.asdict(serving.answer(from_plain(serving.Question, question))))
        return json.loads(text)

    monkeypatch.setattr(package, "ask", answered)
    return lambda folder, name, **chosen: "\n".join(registry.register(folder, name, said, **chosen))


def api(folder: Path, uri: str | None = None) -> MlflowClient:
    return store.connect(store.locate(uri, folder))


def versions(folder: Path, name: str = "best") -> list[Any]:
    return sorted(api(folder).search_model_versions(f"name = '{name}'"), key=lambda one: int(one.version))


def models(folder: Path) -> list[Any]:
    """Logged models that are not in the trash."""
    experiments = [one.experiment_id for one in api(folder).search_experiments()]
    return list(api(folder).search_logged_models(experiments))


def history(folder: Path, trial: str, fold: int) -> FoldHistory:
    found = read_fold(folder / "trials" / trial / f"fold-0-{fold}")
    assert found is not None
    assert found.end is not None
    return found


def validated(folder: Path, trial: str) -> list[float]:
    ends = [history(folder, trial, fold).end for fold in range(3)]
    return [end.outcomes[end.rule].metrics["validation/loss"] for end in ends if end is not None]


def predictions(folder: Path, trial: str, fold: int) -> Any:
    with np.load(folder / "trials" / trial / f"fold-0-{fold}" / "attempt-1" / "predictions.npz") as arrays:
        return dict(arrays)


def wine(numbers: np.ndarray) -> np.ndarray:
    """Items as the data set's reader gives them."""
    return load_wine().data[numbers].reshape(-1, 1, 1, 13).astype(np.float32)


def loaded(folder: Path, name: str, version: int = 1) -> Any:
    mlflow.set_tracking_uri(store.locate(None, folder).uri)
    try:
        return mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    finally:
        mlflow.set_tracking_uri(None)


def test_the_best_activation_s_best_validated_fold_is_registered_and_is_the_fold_s_model(
    kept: Path, register: Register
) -> None:
    told = register(kept, "best")
    means = load.load(kept).cube.groupby("activation")["heldout/accuracy"].mean()
    winner = "relu" if means["relu"] >= means["lelu"] else "lelu"
    fold = int(np.argmin(validated(kept, f"{winner}-c000")))
    arrays = predictions(kept, f"{winner}-c000", fold)
    (version,) = versions(kept)
    assert "registered: best, version 1" in told
    assert version.tags[schema.KEY] == f"kept/{winner}-c000/0-{fold}"
    assert api(kept).get_run(version.run_id).data.tags[schema.KEY] == version.tags[schema.KEY]
    for words in (
        "Does LELU do better?",
        f"mean {means[winner]:.4g}",
        f"Fold 0-{fold} has the best validation loss",
        "No held-out score had a part in the choice",
        "Licence: CC BY 4.0",
        f"Of {len(arrays['indices'])} held-out items it gave the fold's predictions again",
        f"code {history(kept, winner + '-c000', fold).start.code}",
    ):
        assert words in version.description
    model = loaded(kept, "best")
    assert np.array_equal(model.predict(wine(arrays["indices"])), arrays["probabilities"])
    takes, gives = model.metadata.signature.inputs.inputs[0], model.metadata.signature.outputs.inputs[0]
    assert (tuple(takes.shape), takes.type) == ((-1, 1, 1, 13), np.dtype("float32"))
    assert (tuple(gives.shape), gives.type) == ((-1, 3), np.dtype("float32"))
    files = {path.name for path in (kept / "mlartifacts" / "models").rglob("*")}
    assert {"served.json", "fold.json", "best.pt", "MLmodel", "input_example.json"} <= files
    assert not [name for name in files if name.endswith(".pkl")]
    requirements = next((kept / "mlartifacts" / "models").rglob("requirements.txt")).read_text()
    assert "actsweep==" in requirements
    assert "torch==" in requirements


def test_the_verdict_is_the_report_s_and_that_of_the_activation_that_was_asked_for(
    kept: Path, register: Register, said: Comparison
) -> None:
    found = {one.activation: one for one in said.findings.verdicts}
    for label, head in {"relu": "relu is the control", "lelu": "Not decided: lelu "}.items():
        told = register(kept, label, label=label)
        (version,) = versions(kept, label)
        assert head in told
        assert head in version.description
        assert f"The report's answer: {said.answer}" in version.description
        assert version.tags[schema.ACTIVATION] == label
        assert version.tags["actsweep.verdict"] == ("control" if label == "relu" else found[label].word)


def test_the_same_weights_again_make_no_version_and_other_weights_do(kept: Path, register: Register) -> None:
    register(kept, "best", fold="0-1")
    again = register(kept, "best", fold="fold-0-1")
    assert "best has these weights already, as version 1: no version was made" in again
    assert len(versions(kept)) == 1
    api(kept).update_model_version("best", "1", "something else")
    assert "its description now says what is known today" in register(kept, "best", fold="0-1")
    assert "Fold 0-1 was asked for" in versions(kept)[0].description
    assert "version 2" in register(kept, "best", fold="0-2")
    assert [one.tags[schema.FOLD] for one in versions(kept)] == ["1", "2"]


def test_a_study_that_was_moved_has_its_models_where_it_is_now(kept: Path, register: Register, tmp_path: Path) -> None:
    register(kept, "best", fold="0-0", label="relu")
    elsewhere = tmp_path / "other" / "kept"
    elsewhere.parent.mkdir()
    kept.rename(elsewhere)
    assert "already, as version 1" in register(elsewhere, "best", fold="0-0", label="relu")
    arrays = predictions(elsewhere, "relu-c000", 0)
    assert np.array_equal(loaded(elsewhere, "best").predict(wine(arrays["indices"])), arrays["probabilities"])
    shutil.rmtree(elsewhere / "mlartifacts" / "models")
    assert "version 2" in register(elsewhere, "best", fold="0-0", label="relu")


def test_names_are_those_that_an_address_can_carry() -> None:
    for name in ("best", "digits best", "déjà-vu", "a.b"):
        shelf.check_name(name)
    for name in ("", "a/b", "a:b", "a%b", "it's", " a", "..", "a\n", "x" * 251):
        with pytest.raises(RegistryError, match="accepts 1 to 250 characters"):
            shelf.check_name(name)


def test_what_is_wrong_is_told_and_nothing_is_registered(kept: Path, register: Register) -> None:
    for chosen, words in (
        ({"label": "gelu"}, "kept compares relu, lelu; name one of them"),
        ({"fold": "3"}, "accepts REPEAT-FOLD"),
        ({"fold": "0-7"}, "has no such finished fold; accepts one of 0-0, 0-1, 0-2"),
    ):
        with pytest.raises(StudyError, match=words):
            register(kept, "best", **chosen)
    api(kept).create_registered_model("theirs")
    api(kept).create_model_version("theirs", str(kept), tags={})
    with pytest.raises(RegistryError, match="versions that actsweep did not register"):
        register(kept, "theirs")
    assert not versions(kept)
    assert not models(kept)


def test_a_store_that_does_not_answer_is_told_in_one_line(tmp_path: Path) -> None:
    place = store.locate("http://anna:s3cret@127.0.0.1:9", tmp_path)
    with pytest.raises(TrackingError) as caught:
        shelf.Shelf(place, "best")
    assert str(caught.value) == (
        "MLflow store http://127.0.0.1:9: nobody answers; no version was registered: start it, or look at the address, "
        "and register again"
    )
    told = registry.usage(store.locate("postgresql://anna:s3cret@db/ml", tmp_path), "best", "1", (1, 2, 3), "float32")
    assert "s3cret" not in "".join(told)


def test_where_nothing_was_validated_the_first_fold_is_taken_and_that_is_said(
    trains: Callable[[str, Path], Path], register: Register, tmp_path: Path
) -> None:
    text = (Path(__file__).parent / "kept.yaml").read_text()
    text = text.replace("patience: null", "patience: null, checkpoint_rule: last")
    folder = trains(text.replace("folds: 3", "folds: 3, validation: 0"), tmp_path / "kept")
    lines = registry.register(folder, "best", Comparison(gather(load.load(folder))), label="relu")
    assert (
        "Fold 0-0 is the first of 3 folds: nothing was validated. No held-out score had a part in the choice." in lines
    )


def test_damaged_weights_are_refused_and_there_again_after_the_remedy(
    kept: Path, register: Register, drives: Callable[..., None]
) -> None:
    weights = kept / "trials" / "relu-c000" / "fold-0-0" / "attempt-1" / "best.pt"
    weights.write_bytes(weights.read_bytes()[:-7] + b"changed")
    with pytest.raises(FoldChanged, match=r"its SHA-256 differs.*--retry-failed"):
        register(kept, "best", label="relu", fold="0-0")
    assert not models(kept)
    drives(kept, again=True)
    assert "registered: best, version 1" in register(kept, "best", label="relu", fold="0-0")


# -- killed ------------------------------------------------------------------------------------------------------------

STEPS = [
    ("log_model_artifacts", False),
    ("log_model_artifacts", True),
    ("finalize_logged_model", True),
    ("create_registered_model", True),
    ("create_model_version", True),
]


@pytest.mark.parametrize(("step", "after"), STEPS)
def test_killed_anywhere_the_next_call_leaves_one_whole_version(
    step: str, after: bool, kept: Path, register: Register, fork: Callable[[Callable[[], object]], int]
) -> None:
    def killed() -> None:
        done = getattr(MlflowClient, step)

        def die(self: MlflowClient, *words: Any, **named: Any) -> None:
            if after:
                done(self, *words, **named)
            os._exit(9)

        setattr(MlflowClient, step, die)
        register(kept, "best", fold="0-0")

    assert os.waitstatus_to_exitcode(os.waitpid(fork(killed), 0)[1]) == 9
    register(kept, "best", fold="0-0")
    assert len(versions(kept)) == 1
    assert loaded(kept, "best").predict(wine(np.arange(3))).shape == (3, 3)
    assert [str(model.status) for model in models(kept)] == ["READY"]


# -- suites ------------------------------------------------------------------------------------------------------------


def test_a_member_of_a_suite_is_registered_in_the_suite_s_store_and_a_suite_is_none(
    trains: Callable[[str, Path], Path], register: Register, tmp_path: Path
) -> None:
    text = (Path(__file__).parent / "kept.yaml").read_text()
    folder = trains(f"{text}tracking: {{uri: 'sqlite:///../mlflow.db'}}\n", tmp_path / "suite" / "wine")
    uri = store.locate(session.opened(folder).tracking.uri, folder).uri
    lines = registry.register(folder, "best", Comparison(gather(load.load(uri))), label="relu")
    assert f"use it: MLFLOW_TRACKING_URI={uri} python" in lines
    assert len(api(folder, uri).search_model_versions("name = 'best'")) == 1
    assert not (folder / "mlflow.db").exists()
    (tmp_path / "suite" / "suite.yaml").write_text("suite: of one\n")
    with pytest.raises(StudyError, match="a suite's folder, where a study's is asked for; name one below it: wine"):
        session.opened(tmp_path / "suite")


# -- whole processes ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_weights_that_were_not_kept_are_refused_and_each_remedy_brings_some(
    trains: Callable[[str, Path], Path], drives: Callable[..., None], register: Register, tmp_path: Path
) -> None:
    text = (Path(__file__).parent / "kept.yaml").read_text()
    folder = trains(text.replace("keep: best", "keep: none"), tmp_path / "bare")
    assert "keep: best below cluster:" in command(folder, "best", code=2)
    assert not versions(folder)
    more = tmp_path / "more.yaml"
    more.write_text(text.replace("folds: 3", "folds: 3, repeats: 2"))
    growing.extend(folder, growing.planned(folder, load_study(more), "more.yaml")[0], "more.yaml")
    drives(folder)
    assert "of 3 folds whose weights are there (of 6)" in command(folder, "best")


OWN = """
import torch
from own_slope import SLOPE


class Mine(torch.nn.Module):
    def forward(self, x):
        return torch.maximum(SLOPE * x, x)
"""


@pytest.mark.slow
def test_whoever_has_the_address_of_a_server_uses_a_model_of_the_user_s_own_code(
    trains: Callable[[str, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, lab = tmp_path / "served", tmp_path / "lab"
    served.mkdir()
    lab.mkdir()
    (lab / "own_act.py").write_text(OWN)
    (lab / "own_slope.py").write_text("SLOPE = 0.125\n")
    monkeypatch.syspath_prepend(str(lab))
    monkeypatch.setenv("PYTHONPATH", str(lab), prepend=os.pathsep)
    text = (Path(__file__).parent / "kept.yaml").read_text().replace("lelu]", "{label: own, activation: own_act:Mine}]")
    with ui(served) as server:
        folder = trains(f"{text}tracking: {{uri: '{server.address}'}}\n", tmp_path / "kept")
        told = command(folder, "best", "--activation", "own", "--fold", "0-2")
        assert f"MLFLOW_TRACKING_URI={server.address}" in told
        arrays = predictions(folder, "own-c000", 2)
        shutil.rmtree(folder)  # the server has all that it takes
        shutil.rmtree(lab)
        np.save(tmp_path / "items.npy", wine(arrays["indices"]))
        code = (
            "import sys, numpy, mlflow\n"
            "model = mlflow.pyfunc.load_model('models:/best/1')\n"
            "numpy.save(sys.argv[2], model.predict(numpy.load(sys.argv[1])))\n"
        )
        variables = {**os.environ, "MLFLOW_TRACKING_URI": server.address, "MLFLOW_DISABLE_TELEMETRY": "true"}
        line = [sys.executable, "-P", "-c", code, str(tmp_path / "items.npy"), str(tmp_path / "said.npy")]
        used = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=300, cwd=tmp_path)
        assert used.returncode == 0, used.stderr
    assert np.array_equal(np.load(tmp_path / "said.npy"), arrays["probabilities"])
