"""Models: their initial weights, and the activations in the places of their ReLUs."""

from __future__ import annotations

import copy
import random
import sys
import types
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from trainer.activations.progress import tie
from trainer.catalogue import ACTIVATIONS, MODELS
from trainer.errors import UnknownName
from trainer.models.build import build
from trainer.models.placement import activation_modules, learned_parameters
from trainer.spec import ActivationSpec, ModelSpec

TOKENS = {"text_cnn", "text_gru"}
OF_A_TASK = {"flow", "cloner"}
"""Whose outputs are what the task anomaly reads, not numbers for an item."""


class Plain(nn.Module):
    """An activation of a user's own: it knows nothing of channels and draws random numbers."""

    def __init__(self, scale: float = 2.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale * torch.rand(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.sin(x)


class PerChannel(nn.Module):
    """Another, which asks for its channels."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) * self.gain


class Shared(nn.Module):
    """A model of a user's own with one ReLU in two places."""

    def __init__(self, *, channels: int, classes: int, width: int) -> None:
        super().__init__()
        act = nn.ReLU()
        self.first = nn.Conv2d(channels, width, 3)
        self.act = act
        self.second = nn.Sequential(nn.Conv2d(width, classes, 3), act)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.act(self.first(x))).mean((2, 3))


@pytest.fixture(autouse=True)
def mylab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("mylab_act")
    vars(module).update(
        Plain=Plain,
        PerChannel=PerChannel,
        Shared=Shared,
        number=3,
        text=lambda **_: "text",
        no_relu=lambda *, channels, classes: nn.Linear(channels, classes),
    )
    monkeypatch.setitem(sys.modules, "mylab_act", module)


def made(
    model: str = "tiny_cnn",
    activation: str = "relu",
    params: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    channels: int = 1,
    classes: int = 10,
    seed: int = 5,
    size: tuple[int, int] = (8, 8),
) -> nn.Module:
    return build(
        ModelSpec(name=model, options=options or {}),
        ActivationSpec(name=activation, params=params or {}),
        outputs=classes,
        input_shape=(channels, *size),
        generator_seed=seed,
    )


def weights(model: nn.Module) -> dict[str, Tensor]:
    """All that is no activation's."""
    inside = tuple(f"{name}." for name in activation_modules(model))
    return {name: value for name, value in model.state_dict().items() if not name.startswith(inside)}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("name", "modules", "applications"), [("resnet34", 17, 33), ("resnet18", 9, 17)])
def test_every_relu_of_a_resnet_is_replaced(name: str, modules: int, applications: int) -> None:
    model = made(name, "dsrelu", options={"stem": "small"})
    calls: Counter[nn.Module] = Counter()
    for module in activation_modules(model).values():
        module.register_forward_hook(lambda module, _inputs, _output: calls.update([module]))
    model(torch.randn(2, 1, 8, 8))
    assert len(activation_modules(model)) == modules
    assert len(set(activation_modules(model).values())) == modules
    assert calls.total() == applications
    assert sorted(calls.values()) == [1] + [2] * (modules - 1)
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())


def test_the_first_activation_of_a_resnet_is_its_stem() -> None:
    model = made("resnet18", "dsrelu", {"progress": "released"})
    assert next(iter(activation_modules(model))) == "relu"
    progress = tie(model)
    assert progress is not None
    progress.set_epoch(2, 3, 10)
    slopes = [module.get_buffer("t").item() for module in activation_modules(model).values()]
    assert slopes == pytest.approx([0.2] + [0.0] * 8)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_initial_weights_do_not_depend_on_the_activation(activation: str) -> None:
    assert same(weights(made(activation=activation)), weights(made(activation="relu")))


@pytest.mark.parametrize(
    ("activation", "params"),
    [
        ("apalu", {"granularity": "channel"}),
        ("lelu", {"trainable": True}),
        ("mylab_act:Plain", {"scale": 3.0}),
        ("mylab_act:PerChannel", {}),
        ("torch.nn:Hardswish", {}),
    ],
)
@pytest.mark.parametrize("model", ["tiny_cnn", "resnet18"])
def test_nor_on_its_parameters_or_origin(model: str, activation: str, params: dict[str, Any]) -> None:
    assert same(weights(made(model, activation, params)), weights(made(model)))


@pytest.mark.parametrize("model", sorted(MODELS.keys() - TOKENS))
def test_initial_weights_are_a_function_of_the_seed(model: str) -> None:
    first = weights(made(model))
    torch.rand(3)
    assert same(first, weights(made(model)))
    assert not same(first, weights(made(model, seed=6)))


def drawn_elsewhere(*, channels: int, classes: int) -> nn.Module:
    """A model whose weights come from numpy's and Python's own generators."""
    layer = nn.Linear(channels * 64, classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.random.standard_normal(layer.weight.shape)))
        layer.bias.fill_(random.random())
    return nn.Sequential(nn.Flatten(), nn.ReLU(), layer)


