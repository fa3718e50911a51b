"""torchvision's and timm's networks by name: how many activations each has, and that nothing else of them changes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from trainer.errors import UnknownName
from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.models.replacement import Uses
from trainer.spec import ActivationSpec, ModelSpec

COUNTS: dict[str, dict[str, tuple[int, int]]] = {
    # 5 convolutions and 2 hidden linear layers
    "alexnet": {"relu": (7, 7)},
    # 13 convolutions and 2 hidden linear layers
    "vgg16": {"relu": (15, 15)},
    # the stem; 8 blocks of one module that is applied twice
    "resnet18": {"relu": (9, 17)},
    # the stem; 16 blocks of one module that is applied three times
    "resnet50": {"relu": (17, 49)},
    # the stem; 8 fire modules of 3; the last convolution
    "squeezenet1_1": {"relu": (26, 26)},
    # the stem; 6 + 12 + 24 + 16 layers of 2; 3 transitions; one call after the last normalisation
    "densenet121": {"relu": (121, 121)},
    # calls alone: 3 convolutions, 9 inception blocks of 6
    "googlenet": {"relu": (57, 57)},
    # calls alone: the stem's 5; A 3 x 7; B 4; C 4 x 10; D 6; E 2 x 9
    "inception_v3": {"relu": (94, 94)},
    # first and last convolution; 1 block without and 16 with an expansion
    "mobilenet_v2": {"relu6": (35, 35)},
    # ReLU: blocks 1 to 3 with 1 + 2 + 2, 9 squeeze-and-excitations; hardswish: 8 blocks of 2, first, last, classifier
    "mobilenet_v3_small": {"relu": (14, 14), "hardswish": (19, 19), "hardsigmoid": (9, 9)},
    # ReLU: blocks 1 to 6 with 1 + 5 x 2, 8 squeeze-and-excitations; hardswish: 9 blocks of 2, and the same three
    "mobilenet_v3_large": {"relu": (19, 19), "hardswish": (21, 21), "hardsigmoid": (8, 8)},
    # first and last convolution; 3 units of stride 2 with 3, 13 of stride 1 with 2
    "shufflenet_v2_x1_0": {"relu": (37, 37)},
    # 2 of the stem, 16 blocks of 2, the last convolution
    "mnasnet1_0": {"relu": (35, 35)},
    # stem and head; 16 squeeze-and-excitations; 1 block without and 15 with an expansion
    "efficientnet_b0": {"silu": (49, 49), "sigmoid": (16, 16)},
    # the stem; 1 + 3 + 6 + 6 blocks of 4, one of which is the squeeze-and-excitation's
    "regnet_y_400mf": {"relu": (65, 65), "sigmoid": (16, 16)},
    # 12 layers
    "vit_b_16": {"gelu": (12, 12)},
    # 3 + 3 + 9 + 3 blocks
    "convnext_tiny": {"gelu": (18, 18)},
    # 2 + 2 + 6 + 2 blocks; of version 2 also the network of the position bias
    "swin_v2_t": {"gelu": (12, 12), "relu": (12, 12), "sigmoid": (12, 12)},
}
"""(places, applications) of each kind, by hand from the architectures' tables."""
LARGE = {"inception_v3": 96, "swin_v2_t": 64}
QUICK = ("mobilenet_v3_small", "shufflenet_v2_x1_0", "squeezenet1_1", "resnet18")
ITSELF = {
    "relu": "relu",
    "relu6": "torch.nn:ReLU6",
    "hardswish": "torch.nn:Hardswish",
    "gelu": "torch.nn:GELU",
    "silu": "silu",
}
HEADLESS: dict[str, dict[str, Any]] = {
    name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")
}


def made(
    name: str, activation: str = "relu", *, side: int = 64, channels: int = 3, seed: int = 5, **options: Any
) -> nn.Module:
    return build(
        ModelSpec(name=name, options=options),
        ActivationSpec(name=activation),
        outputs=7,
        input_shape=(channels, side, side),
        generator_seed=seed,
    )


def uses(model: nn.Module) -> Uses:
    found = model.activation_uses
    assert isinstance(found, Uses)
    return found


def original(name: str, *, side: int, seed: int = 5) -> nn.Module:
    options = HEADLESS.get(name, {}) | ({"image_size": side} if name.startswith("vit") else {})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torchvision.models.get_model(name, weights=None, num_classes=7, **options)  # type: ignore[no-any-return]


def passed(model: nn.Module, items: torch.Tensor, *, training: bool) -> torch.Tensor:
    torch.manual_seed(0)  # of dropout
    outputs: torch.Tensor = model.train(training)(items)
    return outputs


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COUNTS]
)
def test_every_activation_of_a_network_is_replaced_and_its_values_stay(name: str) -> None:
    """Each kind by itself gives the original's values and gradients, bit for bit, from its initial weights."""
    side = LARGE.get(name, 64)
    items = torch.randn(2, 3, side, side)
    kinds = [kind for kind in COUNTS[name] if kind in ITSELF]
    for kind in kinds:
        others = [other for other in kinds if other != kind]
        model = made(f"torchvision.{name}", ITSELF[kind], side=side, **({"keep": ",".join(others)} if others else {}))
        told = {use.kind: (use.places, use.applications) for use in (*uses(model).replaced, *uses(model).left)}
        assert told == COUNTS[name]
        assert [use.kind for use in uses(model).replaced] == [kind]
        assert len(activation_modules(model)) == COUNTS[name][kind][0]
        calls: list[nn.Module] = []
        for place in activation_modules(model).values():
            place.register_forward_hook(lambda module, _given, _gave, calls=calls: calls.append(module))
        reference = original(name, side=side)
        for training in (False, True):
            calls.clear()
            gave, expected = (passed(net, items, training=training) for net in (model, reference))
            assert torch.equal(gave, expected)
            assert len(calls) == COUNTS[name][kind][1]
            assert len(set(calls)) == COUNTS[name][kind][0]
        gave.sum().backward()
        expected.sum().backward()
        for (path, item), other in zip(model.named_parameters(), reference.parameters(), strict=True):
            assert item.grad is not None, path
            assert other.grad is not None
            assert torch.equal(item.grad, other.grad), path


