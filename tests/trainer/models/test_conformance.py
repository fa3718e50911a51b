"""The suite of checks for networks: every shipped one passes, and what is wrong with others is found."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.catalogue import MODELS
from trainer.testing.networks import conformance

NARROW: dict[str, dict[str, Any]] = {
    "googlenet": {"width": 0.05},
    "mobilenet": {"width": 0.1},
    "resnet18": {"width": 4, "stem": "small"},
    "resnet34": {"width": 4},
}
SHAPES = {
    "svdd_lenet": [(1, 28, 28), (3, 32, 32)],
    "text_cnn": [(1, 1, 40), (1, 1, 16)],
    "text_gru": [(1, 1, 40), (1, 1, 16)],
}
SUITED_OUTPUTS = {"svdd_lenet": 32}
ASIDE = {"svdd_lenet": ("decoder.*",)}
TOKENS = {"text_cnn": 50, "text_gru": 50}
OF_A_TASK = {"flow", "cloner"}
"""Whose outputs are what the task anomaly reads, not numbers for an item."""


@pytest.mark.parametrize("name", sorted(MODELS.keys() - OF_A_TASK))
def test_a_shipped_network_keeps_to_it(name: str) -> None:
    shapes = SHAPES.get(name, [(3, 20, 24), (1, 16, 16)])
    outputs, vocabulary = SUITED_OUTPUTS.get(name, 5), TOKENS.get(name)
    given = {"shapes": shapes, "outputs": outputs, "vocabulary": vocabulary, "aside": ASIDE.get(name, ())}
    assert conformance(name, NARROW.get(name), **given) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["torchvision.shufflenet_v2_x0_5", "torchvision.mobilenet_v3_small", "torchvision.squeezenet1_1"]
)
def test_networks_of_torchvision_keep_to_it(name: str) -> None:
    assert conformance(name, shapes=[(3, 48, 64)]) == []


class Plain(nn.Module):
    """Right; the wrong ones below are it with one thing changed."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.act = nn.ReLU()
        self.head = nn.Linear(6, outputs)

    def features(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.first(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class AsFunction(Plain):
    def features(self, x: Tensor) -> Tensor:
        return functional.relu(self.act(self.norm(self.first(x))) - 0.1)


class Seeded(Plain):
    def __init__(self, channels: int, outputs: int) -> None:
        torch.manual_seed(0)
        super().__init__(channels, outputs)


class Unseeded(Plain):
    generator = torch.Generator().manual_seed(0)

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs)
        self.head.bias.data = torch.rand(outputs, generator=self.generator)


class Depends(Plain):
    def __init__(self, channels: int, outputs: int, activation: Callable[..., nn.Module]) -> None:
        super().__init__(channels, outputs)
        self.act = activation(6)
        if any(True for _ in self.act.parameters()):
            nn.init.zeros_(self.head.bias)


class Wrong(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :2]


class Together(Plain):
    def forward(self, x: Tensor) -> Tensor:
        found = self.features(x).mean((2, 3))
        return self.head(found - found.mean(0))


class Draws(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(())


class Views(Plain):
    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs)
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(len(x), -1).view(x.shape) * self.scale[:, None, None])


class Idle(Plain):
    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs)
        self.second = nn.Linear(3, 3)


class Forgets(Plain):
    shift = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.shift += 1.0
        return super().forward(x) + self.shift


class Single(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3))).float()


class Unused(Plain):
    def features(self, x: Tensor) -> Tensor:
        return self.norm(self.first(x))


WRONG: dict[type[Plain], str] = {
    Seeded: "two built with different seeds start with the same weights; draw them, and set no seed of its own",
    Unseeded: "two built with one seed start with different weights; draw them from torch's global generator",
    Depends: "its initial weights depend on the activation, so that folds do not pair; make the layers alike",
    Wrong: "gives (4, 2) for 4 items, expected (4, 5)",
    Together: "an item's output depends on the other items of its batch in evaluation mode",
    Draws: "gives other outputs for the same items in evaluation mode; draw nothing there, and change no state",
    Views: "raises RuntimeError: view size is not compatible",
    Idle: "no gradient reaches second.weight, second.bias; use them in forward, or say so in actsweep_untrained",
    Forgets: "differs from one that was given its state_dict: something it depends on is in no checkpoint",
    Single: "gives torch.float32 in double precision, expected torch.float64; make tensors with x's dtype",
    Unused: "applies none of its places; use them in forward",
}


@pytest.fixture(autouse=True)
def _lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("suite_lab")
    vars(module).update({name: thing for name, thing in globals().items() if isinstance(thing, type)})
    monkeypatch.setitem(sys.modules, "suite_lab", module)


@pytest.mark.parametrize("right", ["Plain", "AsFunction"])
def test_a_right_one_has_no_problem(right: str) -> None:
    assert conformance(f"suite_lab:{right}", shapes=[(3, 8, 8), (1, 6, 9)]) == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_told_with_the_size_of_the_items(wrong: type[Plain]) -> None:
    found = conformance(f"suite_lab:{wrong.__name__}", shapes=[(3, 8, 8)])
    begin = f"suite_lab:{wrong.__name__}, items of 3x8x8: {WRONG[wrong]}"
    assert any(problem.startswith(begin) for problem in found), found
    assert len(found) <= 3


def test_a_network_that_cannot_be_built_is_told_in_the_builders_words() -> None:
    (problem,) = conformance("resnet34", {"width": 0}, shapes=[(3, 8, 8)])
    assert "width: got 0, accepts a whole number of at least 1" in problem
