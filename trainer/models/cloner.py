"""A small network that learns the maps of a large one (Salehi et al., "Multiresolution Knowledge Distillation for
Anomaly Detection", CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.activations import arguments
from trainer.features.facts import BACKBONES

MATCHES = ("after_activation", "before")
CONVOLUTIONS = "2,2,3,3,3"


def cloner(
    *,
    teacher: str = "vgg16",
    levels: int | None = None,
    convolutions: str = CONVOLUTIONS,
    narrow: int = 16,
    match: str = "after_activation",
) -> nn.Module:
    """For images [n, 3, height, width] gives the maps of the first ``levels`` levels of ``teacher`` (all by default),
    flattened: [n, numbers]. Sides are multiples of the coarsest level's stride.

    VGG-16's layout with ``convolutions`` in each of its blocks: 3x3 without bias, ``narrow`` channels; batch
    normalisation after each but a block's last; the activation after each; a max-pool of 2 at a block's end. All blocks
    but the first give a level's maps. With ``match: after_activation`` (the paper's) a block's last convolution has the
    level's channels, so that the maps are the activation's own values; with ``match: before`` blocks have 1, 2, 4, 4
    and 4 times ``narrow`` channels, and a linear 1x1 head makes the maps, whatever values the activation can take. 13
    activations by default. Weights begin Xavier-uniform.
    """
    if arguments.word("cloner", "teacher", teacher, tuple(BACKBONES)) and not BACKBONES[teacher].strides:
        fit = tuple(name for name, facts in BACKBONES.items() if facts.strides)
        raise arguments.WrongArgument("cloner", "teacher", teacher, f"{', '.join(fit)}, whose maps halve at each level")
    arguments.word("cloner", "match", match, MATCHES)
    arguments.count("cloner", "narrow", narrow)
    channels = BACKBONES[teacher].channels
    if levels is not None and arguments.count("cloner", "levels", levels) > len(channels):
        raise arguments.WrongArgument("cloner", "levels", levels, f"1 to {len(channels)}, as {teacher} has")
    channels = channels[:levels]
    return Cloner(channels, _counts(convolutions, len(channels) + 1), narrow, heads=match == "before")


class Cloner(nn.Module):
    def __init__(self, channels: tuple[int, ...], counts: tuple[int, ...], narrow: int, *, heads: bool) -> None:
        super().__init__()
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        before = 3
        for number, count in enumerate(counts):
            width = narrow * min(2**number, 4) if heads else narrow
            last = width if heads or number == 0 else channels[number - 1]
            self.blocks.append(_block(before, [width] * (count - 1) + [last]))
            before = last
            if number:
                level = channels[number - 1]
                self.heads.append(nn.Conv2d(last, level, kernel_size=1) if heads else nn.Identity())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        maps = []
        for number, block in enumerate(self.blocks):
            images = block(images)
            if number:
                maps.append(self.heads[number - 1](images).flatten(1))
        return torch.cat(maps, dim=1)


def _block(before: int, widths: list[int]) -> nn.Sequential:
    made: list[nn.Module] = []
    for place, width in enumerate(widths):
        made.append(nn.Conv2d(before, width, kernel_size=3, padding=1, bias=False))
        made += [nn.BatchNorm2d(width)] if place < len(widths) - 1 else []
        made.append(nn.ReLU())
        before = width
    return nn.Sequential(*made, nn.MaxPool2d(2))


def _counts(convolutions: str, blocks: int) -> tuple[int, ...]:
    """Convolutions of each block, of those named as many as there are blocks."""
    found = tuple(int(text) if text.strip().isdigit() else 0 for text in str(convolutions).split(","))
    if min(found) < 1 or len(found) < blocks:
        accepted = f'numbers of convolutions of {blocks} blocks or more, of at least 1, as "{CONVOLUTIONS}"'
        raise arguments.WrongArgument("cloner", "convolutions", convolutions, accepted)
    return found[:blocks]