def test_another_activation_reaches_every_call_and_its_parameters_are_in_the_checkpoint() -> None:
    model = made("torchvision.densenet121", "apalu", side=32, stem="small")
    names = list(activation_modules(model))
    assert names[-1] == "functional_relu"
    assert sum(name.startswith("functional_relu.") for name in model.state_dict()) == 2
    model(torch.randn(2, 3, 32, 32)).square().mean().backward()
    assert all(item.grad is not None for item in model.parameters())


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("resnet18", "conv1"),
        ("mobilenet_v3_small", "features.0.0"),
        ("shufflenet_v2_x0_5", "conv1.0"),
        ("squeezenet1_1", "features.0"),
    ],
)
def test_the_first_convolution_takes_the_items_channels_and_gives_outputs_of_the_same_size(
    name: str, first: str
) -> None:
    wide, one = made(f"torchvision.{name}"), made(f"torchvision.{name}", channels=1)
    before, after = (net.get_submodule(first) for net in (wide, one))
    assert isinstance(before, nn.Conv2d)
    assert isinstance(after, nn.Conv2d)
    assert (after.in_channels, after.out_channels, after.stride) == (1, before.out_channels, before.stride)
    assert (after.bias is None) == (before.bias is None)
    spread = [conv.weight.std().item() * conv.weight[0].numel() ** 0.5 for conv in (before, after)]
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
    assert one(torch.randn(2, 1, 64, 64)).shape == (2, 7)
    assert not torch.equal(
        after.weight,
        made(f"torchvision.{name}", channels=1, seed=6).get_submodule(first).weight,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 4), ("mobilenet_v3_small", 2), ("shufflenet_v2_x0_5", 4), ("regnet_x_400mf", 2), ("mnasnet0_5", 2)],
)
def test_a_small_stem_leaves_more_of_a_small_image(name: str, size: int) -> None:
    sizes: dict[str, int] = {}
    for stem in ("imagenet", "small"):
        model = made(f"torchvision.{name}", side=32, stem=stem)
        last = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.groups == 1][-1]
        last.register_forward_hook(lambda _module, _given, gave, stem=stem: sizes.update({stem: gave.shape[-1]}))
        model(torch.randn(2, 3, 32, 32))
    assert sizes == {"imagenet": 1, "small": size}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "torchvision.resnt50",
            {},
            r"unknown model 'torchvision\.resnt50': torchvision has no such network; did you mean torchvision\.resnet5",
        ),
        ("torchvision.Zzz", {}, r"unknown model 'torchvision\.Zzz': torchvision has alexnet, .* and \d+ more"),
        (
            "torchvision.resnet18",
            {"width_per_grup": 32},
            r"unknown option 'width_per_grup', accepts stem, groups, width_per_group, zero_init_residual; did you mean "
            "'width_per_group'",
        ),
        ("torchvision.vgg11", {"stem": "small"}, r"torchvision\.vgg11: stem: got 'small', accepts 'imagenet': this"),
        ("torchvision.resnet18", {"stem": "smal"}, r"torchvision\.resnet18: stem: got 'smal', accepts one of imagenet"),
        (
            "torchvision.alexnet",
            {},
            r"model 'torchvision\.alexnet': does not take items of 3x32x32 \(RuntimeError: .*too small\); accepts",
        ),
        ("torchvision.vit_b_32", {"image_size": 224}, r"does not take items of 3x32x32 .*Expected 224 but got 32"),
        ("torchvision.maxvit_t", {}, r"maxvit_t: cannot be made for items of 3x32x32 \(ValueError: Input size"),
        ("torchvision.resnet18", {"keep": "gelu"}, r"keep: it applies no gelu; it has relu"),
        ("torchvision.resnet18", {"num_classes": 3}, r"option 'num_classes' cannot be set: it starts"),
        ("torchvision.resnet18", {"weights": "DEFAULT"}, r"option 'weights' cannot be set: it starts untrained"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, side=32, **options)


def test_timm_is_asked_for_when_one_of_its_networks_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnknownName, match=r"library 'timm': its networks need the package timm .*actsweep\[timm\]"):
        made("timm.never_there")


@pytest.mark.parametrize(
    ("name", "options", "counts"),
    [
        # the deep stem's 3, 8 bottlenecks of 3
        ("resnet26d", {}, {"relu": (27, 27)}),
        ("vit_tiny_patch16_224", {"patch_size": 4}, {"gelu": (12, 12)}),
        ("mobilenetv3_small_050", {}, {"relu": (14, 14), "hardswish": (19, 19)}),
    ],
)
def test_networks_of_timm(name: str, options: dict[str, Any], counts: dict[str, tuple[int, int]]) -> None:
    pytest.importorskip("timm")
    model = made(f"timm.{name}", "apalu", side=32, channels=1, **options)
    assert {use.kind: (use.places, use.applications) for use in uses(model).replaced} == counts
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 7)
    assert made(f"timm.{name}", side=32, **options)(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(UnknownName, match=r"timm has no such network; did you mean timm\."):
        made(f"timm.{name}x")
    with pytest.raises(ValueError, match=r"unknown option 'widht', accepts "):
        made(f"timm.{name}", side=32, widht=3)
