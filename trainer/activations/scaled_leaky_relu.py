"""The control for DSReLU: what remains of it if its slope never moves.

    f(x) = x for x > 0, x / s for x <= 0                                   scale = False: leaky ReLU of slope 1/s
    f(x) = s x for x > 0, x for x <= 0                                     scale = True: the same times s

With ``scale`` it equals DSReLU at a constant slope s, but for rounding. If DSReLU does no better than these two, then
its schedule does nothing beyond a leakier leaky ReLU and a large output scale. The default s is s(0) of the DSReLU
paper's constants.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainer.activations import arguments
from trainer.activations.constrained import Activation
from trainer.activations.precision import widened


class ScaledLeakyReLU(Activation):
    """Leaky ReLU of slope ``1 / s``, its output multiplied by s where ``scale`` is true; s positive."""

    def __init__(self, *, s: float = 10.576, scale: bool = False) -> None:
        super().__init__()
        self.s = arguments.real("ScaledLeakyReLU", "s", s, above=0.0)
        self.scale = arguments.flag("ScaledLeakyReLU", "scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        if not self.scale:
            return functional.leaky_relu(x, 1.0 / self.s)
        return (functional.leaky_relu(widened(x), 1.0 / self.s) * self.s).to(x.dtype)

    def extra_repr(self) -> str:
        return f"s={self.s:g}, scale={self.scale}"
