"""ALReLU: a leaky ReLU whose negative side is mirrored, so that the output is never negative.

    f(x) = max(|alpha x|, x) = x for x > 0, -alpha x for x <= 0           0 <= alpha <= 1

    df/dx = 1 for x > 0, -alpha for x <= 0 (at 0 the left derivative, as torch's leaky ReLU)
    df/dalpha = -x for x <= 0, else 0

Source: S. Mastromichalakis, ALReLU: A different approach on Leaky ReLU activation function to improve neural networks
performance, arXiv 2012.07564; alpha = 0.01, not trained. A trained alpha, one per layer, is a later variant of the same
author's; here it stays in (0, 1), where the two ways of writing f agree.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainer.activations import arguments
from trainer.activations.constrained import Activation, Constrained
from trainer.activations.precision import widened


class ALReLU(Activation):
    """``max(|alpha x|, x)``; alpha between 0 and 1, fixed unless ``trainable``."""

    def __init__(
        self,
        *,
        alpha: float = 0.01,
        trainable: bool = False,
        granularity: str = "layer",
        channels: int | None = None,
        feature_axis: int = 1,
    ) -> None:
        super().__init__()
        alpha = arguments.real("ALReLU", "alpha", alpha, low=0.0, high=1.0)
        self.alpha = Constrained(
            "ALReLU",
            "alpha",
            alpha,
            range="unit",
            trainable=trainable,
            granularity=granularity,
            channels=channels,
            axis=feature_axis,
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha.raw is None:
            return functional.leaky_relu(x, -self.alpha.value)
        work = widened(x)
        return functional.prelu(work, -self.alpha().to(work.dtype)).to(x.dtype)
