"""The distance of two activations: held to scipy's integrals and closed forms, and what it refuses to compare."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from trainer.activations.distance import SAME, NoFunction, becomes, course, distance, distances
from trainer.catalogue import ACTIVATIONS
from trainer.spec import ActivationSpec

LAB = """
import torch
from torch import nn
from torch.nn import functional

class Shifted(nn.Module):
    def __init__(self, at=0.0):
        super().__init__()
        self.at = at
    def forward(self, x):
        return torch.relu(x - self.at)

class InPlace(nn.Module):
    def forward(self, x):
        return x.relu_()

class Pictures(nn.Module):
    def forward(self, x):
        if x.ndim != 4:
            raise ValueError("pictures only")
        return torch.relu(x)

class Straight(nn.Module):
    # a step whose slope is said to be 1, as a straight-through estimator's
    def forward(self, x):
        return x + ((x > 0).to(x.dtype) - x).detach()

class Step(nn.Module):
    def forward(self, x):
        return (x > 0).to(x.dtype)

class Random(nn.Module):
    def forward(self, x):
        return x * torch.rand_like(x)

class Huge(nn.Module):
    def forward(self, x):
        return torch.exp(x ** 6)

class Pairs(nn.Module):
    def forward(self, x):
        return torch.cat([x, x])

class Random_start(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.randn(1))
    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)
