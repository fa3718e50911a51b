"""Networks for images."""

from __future__ import annotations

import math

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from trainer.activations import arguments

STEMS = ("imagenet", "small")
WIDTH = 64
"""Feature maps of torchvision's first stage; the next three have 2, 4 and 8 times as many."""


def resnet34(*, channels: int, classes: int, stem: str = "imagenet", width: int = WIDTH) -> nn.Module:
    """torchvision's ResNet-34, untrained, for input [batch, channels, height, width]; logits [batch, classes].

    ``stem`` "imagenet" is the 7x7 convolution of stride 2 and the max-pool, "small" a 3x3 convolution of stride 1 and
    no max-pool, which keeps small images (32x32 and less) from shrinking to a point early. ``width`` is the number of
    feature maps of the stem and the first stage, and those of the other stages scale with it: 16 makes the network a
    quarter as wide, with about a sixteenth of the weights. At 64 the weights are torchvision's own, bit for bit.
    """
    return _resnet("resnet34", (3, 4, 6, 3), channels=channels, classes=classes, stem=stem, width=width)


def resnet18(*, channels: int, classes: int, stem: str = "imagenet", width: int = WIDTH) -> nn.Module:
    """torchvision's ResNet-18, as :func:`resnet34`: 9 activation modules, 17 applications."""
    return _resnet("resnet18", (2, 2, 2, 2), channels=channels, classes=classes, stem=stem, width=width)


def _resnet(name: str, blocks: tuple[int, ...], *, channels: int, classes: int, stem: str, width: int) -> nn.Module:
    arguments.word(name, "stem", stem, STEMS)
    arguments.count(name, "width", width)
    model = _Scaled(blocks, classes=classes, width=width)
    if stem == "small":
        model.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif (channels, width) != (3, WIDTH):
        model.conv1 = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
    else:
        return model
    # as torchvision starts its own convolutions
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    return model


class _Scaled(ResNet):  # type: ignore[misc]  # torchvision has no types
    """torchvision's network of basic blocks with every stage's width in proportion to the first's. Its stem's
    convolution stays as wide as torchvision's, for the caller to replace."""

    def __init__(self, blocks: tuple[int, ...], *, classes: int, width: int) -> None:
        self.width = width  # read while torchvision builds
        super().__init__(BasicBlock, list(blocks), num_classes=classes)
        if width != WIDTH:
            self.bn1 = nn.BatchNorm2d(width)
            self.fc = nn.Linear(8 * width, classes)

    def _make_layer(
        self, block: type[nn.Module], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        if planes == WIDTH:
            self.inplanes = self.width
        made: nn.Sequential = super()._make_layer(block, planes // WIDTH * self.width, blocks, stride, dilate)
        return made


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


def small_cnn(
    *, channels: int, classes: int, input_shape: tuple[int, int, int], width: int = 32, dropout: float = 0.25
) -> nn.Module:
    """Two blocks of a 5x5 convolution, the activation, batch normalisation, a 2x2 max-pool and dropout, then a linear
    layer: what ALReLU's author uses for images. Published of it are the block's order and its 32 feature maps; the
    ``dropout`` is a guess. ``width``: feature maps of both convolutions."""
    arguments.count("small_cnn", "width", width)
    arguments.real("small_cnn", "dropout", dropout, low=0.0, below=1.0)
    layers: list[nn.Module] = []
    before, (_, height, columns) = channels, input_shape
    for _ in range(2):
        layers += [nn.Conv2d(before, width, kernel_size=5, padding=2), nn.ReLU(), nn.BatchNorm2d(width)]
        layers += [nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(dropout)]
        before, height, columns = width, math.ceil(height / 2), math.ceil(columns / 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * height * columns, classes))
