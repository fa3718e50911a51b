"""Arguments of the activations, what they refuse, and that trained parameters stay in their ranges."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from trainer.activations.constrained import FLOOR, Activation
from trainer.catalogue import ACTIVATIONS, resolve


def make(name: str, **params: Any) -> Activation:
    module = resolve("activation", name, ACTIVATIONS)(**params)
    assert isinstance(module, Activation)
    return module


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("dsrelu", {"k": -1}, "DSReLU: k: got -1, accepts a finite number at least 0"),
        ("dsrelu", {"a": 0}, "DSReLU: a: got 0, accepts a finite number above 0"),
        ("dsrelu", {"b": "0.1"}, "DSReLU: b: got '0.1', accepts a finite number above 0"),
        ("dsrelu", {"a": math.nan}, "DSReLU: a: got nan, accepts a finite number above 0"),
        (
            "dsrelu",
            {"progress": "epoh"},
            "DSReLU: progress: got 'epoh', accepts one of epoch, step, epochs, released, constant; "
            "did you mean 'epoch'?",
        ),
        (
            "dsrelu",
            {"t": 0.5},
            "DSReLU: t: got 0.5 with progress 'epoch', accepts 0 unless progress is 'constant'",
        ),
        ("apalu", {"a": -0.5}, "APALU: a: got -0.5, accepts a finite number above 1e-06"),
        ("apalu", {"b": 0.0}, "APALU: b: got 0.0, accepts a finite number above 1e-06"),
        ("apalu", {"trainable": "yes"}, "APALU: trainable: got 'yes', accepts true or false"),
        (
            "apalu",
            {"granularity": "chanel"},
            "APALU: granularity: got 'chanel', accepts one of layer, channel; did you mean 'channel'?",
        ),
        (
            "apalu",
            {"granularity": "channel"},
            "APALU: channels: got None, accepts a whole number of at least 1 where granularity is 'channel'; "
            "a model fills it in for each layer, a module made by hand needs it",
        ),
        (
            "apalu",
            {"granularity": "channel", "channels": 0},
            "APALU: channels: got 0, accepts a whole number of at least 1",
        ),
        ("lelu", {"beta": 1.1}, "LELU: beta: got 1.1, accepts a finite number at least 0 and at most 1"),
        (
            "lelu",
            {"beta": 1, "trainable": True},
            "LELU: beta: got 1.0, accepts a finite number above 0 and below 1",
        ),
        ("alrelu", {"alpha": 2}, "ALReLU: alpha: got 2, accepts a finite number at least 0 and at most 1"),
        ("alrelu", {"alpha": True}, "ALReLU: alpha: got True, accepts a finite number at least 0 and at most 1"),
        ("scaled_leaky_relu", {"s": 0}, "ScaledLeakyReLU: s: got 0, accepts a finite number above 0"),
        ("scaled_leaky_relu", {"scale": 1}, "ScaledLeakyReLU: scale: got 1, accepts true or false"),
        ("leaky_relu", {"negative_slope": math.inf}, "LeakyReLU: negative_slope: got inf, accepts a finite number"),
        ("prelu", {"init": None}, "PReLU: init: got None, accepts a finite number"),
        (
            "prelu",
            {"granularity": "channel"},
            "PReLU: channels: got None, accepts a whole number of at least 1",
        ),
        ("elu", {"alpha": "x"}, "ELU: alpha: got 'x', accepts a finite number"),
        (
            "gelu",
            {"approximate": "tahn"},
            "GELU: approximate: got 'tahn', accepts one of none, tanh; did you mean 'tanh'?",
        ),
        ("softplus", {"beta": 0}, "Softplus: beta: got 0, accepts a finite number above 0"),
        ("softplus", {"threshold": -1}, "Softplus: threshold: got -1, accepts a finite number above 0"),
    ],
)
def test_wrong_arguments_are_refused_in_words(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"accepts") as caught:
        make(name, **params)
    assert str(caught.value) == message


TRAINED = [
    ("apalu", {}, {"a": (FLOOR, math.inf), "b": (FLOOR, math.inf)}),
    ("lelu", {"trainable": True}, {"beta": (0.0, 1.0)}),
    ("alrelu", {"trainable": True}, {"alpha": (0.0, 1.0)}),
]


@pytest.mark.parametrize(("name", "params", "ranges"), TRAINED, ids=lambda item: item if isinstance(item, str) else "")
@pytest.mark.parametrize("granularity", ["layer", "channel"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_trained_parameters_stay_in_their_ranges(
    name: str, params: dict[str, Any], ranges: dict[str, tuple[float, float]], granularity: str, sign: float
) -> None:
    """However hard an optimiser pushes; and the function stays finite."""
    module = make(name, granularity=granularity, channels=3, **params)
    x = torch.linspace(-3.0, 3.0, 24).view(2, 3, 4)
    for optimizer in (torch.optim.Adam(module.parameters(), lr=1.0), torch.optim.SGD(module.parameters(), lr=1e4)):
        for _ in range(30):
            optimizer.zero_grad()
            (sign * module(x)).sum().backward()
            optimizer.step()
            for parameter, (low, high) in ranges.items():
                value = module.trained()[parameter]
                assert value.isfinite().all()
                assert (value >= low).all()
                assert (value <= high).all()
        assert module(x).isfinite().all()


@pytest.mark.parametrize(
    ("name", "params", "start"),
    [
        ("apalu", {}, {"a": 0.55, "b": 0.065}),
        ("apalu", {"a": 30.0, "b": 2e-6}, {"a": 30.0, "b": 2e-6}),
        (
            "apalu",
            {"granularity": "channel", "channels": 5},
            {"a_mean": 0.55, "a_std": 0.0, "b_mean": 0.065, "b_std": 0.0},
        ),
        ("apalu", {"trainable": False}, {}),
        ("lelu", {}, {}),
        ("lelu", {"trainable": True, "beta": 0.3}, {"beta": 0.3}),
        ("alrelu", {"trainable": True}, {"alpha": 0.01}),
        ("prelu", {}, {"slope": 0.25}),
        ("prelu", {"granularity": "channel", "channels": 2}, {"slope_mean": 0.25, "slope_std": 0.0}),
        ("dsrelu", {}, {}),
        ("relu", {}, {}),
    ],
)
def test_learned_tells_the_values_at_the_start(name: str, params: dict[str, Any], start: dict[str, float]) -> None:
    assert make(name, **params).learned() == pytest.approx(start, rel=1e-5, abs=1e-7)


def test_learned_tells_mean_and_spread_over_channels() -> None:
    module = make("prelu", granularity="channel", channels=2)
    with torch.no_grad():
        module.get_parameter("slope").copy_(torch.tensor([0.1, 0.5]))
    assert module.learned() == pytest.approx({"slope_mean": 0.3, "slope_std": 0.2})


def test_making_an_activation_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    for name in ACTIVATIONS:
        make(name)
    make("apalu", granularity="channel", channels=4)
    assert torch.equal(before, torch.get_rng_state())


def test_each_channel_has_its_own_parameter() -> None:
    module = make("apalu", granularity="channel", channels=2)
    with torch.no_grad():
        module.get_parameter("a.raw").copy_(torch.tensor([0.0, 5.0]))
    y = module(torch.ones(1, 2, 3, 3))
    assert y[0, 0].unique().numel() == 1
    assert y[0, 1, 0, 0] > 5 * y[0, 0, 0, 0]
    module(torch.ones(1, 2, 3, 3))[:, 0].sum().backward()
    gradient = module.get_parameter("a.raw").grad
    assert gradient is not None
    assert gradient[0] != 0
    assert gradient[1] == 0


def test_the_control_equals_dsrelu_at_a_constant_slope() -> None:
    x = torch.linspace(-4.0, 4.0, 101)
    moving = make("dsrelu", a=3.7321, b=0.5774, k=5, progress="constant", t=0.2)
    slope = moving.slope().item()  # type: ignore[operator]
    torch.testing.assert_close(make("scaled_leaky_relu", s=slope, scale=True)(x), moving(x))
    torch.testing.assert_close(make("scaled_leaky_relu", s=slope)(x) * slope, moving(x))