"""


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "distance_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))


def of(name: str, **params: float | str | bool) -> ActivationSpec:
    return ActivationSpec(name=name, params=params)


def apart(one: ActivationSpec, other: ActivationSpec, epochs: int = 10) -> float:
    return distance(course(one, epochs), course(other, epochs))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of("alrelu", alpha=0.0), of("relu")),
        (of("lelu", beta=0.0), of("elu")),
        (of("leaky_relu", negative_slope=0.0), of("relu")),
        (of("scaled_leaky_relu", s=1.0), of("leaky_relu", negative_slope=1.0)),
        (of("dsrelu", progress="step"), of("dsrelu")),
        (of("torch.nn:ReLU"), of("relu")),
        (of("distance_lab:InPlace"), of("relu")),
        (of("distance_lab:Pictures"), of("relu")),
        (of("distance_lab:Shifted", at=0.0), of("relu")),
    ],
)
def test_what_is_one_function_by_its_formula_has_no_distance(one: ActivationSpec, other: ActivationSpec) -> None:
    assert apart(one, other) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of("alrelu", alpha=0.01), of("leaky_relu", negative_slope=0.01)),
        (of("alrelu", alpha=0.01), of("relu")),
        (of("gelu"), of("silu")),
        (of("selu"), of("elu")),
        (of("distance_lab:Straight"), of("distance_lab:Step")),
    ],
)
def test_what_differs_is_not_called_the_same(one: ActivationSpec, other: ActivationSpec) -> None:
    assert apart(one, other) > 5 * SAME


@pytest.mark.parametrize("slope", [0.5, 0.001, -0.2])
def test_a_leak_has_its_closed_form(slope: float) -> None:
    assert apart(of("leaky_relu", negative_slope=slope), of("relu")) == pytest.approx(abs(slope) * math.sqrt(0.5))


def test_smooth_functions_have_scipys_integrals() -> None:
    """GELU and SiLU, value and slope, by adaptive quadrature of their formulas."""
    phi, cdf = stats.norm.pdf, stats.norm.cdf

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def value(x: float) -> float:
        return x * cdf(x) - x * sigmoid(x)

    def slope(x: float) -> float:
        s = sigmoid(x)
        return cdf(x) + x * phi(x) - s - x * s * (1 - s)

    exact = [math.sqrt(integrate.quad(lambda x, f=f: f(x) ** 2 * phi(x), -9, 9)[0]) for f in (value, slope)]
    assert apart(of("gelu"), of("silu")) == pytest.approx(max(exact), rel=1e-8)


@pytest.mark.parametrize("at", [0.03, 0.3, -0.77, 1.234])
def test_a_bend_that_one_alone_has_is_known_as_well_as_stated(at: float) -> None:
    """relu(x) against relu(x - c): the values' distance by quadrature to 1e-3, the slopes' to a tenth of the jump."""
    values, slopes = course(of("distance_lab:Shifted", at=at)), course(of("relu"))
    expected = integrate.quad(
        lambda x: (max(x - at, 0) - max(x, 0)) ** 2 * stats.norm.pdf(x), -9, 9, points=sorted((0.0, at)), limit=200
    )[0]
    found = float((values.values - slopes.values).square().sum().sqrt())
    assert found == pytest.approx(math.sqrt(expected), abs=1e-3)
    between = abs(stats.norm.cdf(at) - stats.norm.cdf(0))
    assert float((values.slopes - slopes.slopes).square().sum().sqrt()) == pytest.approx(math.sqrt(between), abs=0.1)


def test_it_is_a_distance() -> None:
    """Symmetric, and no way round is shorter; a table of them says what each pair says."""
    specs = [of(name) for name in sorted(ACTIVATIONS)] + [of("dsrelu", progress="released"), of("dsrelu", k=9.0)]
    courses = [course(spec, 5) for spec in specs]
    table = distances(courses, courses).numpy()
    exact = np.array([[distance(a, b) for b in courses] for a in courses])
    assert np.allclose(table, exact, atol=2e-6)
    assert np.array_equal(exact, exact.T)
    assert (exact[:, None, :] <= exact[:, :, None] + exact[None, :, :] + 1e-9).all()


def test_a_schedule_is_compared_at_every_moment_of_training() -> None:
    """Of one epoch's t and of the other's: the same slope at the start is not the same function."""
    held = of("dsrelu", progress="constant", t=0.0)
    assert apart(of("dsrelu"), held) > 1
    assert apart(of("dsrelu", progress="released"), of("dsrelu")) > 1
    assert apart(of("dsrelu", progress="released"), held) > 1, "its first layer moves"
    assert apart(of("dsrelu", k=0.0), of("dsrelu", k=0.0, progress="constant")) == pytest.approx(0, abs=1e-12)
    # Over in the first epoch of twenty.
    assert apart(of("dsrelu", progress="epochs", k=40.0), of("dsrelu", progress="epochs", k=5.0), 20) > 0.1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("torch.nn:Softmax", "more than its own input"),
        ("distance_lab:Random", "more than its own input"),
        ("distance_lab:Huge", "not finite at an input of size"),
        ("distance_lab:Pairs", "not as many numbers as it takes"),
        ("torch.nn:GLU", "raises RuntimeError"),
    ],
)
def test_what_is_no_function_of_one_number_is_refused_with_the_reason(name: str, why: str) -> None:
    spec = of(name, dim=0) if name == "torch.nn:Softmax" else of(name)
    with pytest.raises(NoFunction, match=why):
        course(spec)


def test_it_leaves_the_callers_random_numbers_alone_and_draws_a_start_alike() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert apart(of("distance_lab:Random_start"), of("distance_lab:Random_start")) == 0
    assert torch.equal(torch.get_rng_state(), before)


def test_what_can_learn_to_be_another_is_found() -> None:
    assert becomes(of("prelu"), course(of("leaky_relu")))
    assert becomes(of("lelu", trainable=True), course(of("elu")))
    assert not becomes(of("prelu"), course(of("gelu")))
    assert not becomes(of("relu"), course(of("relu"))), "nothing of it is trained"
    assert not becomes(of("prelu"), course(of("dsrelu"), 3))


def test_what_the_report_computes_without_torch_is_the_same() -> None:
    """The formulas of analysis, for every activation of the catalogue and what their parameters do."""
    from analysis.statistics import functions

    specs = [
        *(of(name) for name in sorted(ACTIVATIONS)),
        *(of("softplus", beta=2.0), of("softplus", threshold=1.0), of("scaled_leaky_relu", s=3.0, scale=True)),
        *(of("alrelu", alpha=0.2, trainable=True), of("dsrelu", k=9.0), of("dsrelu", progress="constant", t=0.4)),
        *(of("apalu", a=0.4, b=0.9), of("elu", alpha=0.3), of("lelu", beta=0.9)),
    ]
    courses = [course(spec, 1) for spec in specs]
    expected = np.array([[distance(a, b) for b in courses] for a in courses])
    found = np.array([[functions.distance((a.name, a.params), (b.name, b.params)) for b in specs] for a in specs])
    # GELU's approximation is not written out again.
    assert np.allclose(found, expected, atol=1e-6)
    learning = [functions.learns(spec.name, spec.params) for spec in specs]
    assert learning == [one.learns for one in courses]
