"""torch's own activations under our names, with their parameters as keyword arguments.

Thin modules over ``torch.nn.functional``: torch's kernels, torch's defaults, never in place. The formulas are torch's;
at a kink the gradient is torch's, the left derivative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.activations import arguments
from trainer.activations.constrained import GRANULARITIES, Activation, along_axis


class ReLU(Activation):
    """``max(x, 0)``"""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class LeakyReLU(Activation):
    """``x`` above 0, ``negative_slope x`` below."""

    def __init__(self, *, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = arguments.real("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)


class PReLU(Activation):
    """``x`` above 0, ``slope x`` below; the slope is trained, unbounded, and starts at ``init`` (He et al., arXiv
    1502.01852)."""

    def __init__(
        self, *, init: float = 0.25, granularity: str = "layer", channels: int | None = None, feature_axis: int = 1
    ) -> None:
        super().__init__()
        self.feature_axis = feature_axis
        init = arguments.real("PReLU", "init", init)
        arguments.word("PReLU", "granularity", granularity, GRANULARITIES)
        if channels is not None or granularity == "channel":
            arguments.count("PReLU", "channels", channels)
        size = channels if granularity == "channel" and channels is not None else 1
        self.slope = nn.Parameter(torch.full((size,), init))

    def trained(self) -> dict[str, Tensor]:
        return {"slope": self.slope}

    def forward(self, x: Tensor) -> Tensor:
        slope = self.slope.to(x.dtype)
        if len(slope) == 1:
            return functional.prelu(x, slope)
        along_axis("PReLU", slope, x, self.feature_axis)  # or torch says how many there are, not what to do
        return functional.prelu(x.movedim(self.feature_axis, 1), slope).movedim(1, self.feature_axis)


class ELU(Activation):
    """``x`` above 0, ``alpha (exp(x) - 1)`` below (Clevert et al., arXiv 1511.07289)."""

    def __init__(self, *, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = arguments.real("ELU", "alpha", alpha)

    def forward(self, x: Tensor) -> Tensor:
        return functional.elu(x, self.alpha)


class SELU(Activation):
    """ELU with the two constants that keep mean and variance (Klambauer et al., arXiv 1706.02515)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.selu(x)


class GELU(Activation):
    """``x Phi(x)``, Phi the normal distribution function; approximate "tanh" is the common approximation of it
    (Hendrycks and Gimpel, arXiv 1606.08415).

    torch's kernels alone leave the range: the exact one doubles before it halves, so that values above half of the
    dtype's largest become inf; here they stop at the largest. The other one's gradient is NaN where x^3 overflows; here
    its kernel sees no more than 16 either way, beyond which it gives x or 0 in every dtype.
    """

    def __init__(self, *, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = arguments.word("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Tensor) -> Tensor:
        if self.approximate == "none":
            return functional.hardtanh(functional.gelu(x), -1.0, torch.finfo(x.dtype).max)
        inner = functional.gelu(x.clamp(-16.0, 16.0), approximate="tanh")
        return torch.where(x > 16.0, x, inner)


class SiLU(Activation):
    """``x sigmoid(x)``, also named swish (arXiv 1702.03118)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x)


class Mish(Activation):
    """``x tanh(softplus(x))`` (Misra, arXiv 1908.08681)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.mish(x)


class Softplus(Activation):
    """``log(1 + exp(beta x)) / beta``, and ``x`` where ``beta x`` is above ``threshold``."""

    def __init__(self, *, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = arguments.real("Softplus", "beta", beta, above=0.0)
        self.threshold = arguments.real("Softplus", "threshold", threshold, above=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return functional.softplus(x, self.beta, self.threshold)


class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``"""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


class Tanh(Activation):
    """``tanh(x)``"""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)
