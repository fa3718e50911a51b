"""One is one and two are two, wherever sweeps prints a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.profile import load as load_profile
from sweeps.cli.describe import describe_preparation
from sweeps.driver import session
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Opened, TrialAdded
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.testing import EPOCH_ZERO
from sweeps.view import preview, status
from sweeps.view.savings import Savings
from sweeps.wording import counted, duration
from trainer.codec import to_text
from trainer.datasets.preparation import Preparation, Summary
from trainer.journal import Epoch, Writer, attempt_folder
from trainer.testing import invented_start

ONE = """
name: one
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 1, patience: null}
folds: {scheme: fixed}
activations: [relu]
"""
TWO = """
name: two
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2, repeats: 2}
activations: [relu, elu]
"""


def folder_of(path: Path, text: str, epochs: int) -> Path:
    """A study's folder in which each fold of relu has trained so many epochs, and goes on."""
    study = load(text)
    session.make(study, path, ["actsweep"])
    specs = planner.fold_specs(study, phase="confirm", trial="relu-c000", label="relu")
    folds = tuple(f"relu-c000/{spec.folder}" for spec in specs)
    ledger = Ledger(path)
    ledger.write(
        Opened(sweep="a", study=study.name, study_digest=digest(study), time=EPOCH_ZERO),
        TrialAdded(
            trial="relu-c000", label="relu", activation="relu", phase="confirm", index=0, params={}, training={},
            folds=folds, config={},
        ),
    )  # fmt: skip
    ledger.close()
    (path / "trials" / "relu-c000").mkdir(parents=True)
    (path / "trials" / "relu-c000" / "trial.json").write_text(
        '{"schema": 2, "trial": "relu-c000", "label": "relu", "activation": "relu", "phase": "confirm", "index": 0, '
        '"params": {}, "training": {}, "degrees": {}}'
    )
    for spec in specs:
        home = path / "trials" / "relu-c000" / spec.folder
        attempt_folder(home, 1).mkdir(parents=True)
        (home / "spec.json").write_text(to_text(spec))
        writer = Writer(attempt_folder(home, 1))
        writer.write(invented_start(digest=spec.digest, time=EPOCH_ZERO, host="node1"))
        for epoch in range(1, epochs + 1):
            writer.write(
                Epoch(epoch=epoch, time=EPOCH_ZERO + epoch, metrics={"train/loss": 1.0}, train_s=1.0, evaluate_s=0.0,
                      rest_s=0.0, peak_memory_mb=1.0)
            )  # fmt: skip
        writer.close()
    return path


@pytest.fixture
def one() -> Study:
    return load(ONE)


@pytest.fixture
def two() -> Study:
    return load(TWO)


def test_counted() -> None:
    assert [counted(number, "fold") for number in (0, 1, 2)] == ["0 folds", "1 fold", "2 folds"]
    assert [counted(number, "class", "classes") for number in (1, 2)] == ["1 class", "2 classes"]
    assert [duration(seconds) for seconds in (1, 61, 3661)] == ["1 s", "1 min 01 s", "1 h 01 min"]


def test_check(one: Study, two: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without the times of other runs
    assert "confirm: 1 trial x 1 fold of repeat 0 = 1 fold, at most 1 epoch\n" in preview.design(one)
    assert "confirm: 2 trials x 2 folds of repeats 0, 1 = 8 folds, at most 16 epochs\n" in preview.design(two)
    assert "an estimate: 1 epoch of " in preview.price(one, [])
    assert "an estimate: 16 epochs of " in preview.price(two, [])
    local = load_profile("local")
    assert "local: 1 pack on this machine" in preview.submission(one, local)
    assert "local: 2 packs on this machine" in preview.submission(two, local)
    cluster = load_profile("example-gpu")
    assert "at most 1 pack; all at once 1 array of 1 task\n" in preview.submission(one, cluster)
    assert "at most 2 packs; all at once " in preview.submission(two, cluster)


def test_check_with_measured_times(tmp_path: Path, one: Study, two: Study) -> None:
    first = folder_of(tmp_path / "one", ONE, 1)
    second = folder_of(tmp_path / "two", TWO, 2)
    assert "1 epoch of 1.00 s, the median of 1 fold run before on" in preview.price(one, [first])
    assert "16 epochs of 1.00 s, the median of 4 folds run before on" in preview.price(two, [second])


SEARCHED = """
name: searched
data: {name: digits}
folds: {folds: 2}
search: {samples: %d}
activations:
  - relu
  - activation: dsrelu
    space: {a: {tan_degrees: [60, 85]}, b: {tan_degrees: {choice: [10, 30]}}, k: {uniform: [1, 9]}}
"""


def test_what_is_searched() -> None:
    one, two = (preview.design(load(SEARCHED % samples)) for samples in (1, 2))
    assert "dsrelu: 1 setting tried; " in one
    assert "dsrelu: 2 settings tried; " in two


def test_a_searched_angle_is_shown_in_degrees() -> None:
    shown = preview.design(load(SEARCHED % 2))
    assert "activation.a uniform 60 to 85 degrees (as its tangent); " in shown
    assert "activation.b choice of 10, 30 degrees (as its tangent); activation.k uniform 1 to 9" in shown


def test_status_and_logs(tmp_path: Path) -> None:
    for text, epochs, said in ((ONE, 1, "1 epoch so far"), (TWO, 2, "2 epochs so far")):
        folder = folder_of(tmp_path / str(epochs), text, epochs)
        assert f"relu-c000/fold-0-0: {said}, attempt 1 on node1" in status.logs(folder, "relu-c000", "0-0", 5)
        assert "0 jobs not known to be over" in status.read(folder).words()


def test_a_prepared_data_set() -> None:
    for count, said in ((1, "1 item of"), (2, "2 items of")):
        summary = Summary(
            name="x", items=count, shape=(1, 8, 8), dtype="uint8", size_mb=1.0, per_class={}, targets=count, groups={},
            heldout=count, digest="d", remarks=("odd",),
        )  # fmt: skip
        words = describe_preparation(Preparation(summary=summary, cache=None, wall_s=0.1))
        assert said in words
        assert f"\n{counted(count, 'target')} an item\n" in words
        assert f"held-out part of its own: {counted(count, 'item')}\n" in words


def test_savings() -> None:
    one = Savings(trials=1, epochs=1, planned=1, device_s=1.0)
    two = Savings(trials=2, epochs=2, planned=2, device_s=2.0)
    assert "stopped 1 trial early; 1 of 1 planned epoch not trained, about 1 s of device time saved" in one.words()
    assert "stopped 2 trials early; 2 of 2 planned epochs not trained, about 2 s of device time saved" in two.words()


def test_sync(tmp_path: Path) -> None:
    assert session.sync(folder_of(tmp_path / "one", ONE, 1)) == "MLflow has 1 trial and 1 fold of one"
    assert session.sync(folder_of(tmp_path / "two", TWO, 1)) == "MLflow has 1 trial and 4 folds of two"
