"""The diffusion of a model on a mesh: against loops written from the paper's formulas, and the values known of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from trainer.datasets.reader import Dataset, Mesh
from trainer.datasets.regression.curve import curve, value
from trainer.tasks.regression import diffusion
from trainer.tasks.regression.task import Regression


def slow(values: np.ndarray, function: Callable[[np.ndarray], float]) -> float:
    """The score by loops over nodes and diagonals: ``values`` at the nodes, ``function`` of mesh coordinates."""
    axes = values.ndim
    diagonals = {1: [(1,)], 2: [(1, 1), (1, -1)], 3: [(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)]}[axes]
    errors = []
    for node in itertools.product(*(range(1, size - 1) for size in values.shape)):
        here = np.array(node)
        reference = model = 0.0
        for diagonal in diagonals:
            step = np.array(diagonal)
            ahead, behind, centre = values[tuple(here + step)], values[tuple(here - step)], values[node]
            reference += abs(ahead + behind - 2 * centre) / (ahead + behind + 2 * centre)
            p = function(here + step) + function(here - step)
            q = function(here + 0.5 * step) + function(here - 0.5 * step)
            model += abs(p - q) / (p + q)
        errors.append(model / (3 * axes * 0.5 * 0.5) - reference / (axes * 1 * 1))
    return math.sqrt(np.mean(np.square(errors)))


def wavy(at: np.ndarray) -> float:
    turned = at + 0.3 * np.roll(at, 1)
    return 3.0 + math.sin(1.7 * turned[0]) + 0.1 * sum((axis + 1) * turned[axis] ** 2 for axis in range(len(at)))


@pytest.mark.parametrize("shape", [(3,), (9,), (4, 6), (3, 3), (4, 3, 5), (6, 4, 3)])
def test_score_is_that_of_loops_over_nodes_and_diagonals(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 2.0, shape)
    nodes = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float)
    centres = diffusion.centres_of(torch.from_numpy(nodes)).numpy()
    at_nodes = np.array([wavy(at) for at in nodes.reshape(-1, len(shape))]).reshape(shape)
    between = np.array([wavy(at) for at in centres]).reshape([size - 1 for size in shape])
    found = diffusion.score(*map(torch.from_numpy, (values, at_nodes, between)))
    assert float(found) == pytest.approx(slow(values, wavy), rel=1e-12)


@pytest.mark.parametrize(
    ("target", "points", "printed"),
    [("tanh", 7, "4.061e-02"), ("tanh", 14, "1.296e-02"), ("exponential", 12, "2.907e-04")],
)
def test_exact_functions_score_what_is_known_of_them(target: str, points: int, printed: str) -> None:
    data = curve.load(None, {"target": target, "points": points})
    task = Regression(data, diffusion=True)
    assert task.mesh is not None
    assert task.mesh.truth is not None
    assert f"{task.mesh.truth:.3e}" == printed


@pytest.mark.parametrize("axis_count", [1, 2, 3])
def test_a_mesh_is_told_by_its_nodes_whatever_the_order_of_the_items(axis_count: int) -> None:
    shape = (5, 4, 3)[:axis_count]
    nodes = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float).reshape(-1, axis_count)
    values = np.array([wavy(at) for at in nodes])
    order = np.random.default_rng(1).permutation(len(nodes))
    data = Dataset(
        name="shuffled",
        items=nodes[order][:, None, None],
        values=values[order][:, None],
        kind="mesh",
        mesh=Mesh(shape=shape, nodes=np.argsort(order)),
        digest="",
    )
    assert Regression.misfit(data, diffusion=True) == ""
    task = Regression(data, diffusion=True)
    assert task.mesh is not None
    score, why = task.mesh.score(
        lambda items: torch.tensor([wavy(at) for at in items.flatten(1).numpy()], dtype=torch.float64)
    )
    assert why == ""
    assert score == pytest.approx(slow(values.reshape(shape), wavy), rel=1e-12)


class Fixed:
    """A view whose model is a function of the stored items."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.function = function

    def outputs_of(self, items: torch.Tensor) -> torch.Tensor:
        return self.function(items.flatten(1))


def test_the_true_curve_has_no_excess_and_a_straight_line_has_one_on_the_other_side() -> None:
    data = curve.load(None, {})
    task = Regression(data, scale_targets=False, diffusion=True)
    exact = task.outcome(Fixed(lambda x: torch.from_numpy(value("tanh", x.numpy()))))  # type: ignore[arg-type]
    assert exact["diffusion_excess"] == pytest.approx(0.0, abs=1e-15)
    smoother = task.outcome(Fixed(lambda x: 0.2 + x * 0.0))  # type: ignore[arg-type]
    assert smoother["diffusion_excess"] == pytest.approx(abs(smoother["diffusion"] - exact["diffusion"]))
    assert task.remarks() == {}


@pytest.mark.parametrize("low", [-0.25, 0.0])
def test_a_prediction_that_is_not_above_0_has_no_score_and_says_why(low: float) -> None:
    data = curve.load(None, {})
    task = Regression(data, scale_targets=False, diffusion=True)
    found = task.outcome(Fixed(lambda x: x.abs() + low))  # type: ignore[arg-type]
    assert math.isnan(found["diffusion"])
    assert math.isnan(found["diffusion_excess"])
    assert set(task.remarks()) == {"diffusion", "diffusion_excess"}
    assert task.remarks()["diffusion"].startswith(f"the model gives {low:.3g} on the mesh")


def test_without_a_known_function_the_excess_alone_has_no_value() -> None:
    known = curve.load(None, {})
    assert known.mesh is not None
    data = Dataset(
        name="map",
        items=known.items,
        values=known.values,
        kind="mesh",
        mesh=Mesh(shape=known.mesh.shape, nodes=known.mesh.nodes),
        digest="",
    )
    task = Regression(data, scale_targets=False, diffusion=True)
    found = task.outcome(Fixed(lambda x: x + 2.0))  # type: ignore[arg-type]
    assert found["diffusion"] > 0
    assert math.isnan(found["diffusion_excess"])
    assert task.remarks() == {"diffusion_excess": "the true function is not known, nor what it would score"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mesh": None}, "declares no structured mesh"),
        ({"mesh": Mesh(shape=(6,), nodes=np.arange(7))}, "7 items for 6 nodes"),
        ({"mesh": Mesh(shape=(7,), nodes=np.array([0, 1, 2, 3, 4, 5, 5]))}, "6 items for 7 nodes"),
        ({"mesh": Mesh(shape=(7,), nodes=np.arange(7) + 1000)}, "node numbers up to 1006 for 1006 items"),
        ({"mesh": Mesh(shape=(7,), nodes=np.arange(7)[::-1].copy())}, "does not rise along axis 0"),
        ({"mesh": Mesh(shape=(2,), nodes=np.arange(2))}, "its mesh is 2; diffusion takes 1 to 3 axes of 3 nodes"),
        ({"mesh": Mesh(shape=(7, 1), nodes=np.arange(7))}, "its mesh is 7 x 1"),
        ({"values": -np.ones((1006, 1)) + np.arange(1006)[:, None]}, "above 0 alone, and the mesh has -1"),
        ({"values": np.arange(2012.0).reshape(1006, 2) + 1}, "defined for one target, and there are 2"),
    ],
)
def test_what_diffusion_cannot_be_measured_on_is_refused(change: dict[str, object], told: str) -> None:
    import dataclasses

    data = dataclasses.replace(curve.load(None, {}), **change)  # type: ignore[arg-type]
    assert told in Regression.misfit(data, diffusion=True)
    assert Regression.misfit(data) == ""
