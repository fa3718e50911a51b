"""DSReLU: a ReLU-like function whose positive slope falls as training goes on.

    f(x) = s(t) x for x > 0, x for x <= 0
    s(t) = a + (b - a) / (1 + exp(-k (t - 0.5)))                           t: training progress

    df/dx = s(t) for x > 0, 1 for x <= 0; a, b, k are constants and t is a schedule, so nothing is trained.

Source: arXiv 2408.09156, with a = tan 85 degrees, b = tan 10 degrees, k = 5. The logistic does not reach its ends:
s(0) = 10.576 and s(1) = 1.030, so that the network is nearly linear at the end. The authors' published code has other
constants (tan 75, tan 30, 5: s from 3.493 to 0.817; earlier tan 80, tan 15, 10) and another schedule.

What t is, the paper does not say; :mod:`trainer.activations.progress` has the readings, of which ``progress`` names
one. ``t`` is a 0-d buffer in the state dict, so that a resumed training goes on where it was; the slope is computed
from it on the device in every pass, so that compiled code and captured graphs follow it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainer.activations import arguments
from trainer.activations.constrained import Activation
from trainer.activations.precision import widened
from trainer.activations.progress import READINGS

TAN_85 = math.tan(math.radians(85.0))
TAN_10 = math.tan(math.radians(10.0))


class DSReLU(Activation):
    """``s(t) x`` above 0, ``x`` below. ``a``, ``b`` positive; ``k`` at least 0; ``t`` only with progress "constant"."""

    t: Tensor

    def __init__(
        self,
        *,
        a: float = TAN_85,
        b: float = TAN_10,
        k: float = 5.0,
        progress: str = "epoch",
        t: float = 0.0,
    ) -> None:
        super().__init__()
        self.a = arguments.real("DSReLU", "a", a, above=0.0)
        self.b = arguments.real("DSReLU", "b", b, above=0.0)
        self.k = arguments.real("DSReLU", "k", k, low=0.0)
        self.progress = arguments.word("DSReLU", "progress", progress, READINGS)
        t = arguments.real("DSReLU", "t", t, low=0.0)
        if t != 0.0 and progress != "constant":
            raise ValueError(
                f"DSReLU: t: got {t:g} with progress {progress!r}, accepts 0 unless progress is 'constant'"
            )
        self.register_buffer("t", torch.tensor(t, dtype=torch.float32))

    def slope(self) -> Tensor:
        """The present slope of the positive side, shape []."""
        return self._slope_above(0.0)

    def _slope_above(self, base: float) -> Tensor:
        # b + (a - b) sigmoid(k/2 - k t): the same function, with no difference of near numbers for a > b.
        remaining = torch.sigmoid(torch.rsub(self.t, 0.5 * self.k, alpha=self.k))
        return torch.rsub(remaining, self.b - base, alpha=self.b - self.a)

    def forward(self, x: Tensor) -> Tensor:
        # x + (s - 1) max(x, 0): two kernels, where a choice between s x and x takes three slow ones.
        work = widened(x)
        return torch.addcmul(work, torch.relu(work), self._slope_above(1.0).to(work.dtype)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"a={self.a:g}, b={self.b:g}, k={self.k:g}, progress={self.progress!r}"