def test_a_model_that_draws_from_numpy_pairs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drawing_lab", sys.modules[__name__])
    before = np.random.get_state()[1].tolist(), random.getstate()
    first, second = (weights(made("drawing_lab:drawn_elsewhere", activation=name)) for name in ("relu", "elu"))
    assert same(first, second)
    assert not same(first, weights(made("drawing_lab:drawn_elsewhere", seed=6)))
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    made("resnet18", "mylab_act:Plain")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("options", [{}, {"width": 64}, {"stem": "imagenet", "width": 64}])
@pytest.mark.parametrize("name", ["resnet34", "resnet18"])
def test_a_resnet_is_torchvisions(name: str, options: dict[str, Any]) -> None:
    model = made(name, channels=3, classes=7, options=options)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        original = getattr(torchvision.models, name)(num_classes=7)
    assert same(dict(model.state_dict()), dict(original.state_dict()))
    x = torch.randn(2, 3, 33, 47)
    torch.testing.assert_close(model(x), original(x))


@pytest.mark.parametrize("model", sorted(MODELS.keys() - TOKENS - OF_A_TASK))
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 8, 8), (3, 32, 32), (1, 1, 187), (5, 9, 4)], ids=lambda number: str(number)
)
def test_any_input_channels_and_sizes(model: str, channels: int, height: int, width: int) -> None:
    network = made(model, channels=channels, classes=4, size=(height, width))
    logits = network(torch.randn(2, channels, height, width))
    assert logits.shape == (2, 4)
    assert logits.isfinite().all()


def test_small_stem_keeps_the_size_and_starts_as_torchvisions_convolutions_do() -> None:
    model = made("resnet18", options={"stem": "small"}, channels=2)
    stem = model.get_submodule("conv1")
    assert isinstance(stem, nn.Conv2d)
    assert stem(torch.randn(1, 2, 9, 9)).shape == (1, 64, 9, 9)
    assert model.get_submodule("maxpool")(torch.ones(1, 1, 9, 9)).shape == (1, 1, 9, 9)
    # He et al., fan-out: variance 2 / (3 * 3 * 64)
    assert stem.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.1)


@pytest.mark.parametrize("stem", ["small", "imagenet"])
def test_a_resnet_of_the_default_width_starts_with_the_weights_it_always_had(stem: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        before = torchvision.models.resnet34(num_classes=10)
        edge, stride, padding = (3, 1, 1) if stem == "small" else (7, 2, 3)
        before.conv1 = nn.Conv2d(1, 64, kernel_size=edge, stride=stride, padding=padding, bias=False)
        nn.init.kaiming_normal_(before.conv1.weight, mode="fan_out", nonlinearity="relu")
    assert same(dict(made("resnet34", options={"stem": stem}).state_dict()), dict(before.state_dict()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stem", ["small", "imagenet"])
@pytest.mark.parametrize("width", [1, 6, 16, 96])
def test_every_stage_scales_with_the_width(width: int, stem: str, channels: int) -> None:
    options = {"stem": stem, "width": width}
    model = made("resnet18", "apalu", {"granularity": "channel"}, options, channels=channels, classes=4)
    full = made("resnet18", "apalu", {"granularity": "channel"}, {"stem": stem}, channels=channels, classes=4)
    reference = full.state_dict()
    assert model.state_dict().keys() == reference.keys()
    for name, value in model.state_dict().items():
        kept = (channels, 4)  # of the data, on the first layer's and the last layer's outer side
        outer = {"conv1.weight": (1, kept[0]), "fc.weight": (0, kept[1]), "fc.bias": (0, kept[1])}.get(name)
        scaled = [
            size if size < 64 or (outer and axis == outer[0]) else size * width // 64
            for axis, size in enumerate(reference[name].shape)
        ]
        assert list(value.shape) == scaled, name
    assert model(torch.randn(2, channels, 9, 9)).shape == (2, 4)


def test_a_narrow_resnet_starts_as_torchvisions_wide_one_does() -> None:
    model = made("resnet34", options={"stem": "small", "width": 32})
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):  # He et al., fan-out
            fan = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            few = 4 / module.weight.numel() ** 0.5
            assert module.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=max(few, 0.02)), name
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight)), name
            assert not module.bias.any(), name
        elif isinstance(module, nn.Linear):  # torch's own, uniform to 1 / sqrt(fan-in)
            assert module.weight.abs().max().item() == pytest.approx(256**-0.5, rel=0.01)
    wide = made("resnet34", options={"stem": "small"})
    few, many = (sum(p.numel() for p in net.parameters()) for net in (model, wide))
    assert few == pytest.approx(many / 4, rel=0.01)


def test_tiny_cnn_is_tiny() -> None:
    model = made(activation="apalu")
    assert sum(value.numel() for value in weights(model).values() if value.is_floating_point()) < 2000
    assert len(activation_modules(model)) == 2


def test_per_channel_parameters_have_their_layers_width() -> None:
    model = made("resnet18", "apalu", {"granularity": "channel"}, {"stem": "small"})
    widths = {name: module.get_parameter("a.raw").numel() for name, module in activation_modules(model).items()}
    assert widths["relu"] == 64
    assert widths["layer1.0.relu"] == 64
    assert widths["layer2.0.relu"] == 128
    assert widths["layer4.1.relu"] == 512
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    assert [
        m.get_parameter("gain").shape[0] for m in activation_modules(made(activation="mylab_act:PerChannel")).values()
    ] == [8, 16]


