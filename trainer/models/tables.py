"""Networks for rows of a table, points of a mesh, and anything that may be read as one row of numbers."""

from __future__ import annotations

import math

from torch import nn

from trainer.activations import arguments


def mlp(
    *,
    outputs: int,
    input_shape: tuple[int, int, int],
    hidden: str | int = "64,32",
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> nn.Module:
    """Fully connected layers for input [batch, channels, height, width], read as one row; output [batch, outputs].

    ``hidden``: widths of the hidden layers, as "64,32", or "8x240" for eight layers of 240; each is followed by batch
    normalisation where asked for, the activation, and ``dropout`` where it is above 0. The last layer is linear.
    """
    widths = layer_widths("mlp", "hidden", hidden)
    arguments.real("mlp", "dropout", dropout, low=0.0, below=1.0)
    arguments.flag("mlp", "batch_norm", batch_norm)
    layers: list[nn.Module] = [nn.Flatten()]
    before = math.prod(input_shape)
    for width in widths:
        layers.append(nn.Linear(before, width))
        layers += [nn.BatchNorm1d(width)] if batch_norm else []
        layers.append(nn.ReLU())
        layers += [nn.Dropout(dropout)] if dropout else []
        before = width
    layers.append(nn.Linear(before, outputs))
    return nn.Sequential(*layers)


def layer_widths(owner: str, name: str, value: str | int) -> tuple[int, ...]:
    """Widths of layers from "64,32" or "8x240". Raises :class:`~trainer.activations.arguments.WrongArgument`
    for anything else."""
    accepted = 'widths of layers of at least 1, as "64,32", or as "8x240" for eight layers of 240'
    widths: list[int] = []
    for text in str(value).split(","):
        count, _, width = text.strip().rpartition("x")
        if isinstance(value, bool) or not width.strip().isdigit() or not (count or "1").strip().isdigit():
            raise arguments.WrongArgument(owner, name, value, accepted)
        widths += [int(width)] * int(count or "1")
    if not widths or min(widths) < 1:
        raise arguments.WrongArgument(owner, name, value, accepted)
    return tuple(widths)
