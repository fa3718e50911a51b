"""Networks for images of 32x32 pixels, after the versions that are common for CIFAR (kuangliu/pytorch-cifar)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.activations import arguments

MOBILE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Feature maps and stride of MobileNet's thirteen separable blocks."""

INCEPTION = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
"""Feature maps of GoogLeNet's nine inception blocks (:class:`_Inception`), with a 3x3 max-pool of stride 2 at None."""


def mobilenet(*, channels: int, classes: int, width: float = 1.0) -> nn.Module:
    """MobileNet v1 (Howard et al., arXiv 1704.04861, Table 1) for input [batch, channels, height, width] of about
    32x32: the first convolution and the first block have stride 1; logits [batch, classes].

    ``width`` is the paper's multiplier of all feature maps, rounded, at least 1. At 1, with three channels and ten
    classes: 27 activations, 3,217,226 weights.
    """
    arguments.real("mobilenet", "width", width, above=0.0)
    before = _maps(32, width)
    layers = _convolved(channels, before, 3)
    for maps, stride in MOBILE:
        after = _maps(maps, width)
        layers += _convolved(before, before, 3, stride=stride, groups=before)
        layers += _convolved(before, after, 1)
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


def googlenet(*, channels: int, classes: int, width: float = 1.0) -> nn.Module:
    """GoogLeNet (Szegedy et al., arXiv 1409.4842, Table 1) for input [batch, channels, height, width] of about 32x32:
    one 3x3 convolution as stem, batch normalisation after every convolution, two 3x3 ones for each 5x5, no auxiliary
    heads; logits [batch, classes].

    ``width`` multiplies all feature maps, rounded, at least 1. At 1, with three channels and ten classes: 64
    activations, 6,166,250 weights. torchvision's, for 224x224, is ``torchvision.googlenet``.
    """
    arguments.real("googlenet", "width", width, above=0.0)
    before = _maps(192, width)
    layers = _convolved(channels, before, 3, bias=True)
    for maps in INCEPTION:
        if maps is None:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            continue
        block = _Inception(before, *(_maps(item, width) for item in maps))
        layers.append(block)
        before = block.maps
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


class _Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and two 3x3; max-pool and 1x1."""

    def __init__(self, before: int, one: int, to_3: int, three: int, to_5: int, five: int, pooled: int) -> None:
        super().__init__()
        self.maps = one + three + five + pooled
        self.one = nn.Sequential(*_convolved(before, one, 1, bias=True))
        self.three = nn.Sequential(*_convolved(before, to_3, 1, bias=True), *_convolved(to_3, three, 3, bias=True))
        self.five = nn.Sequential(
            *_convolved(before, to_5, 1, bias=True),
            *_convolved(to_5, five, 3, bias=True),
            *_convolved(five, five, 3, bias=True),
        )
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_convolved(before, pooled, 1, bias=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)


def _convolved(
    before: int, after: int, edge: int, *, stride: int = 1, groups: int = 1, bias: bool = False
) -> list[nn.Module]:
    """A convolution that keeps the size but for its stride, batch normalisation, and a place for the activation."""
    convolution = nn.Conv2d(before, after, edge, stride=stride, padding=edge // 2, groups=groups, bias=bias)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]


def _maps(full: int, width: float) -> int:
    return max(1, round(full * width))
