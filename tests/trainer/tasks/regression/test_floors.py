"""What trivial predictors score, against scikit-learn and scipy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from sklearn.linear_model import LinearRegression

from trainer import batches, learner
from trainer.datasets.reader import Dataset, Mesh
from trainer.datasets.regression.curve import curve
from trainer.datasets.tabular import diabetes
from trainer.spec import FoldSpec, ModelSpec, SplitSpec
from trainer.tasks import task as tasks
from trainer.tasks.regression import floors
from trainer.tasks.regression.task import LINEAR, MEAN, TRUTH


def begun(dataset: Dataset, spec: FoldSpec) -> learner.Learner:
    kind = tasks.fitting(spec.task, spec.task_options, dataset)
    split = tasks.deal(kind, dataset, spec)
    data = batches.resident(dataset, torch.device("cpu"))
    one = learner.Learner(spec, dataset, data, split, kind(dataset, **spec.task_options))
    one.fit()
    return one


@pytest.fixture
def spec(small) -> FoldSpec:  # type: ignore[no-untyped-def]
    found: FoldSpec = small(
        task="regression",
        model=ModelSpec(name="mlp", options={"hidden": "4"}),
        split=SplitSpec(folds=3, stratify=False),
        precision="fp64",
    )
    return found


def test_linear_regression_is_scikit_learns(spec: FoldSpec) -> None:
    data = diabetes.load(None, {"target": "quantity"})
    one = begun(data, spec)
    found = one.floors()
    assert set(found) == {MEAN, LINEAR}
    train, heldout = (one.parts[part].numpy() for part in ("train", "heldout"))
    x, y = data.items[:, 0, 0].astype(np.float64), data.values
    assert y is not None
    said = LinearRegression().fit(x[train], y[train]).predict(x[heldout])
    assert found[LINEAR]["rmse"] == pytest.approx(np.sqrt(((said - y[heldout]) ** 2).mean()), rel=1e-9)
    assert found[MEAN]["mae"] == pytest.approx(np.abs(y[heldout] - y[train].mean()).mean())
    assert found[LINEAR]["rmse"] < found[MEAN]["rmse"]


def test_collinear_and_too_many_features_are_no_obstacle() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 30))
    predict = floors.least_squares(np.c_[x, x], x[:, :1] + 3.0)
    assert predict(np.c_[x, x]) == pytest.approx(x[:, :1] + 3.0)


@pytest.mark.parametrize("shape", [(7,), (6, 5), (5, 4, 6)])
def test_interpolation_is_scipys(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    axes = [np.cumsum(rng.uniform(0.5, 1.5, size)) for size in shape]
    values = rng.normal(size=(*shape, 1))
    asked = np.stack([rng.uniform(axis[0], axis[-1], 40) for axis in axes], axis=-1)
    found = {name: predict(asked) for name, predict in floors.interpolations(axes, values)}
    names = {"linear": "linear", "cubic": "cubic spline", "pchip": "pchip"}
    assert set(found) == {f"{name} interpolation of the mesh" for name in names.values()}
    for method, name in names.items():
        expected = RegularGridInterpolator(axes, values, method=method)(asked)
        assert found[f"{name} interpolation of the mesh"] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_short_axes_have_no_cubic_interpolation() -> None:
    axes = [np.arange(3.0), np.arange(5.0)]
    found = [name for name, _ in floors.interpolations(axes, np.ones((3, 5, 1)))]
    assert found == ["linear interpolation of the mesh"]


def test_a_curve_has_interpolations_and_the_truths_diffusion_beside_its_scores(spec: FoldSpec) -> None:
    data = curve.load(None, {})
    fixed = dataclasses.replace(
        spec,
        split=SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False),
        task_options={"diffusion": True},
        training=dataclasses.replace(spec.training, checkpoint_rule="last"),
    )
    found = begun(data, fixed).floors()
    assert f"{found[TRUTH]['diffusion']:.3e}" == "4.061e-02"
    assert found[TRUTH]["diffusion_excess"] == 0.0
    linear = found["linear interpolation of the mesh"]
    x = data.items[7:, 0, 0, 0]
    said = np.interp(x, data.items[:7, 0, 0, 0], data.values[:7, 0])  # type: ignore[index]
    assert linear["mae"] == pytest.approx(np.abs(said - data.values[7:, 0]).mean())  # type: ignore[index]
    assert linear["diffusion_excess"] == pytest.approx(abs(linear["diffusion"] - found[TRUTH]["diffusion"]))


def test_nodes_that_are_held_out_interpolate_nothing(spec: FoldSpec) -> None:
    nodes = np.arange(40.0)
    data = Dataset(
        name="line",
        items=nodes[:, None, None, None],
        values=np.sin(nodes)[:, None] + 2.0,
        kind="mesh",
        standardise="fold",
        mesh=Mesh(shape=(40,), nodes=np.arange(40)),
        digest="",
    )
    assert set(begun(data, spec).floors()) == {MEAN, LINEAR}


def test_pchip_is_left_out_where_its_mesh_would_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "LARGEST", 100)
    axes = [np.arange(5.0), np.arange(5.0)]
    found = dict(floors.interpolations(axes, np.ones((5, 5, 1))))
    assert np.isnan(found["pchip interpolation of the mesh"](np.random.default_rng(0).uniform(0, 4, (11, 2)))).all()
