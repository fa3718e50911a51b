"""The studies that come with actsweep: valid, with a header, and with parameters that their activations accept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

import sweeps
from analysis.statistics import looks
from analysis.statistics.finding import Runs
from slurm.profile import load as load_profile
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.view import preview
from trainer.catalogue import ACTIVATIONS, DATASETS, resolve
from trainer.datasets.options import choose
from trainer.models import placement
from trainer.spec import ActivationSpec

FOLDER = Path(sweeps.__file__).parent / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
PROPOSED = {"dsrelu", "apalu", "lelu", "alrelu"}
PAPERS = {"apalu", "lelu", "alrelu"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_study_is_valid_and_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    header = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert text.startswith("# ")
    assert "?" in preview.headline(text)
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


def runs(study: Study) -> Runs:
    """What a finished study leaves of its budgets: each search with as many trials as planned, each winner with a
    learning rate of its own."""
    rows = []
    for place, label in enumerate(study.compared()):
        tried = [(f"{label}-s{n}", "search") for n in range(planner.trials(study, label, "search"))]
        for trial, phase in [*tried, (f"{label}-c0", "confirm")]:
            training = {"lr": 1e-3 * (1 + place)}
            for spec in planner.fold_specs(study, phase=phase, trial=trial, label=label, training=training):
                fields = {f"training.{name}": value for name, value in dataclasses.asdict(spec.training).items()}
                rows.append({"activation": label, "trial": trial, "phase": phase, "status": "finished", **fields})
    every = pd.DataFrame(rows)
    return Runs(rows=every[every["phase"] == "confirm"], every=every, plan=planner.plan(study, "now"))


def test_digits_gives_every_activation_the_same_budget_and_the_check_says_so() -> None:
    study = load(FOLDER / "digits.yaml")
    assert set(study.searched()) == set(study.compared())
    assert all(any(name.startswith("activation.") for name in study.space_of(label).domains) for label in PROPOSED)
    (seen,) = looks.equal_budget(runs(study))
    assert (seen.outcome, seen.note) == ("pass", "lr searched for every activation alike, 4 settings each.")


def test_a_search_that_leaves_the_control_out_is_named_by_the_check() -> None:
    (lr, tried) = looks.equal_budget(runs(load(FOLDER / "smoke.yaml")))
    assert lr.note.startswith("lr differs between activations: relu 0.001; dsrelu 0.002")
    assert tried.note == "Nothing was searched for relu; the others tried 2 settings each."


def test_the_width_of_digits_is_shown_and_its_packs_are_counted() -> None:
    study = load(FOLDER / "digits.yaml")
    assert "model resnet34(stem=small, width=16); control relu" in preview.design(study)
    # A pack holds folds of one trial: 24 settings of one fold, and 6 winners of 10 folds, 5 to a pack.
    assert "36 packs on this machine" in preview.submission(study, load_profile("local"))


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
