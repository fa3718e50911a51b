"""Parameters that stay in their range: a free tensor is trained, and a smooth map of it is what the formula sees.

An optimiser step of any size leaves the value inside its range, and the gradient flows through the map. A clamp would
do neither: it stops the gradient at the bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.activations import arguments

Range = Literal["positive", "unit"]
GRANULARITIES = ("layer", "channel")
FLOOR = 1e-6
"""A positive parameter stays above this: softplus alone rounds to 0 in fp32 below about -104, and 0 has no way back."""


class Constrained(nn.Module):
    """One parameter of an activation, fixed or trained inside its range.

    - "positive": ``1e-6 + softplus(raw)``
    - "unit" (between 0 and 1): ``sigmoid(raw)``

    Fixed, it holds a plain number and no tensor. Trained, ``raw`` has shape [] (granularity "layer") or [channels]
    ("channel") and starts so that the value is the given one. No random number is drawn.
    """

    def __init__(
        self,
        owner: str,
        name: str,
        value: float,
        *,
        range: Range,  # noqa: A002  # the mathematical word
        trainable: bool,
        granularity: str,
        channels: int | None,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.range = range
        self.owner = owner
        self.axis = axis
        self.value = value
        self.trainable = arguments.flag(owner, "trainable", trainable)
        self.granularity = arguments.word(owner, "granularity", granularity, GRANULARITIES)
        if channels is not None:
            arguments.count(owner, "channels", channels)
        self.raw: nn.Parameter | None
        if not trainable:
            self.register_parameter("raw", None)
            return
        shape: tuple[int, ...] = ()
        if granularity == "channel":
            if channels is None:
                raise ValueError(
                    f"{owner}: channels: got None, accepts a whole number of at least 1 where granularity is "
                    "'channel'; a model fills it in for each layer, a module made by hand needs it"
                )
            shape = (channels,)
        if range == "positive":
            arguments.real(owner, name, value, above=FLOOR)
            raw = value - FLOOR + math.log(-math.expm1(FLOOR - value))
        else:
            arguments.real(owner, name, value, above=0.0, below=1.0)
            raw = math.log(value) - math.log1p(-value)
        self.raw = nn.Parameter(torch.full(shape, raw, dtype=torch.float32))

    def forward(self) -> Tensor:
        """The trained parameter's value inside its range, shape [] or [channels], differentiable."""
        assert self.raw is not None, "a fixed parameter is read from .value"
        return functional.softplus(self.raw) + FLOOR if self.range == "positive" else torch.sigmoid(self.raw)

    def along(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """:meth:`forward` in ``dtype``, shaped to multiply ``x``, whose features are on :attr:`axis`. Raises ValueError
        where there are not as many of them as parameters."""
        value = self.forward().to(dtype)
        return value if value.ndim == 0 else along_axis(self.owner, value, x, self.axis)

    def extra_repr(self) -> str:
        return f"{self.value:g}, {self.range}, trainable={self.trainable}, granularity={self.granularity!r}"


def along_axis(owner: str, value: Tensor, x: Tensor, axis: int) -> Tensor:
    """``value`` [channels], shaped to multiply ``x``, whose features are on ``axis``. Raises ValueError where ``x`` has
    another number of them there."""
    if not -x.ndim <= axis < x.ndim or x.shape[axis] != len(value):
        raise ValueError(
            f"{owner}: granularity 'channel' has {len(value)} parameters for axis {axis}, got an input of shape "
            f"{list(x.shape)}; give the layer's channels and axis, or use granularity 'layer'"
        )
    shape = [1] * x.ndim
    shape[axis] = len(value)
    return value.view(shape)


def summary(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """0-d tensors that tell of ``values``: the value itself, or ``_mean`` and ``_std`` over the channels (population
    standard deviation)."""
    told: dict[str, Tensor] = {}
    for name, value in values.items():
        if value.numel() == 1:
            told[name] = value.detach().reshape(())
        else:
            told[f"{name}_mean"] = value.detach().mean()
            told[f"{name}_std"] = value.detach().std(correction=0)
    return told


def numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """0-d tensors as numbers, with one transfer from their device for all of them."""
    if not values:
        return {}
    stacked = torch.stack([value.detach().to(torch.float64) for value in values.values()])
    return dict(zip(values, stacked.tolist(), strict=True))


class Activation(nn.Module):
    """An activation of the catalogue: a module that can tell what its parameters have become."""

    def trained(self) -> dict[str, Tensor]:
        """Values of the trained parameters inside their ranges, by name; shape [] or [channels]. Empty if none is."""
        return {
            name: child()
            for name, child in self.named_children()
            if isinstance(child, Constrained) and child.raw is not None
        }

    @torch.no_grad()
    def learned(self) -> dict[str, float]:
        """Current values of the trained parameters; of a per-channel one the ``_mean`` and ``_std`` over its channels.
        Waits for the device: once an epoch is often enough."""
        return numbers(summary(self.trained()))
