"""Where an activation stands in a network: on which axis its features are, and what a model is given to build with."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.models.build import build
from trainer.models.placement import activation_modules, learned_parameters
from trainer.spec import ActivationSpec, ModelSpec

SHAPE = (1, 5, 6)
"""A sequence of 5 steps of 6 features."""


class Drawing(nn.Module):
    """An activation that draws from every global generator."""

    def __init__(self) -> None:
        super().__init__()
        start = torch.rand(()) + float(np.random.random_sample()) + random.random()
        self.gain = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) * self.gain


class Steps(nn.Module):
    """Takes [n, 1, steps, features] as [n, steps, features] and gives logits."""

    def __init__(self, body: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(x[:, 0])
        return self.head(found.mean(1))


class Gated(nn.Module):
    """A recurrent layer's outputs, then a ReLU."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.layer = nn.GRU(features, width, batch_first=True)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.layer(x)[0])


def after(*layers: Callable[[], nn.Module], width: int) -> Callable[..., nn.Module]:
    return lambda *, outputs: Steps(nn.Sequential(*(layer() for layer in layers), nn.ReLU()), width, outputs)


MODELS: dict[str, Callable[..., Any]] = {
    "linear": after(lambda: nn.Linear(6, 7), width=7),
    "norm": after(lambda: nn.Linear(6, 7), lambda: nn.LayerNorm(7), width=7),
    "dropped": after(lambda: nn.Linear(6, 7), lambda: nn.Dropout(0.1), width=7),
    "gated": lambda *, outputs: Steps(Gated(6, 7), 7, outputs),
    "wrong": after(lambda: nn.Linear(6, 7), lambda: nn.Unflatten(2, (7, 1)), lambda: nn.Flatten(1, 2), width=1),
    "steps": after(lambda: nn.Conv1d(5, 8, 1), width=6),
}
GIVEN: list[dict[str, Any]] = []


def noted(model: Callable[[dict[str, Any]], nn.Module]) -> Callable[[dict[str, Any]], nn.Module]:
    def make(given: dict[str, Any]) -> nn.Module:
        GIVEN.append(given)
        return model(given)

    return make


@noted
def plain(given: dict[str, Any]) -> nn.Module:
    activation = given["activation"](9) if "activation" in given else nn.ReLU()
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 9), activation, nn.Linear(9, 10))


def own_places(*, activation: Callable[..., nn.Module], outputs: int, width: int = 7) -> nn.Module:
    """Draws weights before, between and after its activations."""
    layers = [nn.Linear(6, width), activation(width, axis=-1), nn.Linear(width, width), activation(width, axis=2)]
    return Steps(nn.Sequential(*layers), width, outputs)


def wrong_axis(*, activation: Callable[..., nn.Module], outputs: int) -> nn.Module:
    return Steps(nn.Sequential(nn.Linear(6, 7), activation(7)), 7, outputs)  # axis 1 is of the steps


def unsized(*, activation: Callable[..., nn.Module], outputs: int) -> nn.Module:
    return Steps(nn.Sequential(nn.Linear(6, 7), activation()), 7, outputs)


def both(*, activation: Callable[..., nn.Module], outputs: int) -> nn.Module:
    return Steps(nn.Sequential(nn.Linear(6, 7), nn.ReLU(), activation(7, axis=-1)), 7, outputs)


def unused(*, activation: Callable[..., nn.Module], outputs: int) -> nn.Module:
    activation()
    return nn.Sequential(nn.Flatten(), nn.Linear(30, outputs))


def says_outputs(*, outputs: int, input_shape: tuple[int, ...]) -> nn.Module:
    return plain({"outputs": outputs, "input_shape": input_shape})


def says_old(*, channels: int, classes: int) -> nn.Module:
    return plain({"channels": channels, "classes": classes})


def says_all(
    *, channels: int, classes: int, outputs: int, input_shape: tuple[int, ...], activation: Any, width: int
) -> nn.Module:
    return plain(
        {"channels": channels, "classes": classes, "outputs": outputs, "input_shape": input_shape, "width": width,
         "activation": activation}
    )  # fmt: skip


def takes_any(**options: Any) -> nn.Module:
    return plain(options)


def takes_any_and_says(*, activation: Any, **options: Any) -> nn.Module:
    return plain({"activation": activation, **options})


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("placing_lab")
    vars(module).update(vars(sys.modules[__name__]), **MODELS)
    monkeypatch.setitem(sys.modules, "placing_lab", module)
    GIVEN.clear()


def made(
    model: str, activation: str = "relu", params: dict[str, Any] | None = None, options: dict[str, Any] | None = None
) -> nn.Module:
    return build(
        ModelSpec(name=f"placing_lab:{model}", options=options or {}),
        ActivationSpec(name=activation, params=params or {}),
        outputs=10,
        input_shape=SHAPE,
        generator_seed=5,
    )


def weights(model: nn.Module) -> dict[str, Tensor]:
    inside = tuple(f"{name}." for name in activation_modules(model))
    return {name: value for name, value in model.state_dict().items() if not name.startswith(inside)}


CHANNEL = {"granularity": "channel"}


