"""Networks for images."""

from __future__ import annotations

from typing import cast

import torchvision
from torch import nn

from trainer.activations import arguments

STEMS = ("imagenet", "small")


def resnet34(*, channels: int, classes: int, stem: str = "imagenet") -> nn.Module:
    """torchvision's ResNet-34, untrained, for input [batch, channels, height, width]; logits [batch, classes].

    ``stem`` "imagenet" is the 7x7 convolution of stride 2 and the max-pool, "small" a 3x3 convolution of stride 1 and
    no max-pool, which keeps small images (32x32 and less) from shrinking to a point early.
    """
    return _resnet("resnet34", channels=channels, classes=classes, stem=stem)


def resnet18(*, channels: int, classes: int, stem: str = "imagenet") -> nn.Module:
    """torchvision's ResNet-18, as :func:`resnet34`: 9 activation modules, 17 applications."""
    return _resnet("resnet18", channels=channels, classes=classes, stem=stem)


def _resnet(name: str, *, channels: int, classes: int, stem: str) -> nn.Module:
    arguments.word(name, "stem", stem, STEMS)
    model = cast(nn.Module, getattr(torchvision.models, name)(weights=None, num_classes=classes))
    if stem == "small":
        model.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    else:
        return model
    # as torchvision starts its own convolutions
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    return model


def tiny_cnn(*, channels: int, classes: int, width: int = 8) -> nn.Module:
    """Two 3x3 convolutions with batch-norm, a global average and a linear layer: 1,442 weights for one channel and ten
    classes. For smoke runs, where a training must take a second. ``width``: feature maps of the first convolution."""
    arguments.count("tiny_cnn", "width", width)
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )
