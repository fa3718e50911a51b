"""A normalising flow on feature vectors (Rudolph, Wandt, Rosenhahn: "Same Same But DifferNet", WACV 2021)."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from trainer.activations import arguments

STEEPNESS = 0.636
"""Of the arc tangent that bounds scales; 2/pi to three digits, as the paper's authors have it."""


def flow(
    *, input_shape: tuple[int, int, int], blocks: int = 8, width: int = 2048, alpha: float = 3.0, layers: int = 4
) -> nn.Module:
    """For input [..., numbers] gives [..., numbers + 1]: what the flow makes of them, and the logarithm of the absolute
    determinant of its Jacobian.

    ``blocks`` times a fixed permutation, drawn from the block's number alone, and a coupling of both halves: each is
    scaled and moved by what a network of ``layers`` linear layers, ``width`` wide, with activations between them, makes
    of the other. Scales are exp(alpha * 0.636 * atan(s / alpha)). 48 activations by default.
    """
    for name, value in (("blocks", blocks), ("width", width)):
        arguments.count("flow", name, value)
    if arguments.count("flow", "layers", layers) < 2:
        raise arguments.WrongArgument("flow", "layers", layers, "at least 2, with an activation between them")
    arguments.real("flow", "alpha", alpha, above=0.0)
    if input_shape[-1] < 2:
        raise ValueError(f"model 'flow': items have {input_shape[-1]} number, accepts 2 or more to couple")
    return Flow(input_shape[-1], blocks=blocks, width=width, alpha=alpha, layers=layers)


class Flow(nn.Module):
    def __init__(self, size: int, *, blocks: int, width: int, alpha: float, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Coupling(size, number, width, alpha, layers) for number in range(blocks))

    def forward(self, values: Tensor) -> Tensor:
        total = torch.zeros_like(values[..., :1])
        for block in self.blocks:
            values, volume = block(values)
            total = total + volume
        return torch.cat([values, total], dim=-1)


class Coupling(nn.Module):
    """A permutation and a coupling of both halves."""

    order: Tensor

    def __init__(self, size: int, number: int, width: int, alpha: float, layers: int) -> None:
        super().__init__()
        self.first, self.alpha = size // 2, alpha
        order = np.random.RandomState(number).permutation(size)  # numpy's old generator, as the authors
        self.register_buffer("order", torch.from_numpy(order))
        self.of_second = _network(size - self.first, 2 * self.first, width, layers)
        self.of_first = _network(self.first, 2 * (size - self.first), width, layers)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(values [..., size], logarithm of the volume's change [..., 1])."""
        values = values.index_select(-1, self.order)
        first, second = values[..., : self.first], values[..., self.first :]
        first, grown = self._moved(first, self.of_second(second))
        second, grown_too = self._moved(second, self.of_first(first))
        return torch.cat([first, second], dim=-1), grown + grown_too

    def _moved(self, part: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = told.chunk(2, dim=-1)
        log_scale = self.alpha * STEEPNESS * torch.atan(scale / self.alpha)
        return part * log_scale.exp() + shift, log_scale.sum(dim=-1, keepdim=True)


def _network(inputs: int, outputs: int, width: int, layers: int) -> nn.Sequential:
    sizes = [inputs, *[width] * (layers - 1), outputs]
    made: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        made += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*made[:-1])