@pytest.mark.parametrize("model", ["linear", "norm", "dropped", "gated", "own_places", "both"])
@pytest.mark.parametrize(("activation", "parameter"), [("apalu", "b.raw"), ("prelu", "slope"), ("lelu", "beta.raw")])
def test_channel_means_a_feature_and_not_a_step_after_such_a_layer(model: str, activation: str, parameter: str) -> None:
    params = {**CHANNEL, "trainable": True} if activation == "lelu" else CHANNEL
    built = made(model, activation, params)
    for module in activation_modules(built).values():
        values = module.get_parameter(parameter)
        assert values.shape == (7,)
        x = -torch.rand(4, 5, 7) - 0.5
        before = module(x)
        with torch.no_grad():
            values[2] += 1.0
        changed = (module(x) - before).abs() > 1e-6
        assert changed[:, :, 2].all()
        assert not changed[:, :, [0, 1, 3, 4, 5, 6]].any()
    assert built(torch.randn(4, *SHAPE)).shape == (4, 10)
    assert built(torch.randn(4, 1, 3, 6)).shape == (4, 10)  # however many steps there are


def test_after_a_convolution_it_means_a_channel() -> None:
    built = made("steps", "prelu", CHANNEL)
    (module,) = activation_modules(built).values()
    assert module.get_parameter("slope").shape == (8,)
    assert built(torch.randn(4, *SHAPE)).shape == (4, 10)


@pytest.mark.parametrize(("activation", "owner"), [("apalu", "APALU"), ("prelu", "PReLU")])
@pytest.mark.parametrize(("model", "axis"), [("wrong_axis", 1), ("wrong", -1)])
def test_another_number_of_features_than_of_parameters_is_refused(
    activation: str, owner: str, model: str, axis: int
) -> None:
    built = made(model, activation, CHANNEL)
    shape = [4, 5, 7] if model == "wrong_axis" else [4, 35, 1]
    with pytest.raises(ValueError, match="parameters for axis") as caught:
        built(torch.randn(4, *SHAPE))
    assert str(caught.value) == (
        f"{owner}: granularity 'channel' has 7 parameters for axis {axis}, got an input of shape {shape}; give the "
        "layer's channels and axis, or use granularity 'layer'"
    )


def test_a_place_that_does_not_say_its_features_is_refused_by_channel_and_taken_by_layer() -> None:
    with pytest.raises(ValueError, match="APALU: channels: got None, accepts a whole number of at least 1 where"):
        made("unsized", "apalu", CHANNEL)
    assert made("unsized", "apalu")(torch.randn(4, *SHAPE)).shape == (4, 10)


def test_a_model_builds_with_the_activation_it_is_given() -> None:
    built = made("own_places", "apalu", CHANNEL)
    assert list(activation_modules(built)) == ["body.1", "body.3"]
    assert learned_parameters(built) == pytest.approx(
        {f"body.{place}/{name}_{what}": value for place in (1, 3)
         for name, start in (("a", 0.55), ("b", 0.065)) for what, value in (("mean", start), ("std", 0.0))}, abs=1e-6
    )  # fmt: skip


def test_its_own_places_and_its_relus_are_both_filled() -> None:
    built = made("both", "apalu")
    assert list(activation_modules(built)) == ["body.1", "body.2"]
    assert not any(isinstance(module, nn.ReLU) for module in built.modules())


def test_an_activation_that_was_made_and_not_put_in_is_no_place() -> None:
    with pytest.raises(ValueError, match=r"found no place for the activation; write nn\.ReLU"):
        made("unused", "apalu")


@pytest.mark.parametrize("activation", ["placing_lab:Drawing", "apalu", "dsrelu", "torch.nn:PReLU"])
def test_what_an_activation_draws_does_not_change_the_weights_around_it(activation: str) -> None:
    expected, found = weights(made("own_places")), weights(made("own_places", activation))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_activation_that_draws_is_repeatable_and_draws_at_each_place() -> None:
    one, other = (learned_parameters(made("own_places", "placing_lab:Drawing")) for _ in range(2))
    assert one == other
    torch.rand(3), np.random.random_sample(), random.random()
    assert learned_parameters(made("own_places", "placing_lab:Drawing")) == one


@pytest.mark.parametrize("model", ["own_places", "takes_any_and_says"])
def test_building_leaves_the_global_generators_alone(model: str) -> None:
    def state() -> tuple[object, ...]:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

    before = state()
    made(model, "placing_lab:Drawing")
    assert state() == before


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("says_outputs", {"outputs", "input_shape"}),
        ("says_old", {"channels", "classes"}),
        ("takes_any", {"channels", "classes", "width"}),
        ("says_all", {"channels", "classes", "outputs", "input_shape", "activation", "width"}),
        ("takes_any_and_says", {"channels", "classes", "activation", "width"}),
    ],
)
def test_a_model_is_given_what_it_names_and_with_any_keyword_channels_and_classes(model: str, names: set[str]) -> None:
    built = made(model, "apalu", options={"width": 3} if "width" in names else {})
    (given,) = GIVEN
    assert given.keys() == names
    known = {"channels": 1, "classes": 10, "outputs": 10, "input_shape": SHAPE, "width": 3}
    assert {name: value for name, value in given.items() if name != "activation"} == {
        name: known[name] for name in names - {"activation"}
    }
    assert built(torch.randn(4, *SHAPE)).shape == (4, 10)
    assert len(activation_modules(built)) == 1


@pytest.mark.parametrize("option", ["channels", "classes", "outputs", "input_shape", "activation"])
@pytest.mark.parametrize("model", ["says_all", "takes_any"])
def test_what_is_filled_in_cannot_be_set(model: str, option: str) -> None:
    with pytest.raises(ValueError, match=f"option '{option}' is filled in for it and cannot be set"):
        made(model, options={option: 3, "width": 3})


@pytest.mark.parametrize("option", ["channels", "feature_axis"])
def test_nor_what_is_filled_in_for_an_activation(option: str) -> None:
    with pytest.raises(ValueError, match=f"activation 'apalu': option '{option}' is filled in for it"):
        made("own_places", "apalu", {option: 2})
