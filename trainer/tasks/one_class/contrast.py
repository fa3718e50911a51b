"""How images are prepared for Deep SVDD: contrast normalised, each by itself; and the range of normal ones then."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 4096


def normalised(images: Tensor) -> Tensor:
    """``images`` [n, channels, height, width], each less its mean and divided by its mean absolute value (L1), over all
    channels and pixels; an image of one value becomes zeros. Ruff et al. 2018, section 4.1."""
    axes = (1, 2, 3)
    centred = images - images.mean(axes, keepdim=True)
    size = centred.abs().mean(axes, keepdim=True)
    return centred / torch.where(size > 0, size, torch.ones_like(size))


def span(images: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest value (0-d) of the normalised ``images``."""
    ends = [torch.stack(torch.aminmax(normalised(part))) for part in torch.split(images, CHUNK)]
    lows, highs = torch.stack(ends).unbind(dim=1)
    return lows.min(), highs.max()
