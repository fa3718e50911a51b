"""How long a pack is said to need until it has something to keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurm.pool.tickets import Ticket
from sweeps.driver.estimates import STARTING_S
from sweeps.driver.least import MARGIN, Least
from sweeps.driver.packs import Node, pack_text
from sweeps.folder.records import Completed, TrialAdded, TrialStatus
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.reading import load

STUDY = load(
    "name: s\ndata: {name: digits}\nmodel: {name: tiny_cnn}\ntraining: {epochs: 4}\nfolds: {folds: 3}\n"
    "activations: [relu, dsrelu]\ncontrol: relu\n"
)


def added(label: str, index: int) -> TrialAdded:
    trial = f"{label}-c00{index}"
    folds = (f"{trial}/fold-0-0", f"{trial}/fold-0-1")
    facts = {"trial": trial, "label": label, "activation": label, "phase": "confirm", "index": index}
    return TrialAdded(**facts, params={}, training={}, folds=folds, config={})  # type: ignore[arg-type]


def over(trial: str, epochs: int, seconds: float) -> Completed:
    return Completed(trial=trial, status=TrialStatus.FINISHED, metrics={}, epochs=epochs, seconds=seconds)


def test_one_epoch_as_long_as_the_longest_seen_of_that_activation_or_else_of_any() -> None:
    state, least = State(), Least(STUDY)
    for trial in (added("relu", 0), added("relu", 1), added("relu", 2), added("dsrelu", 0)):
        state.apply(trial)
    assert least.seconds(state, ["relu-c002/fold-0-0"]) is None
    state.apply(over("relu-c000", 10, 100.0))
    state.apply(over("relu-c001", 10, 400.0))
    assert least.seconds(state, ["relu-c002/fold-0-0"]) == pytest.approx(STARTING_S + MARGIN * 40)
    assert least.seconds(state, ["dsrelu-c000/fold-0-0"]) == pytest.approx(STARTING_S + MARGIN * 40)
    state.apply(over("dsrelu-c000", 10, 900.0))
    assert least.seconds(state, ["dsrelu-c000/fold-0-0"]) == pytest.approx(STARTING_S + MARGIN * 90)
    assert least.seconds(state, ["relu-c002/fold-0-0"]) == pytest.approx(STARTING_S + MARGIN * 40)


def test_a_worker_reads_it_from_the_text_of_the_pack(tmp_path: Path) -> None:
    (spec, *_) = planner.fold_specs(STUDY, phase="confirm", trial="relu-c000", label="relu", params={})
    fold = f"relu-c000/{spec.folder}"
    node = Node(data_root=None, scratch=None, code="")
    text = pack_text(STUDY, node, {fold: spec}, tmp_path, [fold], None, None, 70.0)
    assert json.loads(text)["least_s"] == 70.0
    assert Ticket(number=0, job="a.0", call="m:f", text=text, log="").least_s == 70.0
    without = pack_text(STUDY, node, {fold: spec}, tmp_path, [fold])
    assert Ticket(number=0, job="a.0", call="m:f", text=without, log="").least_s is None
