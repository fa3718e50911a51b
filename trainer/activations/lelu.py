"""LELU: an ELU that keeps a slope of beta far on the negative side.

    f(x) = x for x > 0, exp((1 - beta) x) - 1 + beta x for x <= 0         0 <= beta <= 1

    df/dx = 1 for x > 0, (1 - beta) exp((1 - beta) x) + beta for x <= 0   (1 at 0 from both sides)
    df/dbeta = x (1 - exp((1 - beta) x)) for x <= 0, else 0

beta = 0 is ELU(1), beta = 1 the identity.

Source: E. D. V. Bigarella, arXiv 2507.06765, and the author's published code, where beta is a constant (0.3, 0.4 or
0.6, default 0.4). The abstract speaks of a beta that can be trained; how it is started and bounded is not known, so
here it starts at the given value and stays in (0, 1). Not the "logistic error linear unit", which shares the name.

The exponential is torch's ELU, which takes expm1 of negative numbers only: over all x it overflows, and its gradient is
then not a number although the value looks right.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainer.activations import arguments
from trainer.activations.constrained import Activation, Constrained
from trainer.activations.precision import widened


class LELU(Activation):
    """``x`` above 0, ``expm1((1 - beta) x) + beta x`` below; beta between 0 and 1, fixed unless ``trainable``."""

    def __init__(
        self,
        *,
        beta: float = 0.4,
        trainable: bool = False,
        granularity: str = "layer",
        channels: int | None = None,
        feature_axis: int = 1,
    ) -> None:
        super().__init__()
        beta = arguments.real("LELU", "beta", beta, low=0.0, high=1.0)
        self.beta = Constrained(
            "LELU",
            "beta",
            beta,
            range="unit",
            trainable=trainable,
            granularity=granularity,
            channels=channels,
            axis=feature_axis,
        )

    def forward(self, x: Tensor) -> Tensor:
        work = widened(x)
        negative = work - torch.relu(work)
        if self.beta.raw is None:
            # torch's ELU kernel takes a factor inside its exponential, and leaves x > 0 alone.
            curved = torch.ops.aten.elu(work, 1.0, 1.0, 1.0 - self.beta.value)
            return torch.add(curved, negative, alpha=self.beta.value).to(x.dtype)
        linear = self.beta.along(x, work.dtype) * negative
        return (functional.elu(work - linear) + linear).to(x.dtype)
