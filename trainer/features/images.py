"""How images are made ready for a network that was trained on others: median, scale, rotation, size."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainer.datasets.pictures import IMAGENET


def opened(stored: Tensor) -> Tensor:
    """Images as they are stored [n, 1 or 3, height, width] as float32 [n, 3, height, width]; uint8 is brought to
    [0, 1]."""
    images = stored.float() / 255.0 if stored.dtype == torch.uint8 else stored.float()
    return images.expand(-1, 3, -1, -1)


def levelled(images: Tensor) -> Tensor:
    """Each channel of each image less its median (the lower of the two middle values): what is left does not tell how
    bright the picture is."""
    ordered = images.flatten(2).sort(dim=2).values
    return images - ordered[:, :, (ordered.shape[2] - 1) // 2, None, None]


def scaled(images: Tensor, *, centred: bool) -> Tensor:
    """By ImageNet's standard deviations, less its means unless the images are ``centred`` already."""
    mean, std = (torch.tensor(values, dtype=images.dtype, device=images.device)[:, None, None] for values in IMAGENET)
    return images / std if centred else (images - mean) / std


def rotated(images: Tensor, part: int, parts: int) -> Tensor:
    """By ``part``/``parts`` of a whole turn about the centre; exact for quarter turns, else bilinear with zeros where
    there is nothing."""
    if 4 * part % parts == 0:
        return torch.rot90(images, 4 * part // parts, dims=(2, 3))
    angle = 2.0 * math.pi * part / parts
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]])
    grid = functional.affine_grid(turn.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images), align_corners=False)


def resized(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Bilinear, with antialiasing where that makes them smaller, to a side or to (height, width)."""
    shape = (size, size) if isinstance(size, int) else size
    if images.shape[2:] == shape:
        return images
    return functional.interpolate(images, size=shape, mode="bilinear", antialias=True, align_corners=False)
