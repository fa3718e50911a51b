"""Half precision: in as bf16 or fp16, computed in fp32, rounded once on the way out.

A chain of elementwise operations in bf16 rounds after each of them, with 8 bits; a slope or an exponential then differs
from the formula in its third digit. Kernels that torch itself runs in one go (as its GELU) do the same inside.
"""

from __future__ import annotations

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)


def widened(x: Tensor) -> Tensor:
    """``x`` itself, or its fp32 copy where it is of half precision."""
    return x.float() if x.dtype in HALF else x
