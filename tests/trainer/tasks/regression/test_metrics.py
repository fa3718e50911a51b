"""The task's loss and metrics against scikit-learn's, and what it says where one has no value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import max_error, mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler

from trainer.datasets.reader import Dataset
from trainer.tasks.regression.task import Regression


def dataset(values: np.ndarray, items: np.ndarray | None = None, **facts: object) -> Dataset:
    items = np.arange(len(values), dtype=np.float64)[:, None] if items is None else items
    return Dataset(name="points", items=items[:, None, None], values=values, kind="table", digest="", **facts)  # type: ignore[arg-type]


def fitted(train: np.ndarray, **options: object) -> Regression:
    task = Regression(dataset(train), **options)  # type: ignore[arg-type]
    task.fit(torch.from_numpy(train), lambda: torch.empty(0))
    return task


def drawn(seed: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training targets, targets and scaled outputs; the columns in very different units."""
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.integers(-3, 4, columns)
    return (
        rng.normal(5.0, 2.0, (rows, columns)) * units,
        rng.normal(5.0, 2.0, (rows, columns)) * units,
        rng.normal(size=(rows, columns)),
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), rows=st.integers(2, 40), columns=st.integers(1, 3), loss=st.sampled_from(["mse", "mae"])
)
def test_metrics_are_scikit_learns_in_raw_units(seed: int, rows: int, columns: int, loss: str) -> None:
    train, true, outputs = drawn(seed, rows, columns)
    found = fitted(train, loss=loss).measure(torch.from_numpy(outputs), torch.from_numpy(true), "heldout")
    scaler = StandardScaler().fit(train)
    said = scaler.inverse_transform(outputs)
    scaled = scaler.transform(true)
    expected = {
        "loss": ((outputs - scaled) ** 2).mean() if loss == "mse" else np.abs(outputs - scaled).mean(),
        "rmse": root_mean_squared_error(true, said),
        "mae": mean_absolute_error(true, said),
        "max_error": max(max_error(true[:, column], said[:, column]) for column in range(columns)),
        "r2": r2_score(true, said),
        "nrmse": np.sqrt((((said - true) / train.std(axis=0)) ** 2).mean()),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_the_measured_loss_is_what_a_step_minimises(loss: str) -> None:
    train, true, outputs = drawn(3, 30, 2)
    task = fitted(train, loss=loss)
    step = task.loss(torch.from_numpy(outputs), torch.from_numpy(true))
    assert task.measure(torch.from_numpy(outputs), torch.from_numpy(true), "train")["loss"] == pytest.approx(
        float(step)
    )


def test_targets_that_are_not_scaled_are_left_alone_and_still_give_an_nrmse() -> None:
    train, true, outputs = drawn(4, 30, 1)
    found = fitted(train, scale_targets=False).measure(torch.from_numpy(outputs), torch.from_numpy(true), "heldout")
    assert found["loss"] == pytest.approx(((outputs - true) ** 2).mean())
    assert found["nrmse"] == pytest.approx(found["rmse"] / train.std())


def test_a_float32_model_may_be_asked_for_float64_targets() -> None:
    train, true, outputs = drawn(5, 12, 1)
    task = fitted(train)
    step = task.loss(torch.from_numpy(outputs).float().requires_grad_(), torch.from_numpy(true))
    assert step.dtype == torch.float32
    step.backward()


def test_r2_of_a_constant_part_is_nan_and_says_why() -> None:
    train, true, outputs = drawn(6, 10, 1)
    task = fitted(train)
    constant = np.full_like(true, 2.5)
    found = task.measure(torch.from_numpy(outputs), torch.from_numpy(constant), "heldout")
    assert math.isnan(found["r2"])
    assert all(math.isfinite(value) for name, value in found.items() if name != "r2")
    assert task.remarks() == {"r2": "the target is constant in the held-out part"}
    task.measure(torch.from_numpy(outputs), torch.from_numpy(true), "heldout")
    assert task.remarks() == {}


def test_one_constant_column_of_two_makes_the_mean_r2_nan() -> None:
    train, true, outputs = drawn(7, 10, 2)
    true[:, 1] = 1.0
    assert math.isnan(fitted(train).measure(torch.from_numpy(outputs), torch.from_numpy(true), "heldout")["r2"])


def test_knowing_nothing_is_the_training_mean() -> None:
    train, true, _ = drawn(8, 25, 1)
    found = fitted(train).references(torch.from_numpy(train), torch.from_numpy(true))
    said = np.full_like(true, train.mean())
    assert found["rmse"] == pytest.approx(root_mean_squared_error(true, said))
    assert found["r2"] == pytest.approx(r2_score(true, said))
    assert found["loss"] == pytest.approx((((true - train.mean()) / train.std()) ** 2).mean())


def test_predictions_are_in_raw_units() -> None:
    train, true, outputs = drawn(9, 25, 2)
    found = fitted(train).predictions(torch.from_numpy(outputs), torch.from_numpy(true))
    assert found["prediction"] == pytest.approx(outputs * train.std(axis=0) + train.mean(axis=0))
    assert np.array_equal(found["target"], true)
