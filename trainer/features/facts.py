"""Which backbones there are, and where their maps are taken. Loads without torch."""

from __future__ import annotations

from dataclasses import dataclass

RANDOM = "random"
"""In place of a file: random weights, always the same, as a control."""
PACKAGE = "package"
"""In place of a file: the weights that an installed package brings."""
EXTRA = "backbones"
"""The extra of this package that brings :data:`PACKAGE`."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Levels are numbered from 0, from the finest maps to the coarsest."""

    taps: tuple[str, ...]
    """Name of the module whose output is a level's maps."""
    channels: tuple[int, ...]
    """Of each level."""
    pooled: tuple[int, ...]
    """The levels whose means over space stand for an image, unless a study says others."""
    strides: tuple[int, ...] = (4, 8, 16, 32)
    """Pixels of the image to a step on a level's maps, where that is exact; () where it is not."""
    head: tuple[str, ...] = ("fc.",)
    """How the names of weights begin that no level needs."""


def _resnet(*channels: int) -> Backbone:
    return Backbone(taps=("layer1", "layer2", "layer3", "layer4"), channels=channels, pooled=(0, 1, 2))


BACKBONES = {
    "alexnet": Backbone(
        taps=("features.2", "features.5", "features.12"),
        channels=(64, 192, 256),
        pooled=(2,),
        strides=(),
        head=("classifier.",),
    ),
    "efficientnet_lite0": Backbone(
        taps=("_blocks.2", "_blocks.4", "_blocks.10", "_blocks.15"),
        channels=(24, 40, 112, 320),
        pooled=(0, 1, 2),
        head=("_fc.", "_conv_head.", "_bn1."),
    ),
    "resnet18": _resnet(64, 128, 256, 512),
    "resnet34": _resnet(64, 128, 256, 512),
    "resnet50": _resnet(256, 512, 1024, 2048),
    "vgg16": Backbone(
        taps=("features.9", "features.16", "features.23", "features.30"),  # its pools 2 to 5
        channels=(128, 256, 512, 512),
        pooled=(3,),
        head=("classifier.",),
    ),
    "wide_resnet50_2": _resnet(256, 512, 1024, 2048),
}