def test_learned_parameters_by_layer() -> None:
    assert learned_parameters(made()) == {}
    assert learned_parameters(made(activation="apalu")) == pytest.approx(
        {"2/a": 0.55, "2/b": 0.065, "5/a": 0.55, "5/b": 0.065}
    )
    assert learned_parameters(made(activation="prelu", params={"granularity": "channel"})) == pytest.approx(
        {"2/slope_mean": 0.25, "2/slope_std": 0.0, "5/slope_mean": 0.25, "5/slope_std": 0.0}
    )
    assert list(learned_parameters(made(activation="mylab_act:Plain"))) == ["2/scale", "5/scale"]
    assert len(learned_parameters(made("resnet34", "apalu"))) == 17 * 2


def test_learned_parameters_follow_training() -> None:
    model = made(activation="lelu", params={"trainable": True})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    model(torch.randn(4, 1, 8, 8)).square().sum().backward()
    optimizer.step()
    learned = learned_parameters(model)
    assert all(0 < value < 1 and abs(value - 0.4) > 1e-3 for value in learned.values())
    assert learned_parameters(copy.deepcopy(model)) == learned


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_trains_under_autocast(activation: str) -> None:
    model = made(activation=activation)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(torch.randn(4, 1, 8, 8))
    nn.functional.cross_entropy(logits.float(), torch.tensor([0, 1, 2, 3])).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_relu_in_two_places_becomes_one_activation_in_both() -> None:
    model = made("mylab_act:Shared", "apalu", options={"width": 4})
    assert list(activation_modules(model)) == ["act"]
    assert model.get_submodule("second.1") is model.get_submodule("act")
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model": "resnet34", "options": {"stm": "small"}},
            "model 'resnet34': unknown option 'stm', accepts stem, width; did you mean 'stem'?",
        ),
        (
            {"model": "resnet34", "options": {"stem": "smal"}},
            "resnet34: stem: got 'smal', accepts one of imagenet, small; did you mean 'small'?",
        ),
        (
            {"model": "resnet34", "options": {"classes": 3}},
            "model 'resnet34': option 'classes' is filled in for it and cannot be set",
        ),
        *(
            (
                {"model": name, "options": {"stem": "small", "width": value}},
                f"{name}: width: got {value!r}, accepts a whole number of at least 1",
            )
            for name in ("resnet34", "resnet18")
            for value in (0, -16, 16.0, "wide", True, None)
        ),
        ({"options": {"width": 0}}, "tiny_cnn: width: got 0, accepts a whole number of at least 1"),
        ({"model": "mylab_act:Shared"}, "model 'mylab_act:Shared': missing option width, which has no default"),
        (
            {"model": "mylab_act:number"},
            "model 'mylab_act:number': got an object of the class int; accepts a class or function that makes the "
            "model of channels and outputs, anew for each fold",
        ),
        (
            {"model": "mylab_act:text"},
            "model 'mylab_act:text': got a function that gives an object of the class str; accepts one that gives a "
            "torch.nn.Module",
        ),
        (
            {"model": "mylab_act:no_relu"},
            "model 'mylab_act:no_relu': found no place for the activation; write nn.ReLU() as a module "
            "wherever it is to stand, or take the keyword activation and call it there",
        ),
        (
            {"activation": "dsrelu", "params": {"kk": 3}},
            "activation 'dsrelu': unknown option 'kk', accepts a, b, k, progress, t; did you mean 'k'?",
        ),
        (
            {"activation": "apalu", "params": {"channels": 3}},
            "activation 'apalu': option 'channels' is filled in for it and cannot be set",
        ),
        (
            {"activation": "relu", "params": {"slope": 3}},
            "activation 'relu': unknown option 'slope', accepts no options",
        ),
        ({"activation": "dsrelu", "params": {"k": -3}}, "DSReLU: k: got -3, accepts a finite number at least 0"),
        (
            {"activation": "mylab_act:number"},
            "activation 'mylab_act:number': got an object of the class int; accepts a torch.nn.Module class",
        ),
        (
            {"activation": "mylab_act:text"},
            "activation 'mylab_act:text': got a function that gives an object of the class str; accepts a "
            "torch.nn.Module class, or a function that makes such a module",
        ),
    ],
)
def test_wrong_options_are_refused_in_words(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"accepts|cannot|missing|found no") as caught:
        made(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "resnet43"}, r"unknown model 'resnet43': did you mean resnet34"),
        ({"model": "resnet50"}, r"unknown model 'resnet50': .* a library's with its library, as torchvision\.resnet50"),
        ({"activation": "dsrleu"}, r"unknown activation 'dsrleu': did you mean dsrelu"),
        ({"activation": "mylab_act:Missing"}, r"activation 'mylab_act:Missing': module mylab_act has no 'Missing'"),
    ],
)
def test_unknown_names_get_the_nearest(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        made(**arguments)
