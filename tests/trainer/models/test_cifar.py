"""MobileNet and GoogLeNet for small images, and the small CNN: their sizes are the published ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainer.models.build import build
from trainer.models.facts import PLACES, places_of
from trainer.models.placement import activation_modules, places
from trainer.spec import ActivationSpec, ModelSpec


def made(name: str, options: dict[str, Any], shape: tuple[int, int, int] = (3, 32, 32)) -> nn.Module:
    model = ModelSpec(name=name, options=options)
    return build(model, ActivationSpec(name="relu"), outputs=10, input_shape=shape, generator_seed=1)


def operations(model: nn.Module) -> float:
    """Millions of multiplications and additions for an image forward."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.eval()(torch.zeros(1, 3, 32, 32))
    return counter.get_total_flops() / 1e6


@pytest.mark.parametrize(
    ("name", "count", "weights", "millions"), [("mobilenet", 27, 3_217_226, 93), ("googlenet", 64, 6_166_250, 3_044)]
)
def test_places_weights_and_operations_are_the_published_ones(
    name: str, count: int, weights: int, millions: int
) -> None:
    model = made(name, {})
    assert len(activation_modules(model)) == count
    assert sum(item.numel() for item in model.parameters()) == weights
    assert round(operations(model)) == pytest.approx(millions, abs=1)


def test_mobilenets_weights_by_its_table() -> None:
    """Written down from the paper's Table 1: a depthwise 3x3 and a pointwise convolution each, two normalisations."""
    widths = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    weights = 3 * 9 * 32 + 2 * 32
    weights += sum(9 * one + 2 * one + one * two + 2 * two for one, two in itertools.pairwise(widths))
    assert sum(item.numel() for item in made("mobilenet", {}).parameters()) == weights + 1024 * 10 + 10


@pytest.mark.parametrize("name", ["mobilenet", "googlenet"])
def test_width_multiplies_all_feature_maps(name: str) -> None:
    full, narrow = made(name, {}), made(name, {"width": 0.25})
    assert full.state_dict().keys() == narrow.state_dict().keys()
    for path, module in full.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            other = narrow.get_submodule(path)
            assert isinstance(other, nn.BatchNorm2d)
            assert other.num_features == module.num_features / 4
    assert len(activation_modules(narrow)) == len(activation_modules(full))
    assert min(item.numel() for item in made(name, {"width": 0.001}).parameters()) == 1


@pytest.mark.parametrize("name", PLACES)
def test_what_is_said_of_a_network_without_building_it_is_true(name: str) -> None:
    assert places_of(name, {}) == places(made(name, {"width": 2} if name in ("resnet18", "resnet34") else {}))
    assert places_of(name, {"keep": "relu"}) == ""


def test_small_cnn_is_two_blocks_in_the_authors_order() -> None:
    model = made("small_cnn", {"width": 8, "dropout": 0.5}, (1, 9, 6))
    block = [nn.Conv2d, type(next(iter(activation_modules(model).values()))), nn.BatchNorm2d, nn.MaxPool2d, nn.Dropout]
    assert [type(layer) for layer in model.children()] == [*block, *block, nn.Flatten, nn.Linear]
    head = model.get_submodule("11")
    assert isinstance(head, nn.Linear)
    assert head.in_features == 8 * math.ceil(9 / 4) * math.ceil(6 / 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet", {"width": 0}, "mobilenet: width: got 0, accepts a finite number above 0"),
        ("googlenet", {"width": "wide"}, "googlenet: width: got 'wide', accepts a finite number above 0"),
        ("small_cnn", {"width": 2.5}, "small_cnn: width: got 2.5, accepts a whole number of at least 1"),
        ("small_cnn", {"dropout": 1.0}, "small_cnn: dropout: got 1.0, accepts a finite number at least 0 and below 1"),
        ("mobilenet", {"stem": "small"}, "model 'mobilenet': unknown option 'stem', accepts width"),
    ],
)
def test_options_that_do_not_fit(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="accepts") as caught:
        made(name, options)
    assert str(caught.value) == message
