"""APALU: twice-bent, an approximate GELU above 0 and a scaled exponential below, both scales trained.

    f(x) = a (x + x S) for x >= 0, b (exp(x) - 1) for x < 0               S = 1 / (1 + exp(-1.702 x));  a, b > 0

    df/dx = a (1 + S + 1.702 x S (1 - S)) for x > 0, b exp(x) for x <= 0
    df/da = x (1 + S) for x >= 0, else 0;   df/db = exp(x) - 1 for x < 0, else 0

The slopes at 0 are 1.5 a and b; they agree, and f is differentiable there, only if b = 1.5 a. At 0 itself the left one
is taken, as torch does for its ReLUs.

Source: APALU: A trainable, adaptive activation function for deep learning networks, arXiv 2402.08244; a = 0.55 and
b = 0.065 are the values of its Figure 1. How fine a and b are grained and how they are kept positive is not known: here
one of each per layer or per channel, both softplus of a free parameter.

With c = min(max(x, 0), 64), x S = x - c S(-c): the bounded correction c S(-c) is what is computed, because 1.702 x
overflows for large x and its gradient with it. Beyond 64 the correction is below 1e-45.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainer.activations import arguments
from trainer.activations.constrained import FLOOR, Activation, Constrained
from trainer.activations.precision import widened

STEEPNESS = 1.702
"""Of the logistic that approximates the normal distribution function in GELU."""


class APALU(Activation):
    """``a (x + x sigmoid(1.702 x))`` from 0 up, ``b expm1(x)`` below; a and b positive, trained by default."""

    def __init__(
        self,
        *,
        a: float = 0.55,
        b: float = 0.065,
        trainable: bool = True,
        granularity: str = "layer",
        channels: int | None = None,
        feature_axis: int = 1,
    ) -> None:
        super().__init__()

        def positive(name: str, value: float) -> Constrained:
            value = arguments.real("APALU", name, value, above=FLOOR)
            return Constrained(
                "APALU",
                name,
                value,
                range="positive",
                trainable=trainable,
                granularity=granularity,
                channels=channels,
                axis=feature_axis,
            )

        self.a = positive("a", a)
        self.b = positive("b", b)

    def forward(self, x: Tensor) -> Tensor:
        work = widened(x)
        # hardtanh and not clamp: its gradient at 0 is 0, clamp's is 1.
        bend = functional.silu(functional.hardtanh(work, 0.0, 64.0) * -STEEPNESS)
        if self.a.raw is None:
            a, b = self.a.value, self.b.value
            # torch's ELU kernel with its two scales: 2 a x above 0, b expm1(x) below.
            base = torch.ops.aten.elu(work, b / (2.0 * a), 2.0 * a, 1.0)
            return torch.add(base, bend, alpha=a / STEEPNESS).to(x.dtype)
        a_, b_ = self.a.along(x, work.dtype), self.b.along(x, work.dtype)
        positive = torch.relu(work)
        above = torch.add(positive, bend, alpha=0.5 / STEEPNESS) * (2.0 * a_)
        return torch.addcmul(above, torch.expm1(work - positive), b_).to(x.dtype)
