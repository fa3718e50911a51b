"""The studies that come with actsweep: valid, with a header, and with parameters that their activations accept."""

from __future__ import annotations

from pathlib import Path

import pytest

import sweeps
from sweeps.study.reading import load
from trainer.catalogue import ACTIVATIONS, DATASETS, resolve
from trainer.datasets.options import choose
from trainer.models import placement
from trainer.spec import ActivationSpec

FOLDER = Path(sweeps.__file__).parent / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
PAPERS = {"apalu", "lelu", "alrelu"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_study_is_valid_and_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    header = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert text.startswith("# ")
    assert "?" in text.splitlines()[0]
    assert " Cost: " in header
    assert "Source: " in header
    study = load(file)
    assert study.name == file.stem
    assert study.question.endswith("?")
    assert study.control in study.compared()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_data_and_activations_accept_what_a_shipped_study_gives_them(file: Path) -> None:
    study = load(file)
    reader = resolve("data set", study.data.name, DATASETS)
    if hasattr(reader, "declared"):
        choose(study.data.name, reader.declared, study.data.options)
    for item in study.activations:
        placement.factory(ActivationSpec(name=item.activation, params=item.params))(64, 1)


def test_the_papers_of_the_four_activations_are_there() -> None:
    names = {file.stem for file in FILES}
    for data in ("cifar100", "miniimagenet", "mitbih"):
        assert {f"dsrelu-{data}", f"dsrelu-{data}-code"} <= names
    assert {f"{paper}-{data}" for paper in PAPERS for data in ("cifar10", "cifar100", "mnist", "mitbih")} <= names
    assert {"sweep-dsrelu-abk", "sweep-apalu", "sweep-lelu", "all-activations"} <= names


def test_all_activations_has_all_of_the_catalogue() -> None:
    study = load(FOLDER / "all-activations.yaml")
    assert {item.activation for item in study.activations} == set(ACTIVATIONS)


@pytest.mark.parametrize("data", ["cifar100", "miniimagenet", "mitbih"])
def test_the_readings_of_progress_stand_beside_slopes_that_stay(data: str) -> None:
    for name in (f"dsrelu-{data}", f"dsrelu-{data}-code"):
        study = load(FOLDER / f"{name}.yaml")
        readings = {item.params["progress"] for item in study.activations if item.activation == "dsrelu"}
        assert readings == {"epoch", "step", "epochs", "released"}
        starts = {
            round(float(placement.factory(ActivationSpec(name="dsrelu", params=item.params))(None, 1).slope()), 2)
            for item in study.activations
            if item.activation == "dsrelu"
        }
        controls = [item.params for item in study.activations if item.activation == "scaled_leaky_relu"]
        assert {round(float(params["s"] or 0), 2) for params in controls} == starts
        assert {params["scale"] for params in controls} == {True, False}
