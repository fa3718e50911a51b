"""Folds of the task: what they write, resuming to the last bit, and pairing across activations."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainer import batches, entry, journal, learner
from trainer.codec import to_text
from trainer.datasets.regression.curve import curve
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Pack, SplitSpec
from trainer.tasks import task as tasks

FIXED = SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False)


@pytest.fixture
def on_a_curve(small: Callable[..., FoldSpec]) -> Callable[..., FoldSpec]:
    def make(**changes: Any) -> FoldSpec:
        given = {
            "task": "regression",
            "task_options": {"loss": "mae", "scale_targets": False, "diffusion": True},
            "data": DataSpec(name="curve"),
            "split": FIXED,
            "model": ModelSpec(name="mlp", options={"hidden": "2x8"}),
            "activation": ActivationSpec(name="lelu"),
            "batch": 3,
            "lr": 1e-3,
            "epochs": 4,
            "precision": "fp64",
            "checkpoint_rule": "last",
        }
        return small(**{**given, **changes})

    return make


@pytest.fixture
def of_a_table(small: Callable[..., FoldSpec]) -> Callable[..., FoldSpec]:
    def make(**changes: Any) -> FoldSpec:
        given = {
            "task": "regression",
            "data": DataSpec(name="diabetes", options={"target": "quantity"}),
            "split": SplitSpec(folds=4, stratify=False),
            "model": ModelSpec(name="mlp", options={"hidden": "16"}),
            "batch": 32,
            "epochs": 6,
        }
        return small(**{**given, **changes})

    return make


def run(pack: Pack) -> journal.FoldHistory:
    result = json.loads(entry.run(to_text(pack)))
    history = journal.read_fold(Path(pack.launches[0].folder))
    assert history is not None
    assert history.end is not None
    assert history.end.status == "finished", (result, history.end.reason)
    return history


def numbers(history: journal.FoldHistory) -> object:
    """All that a fold found, as text: NaN equals itself there."""
    assert history.end is not None
    outcomes = {rule: dataclasses.asdict(outcome) for rule, outcome in history.end.outcomes.items()}
    epochs = [(record.epoch, dict(record.metrics)) for record in history.epochs]
    return json.dumps([epochs, outcomes, dict(history.end.remarks), dict(history.start.floors)], sort_keys=True)


def test_a_table_is_learnt_better_than_by_its_mean(of_a_table, packed) -> None:
    spec = of_a_table(epochs=40, checkpoint_rule="validation_rmse")
    pack = packed(spec)
    history = run(pack)
    declared = history.end.outcomes["validation_rmse"].metrics
    assert history.start.references.keys() == {"loss", "rmse", "mae", "max_error", "r2", "nrmse"}
    assert declared["heldout/rmse"] < 0.9 * history.start.references["rmse"]
    assert declared["heldout/r2"] > 0.2
    assert history.start.floors["linear regression"]["rmse"] < history.start.references["rmse"]
    kept = np.load(Path(pack.launches[0].folder) / "attempt-1" / "predictions.npz")
    assert {"indices", "target", "prediction", "task", "schema"} == set(kept.files)
    error = kept["prediction"] - kept["target"]
    assert np.sqrt((error**2).mean()) == pytest.approx(declared["heldout/rmse"], rel=1e-6)


def test_a_curve_has_its_floors_and_says_of_a_score_why_it_is_none(on_a_curve, packed) -> None:
    history = run(packed(on_a_curve(epochs=1)))
    assert len(history.start.floors) == 6
    metrics = history.end.outcomes["last"].metrics
    assert math.isnan(metrics["heldout/diffusion"]) == ("diffusion" in history.end.remarks)
    assert metrics["heldout/loss"] == metrics["heldout/mae"]


def test_it_resumes_to_the_last_bit_after_a_signal(on_a_curve, of_a_table, packed, left_after) -> None:
    for name, spec in (("curve", on_a_curve()), ("table", of_a_table())):
        calm = run(packed(spec, where=f"{name}-calm"))
        pack = packed(spec, where=name)
        left_after(pack, 2)
        resumed = run(pack)
        assert resumed.start.resumed_epoch == 2
        assert numbers(resumed) == numbers(calm)


@pytest.mark.slow
def test_it_resumes_to_the_last_bit_after_being_killed(on_a_curve, packed, killed_after) -> None:
    spec = on_a_curve(epochs=80)
    calm = run(packed(spec, where="calm"))
    pack = packed(spec)
    killed_after(pack, 30)
    resumed = run(pack)
    assert 0 < resumed.start.resumed_epoch < 80
    assert numbers(resumed) == numbers(calm)


def a_learner(spec: FoldSpec) -> learner.Learner:
    dataset = curve.load(None, spec.data.options)
    kind = tasks.fitting(spec.task, spec.task_options, dataset)
    split = tasks.deal(kind, dataset, spec)
    data = batches.resident(dataset, torch.device("cpu"))
    one = learner.Learner(spec, dataset, data, split, kind(dataset, **spec.task_options))
    one.fit()
    return one


def test_activations_share_scale_weights_and_order(on_a_curve) -> None:
    options = {"loss": "mae"}
    one, other = (
        a_learner(on_a_curve(task_options=options, activation=ActivationSpec(name=name))) for name in ("relu", "elu")
    )
    assert torch.equal(one.task.scale, other.task.scale)
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    third = a_learner(on_a_curve(task_options=options, repeat=1))
    assert any(
        not torch.equal(mine, theirs)
        for mine, theirs in zip(one.model.parameters(), third.model.parameters(), strict=True)
    )


def test_what_is_learnt_of_the_targets_is_in_the_checkpoint(on_a_curve) -> None:
    spec = on_a_curve(task_options={})
    one = a_learner(spec)
    one.train(1, lambda: None)
    state = one.state()
    assert state["task"]["scale"] == pytest.approx(np.std(curve.load(None, {}).values[:7]))
    assert not any(name.startswith("mesh") for name in state["task"])
    other = a_learner(on_a_curve(task_options={}, data=DataSpec(name="curve", options={"points": 9})))
    other.restore(state, epochs=1)
    assert torch.equal(one.task.scale, other.task.scale)


def test_a_users_csv_with_a_numeric_target_is_trained_on(small, packed, tmp_path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    price = 50.0 + 10.0 * x[:, 0] - 5.0 * x[:, 1] + rng.normal(size=120)
    lines = ["size,age,rooms,price", *(",".join(f"{cell:.6f}" for cell in [*row, y]) for row, y in zip(x, price))]  # noqa: B905
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    spec = small(
        task="regression",
        task_options={"quantiles": 4},
        data=DataSpec(name="table", options={"path": "houses.csv", "values": "price"}),
        split=SplitSpec(folds=3),
        model=ModelSpec(name="mlp", options={"hidden": "8"}),
        batch=16,
        epochs=20,
    )
    history = run(packed(spec, data_root=str(tmp_path)))
    best = history.end.outcomes["validation_loss"].metrics
    assert best["heldout/rmse"] < history.start.references["rmse"]
    assert history.start.floors["linear regression"]["rmse"] == pytest.approx(1.0, abs=0.3)
