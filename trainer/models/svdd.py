"""The encoder and decoder of Deep SVDD (Ruff et al., ICML 2018) for small images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainer.activations import arguments

EPS = 1e-4
"""Of the batch normalisations, which have no weights."""


def svdd_lenet(*, channels: int, outputs: int, input_shape: tuple[int, int, int], width: int = 8) -> nn.Module:
    """Encodes images [batch, channels, height, width] as [batch, outputs]; its child ``decoder`` makes images with
    values in (0, 1) of those.

    Two 5x5 convolutions to ``width`` and ``width`` / 2 maps, each with batch normalisation, activation and a max-pool,
    and a linear layer; the decoder mirrors them with transposed convolutions behind nearest up-sampling. There are 2 +
    3 places for the activation and no bias anywhere: with one, the network could give the centre for all that it sees.
    Raises ValueError for sizes that it cannot halve twice and make again.
    """
    return SvddLeNet(channels=channels, outputs=outputs, input_shape=input_shape, width=width)


class SvddLeNet(nn.Module):
    """See :func:`svdd_lenet`."""

    def __init__(self, *, channels: int, outputs: int, input_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        arguments.count("svdd_lenet", "width", width)
        if width % 2:
            raise arguments.WrongArgument("svdd_lenet", "width", width, "an even number")
        size = input_shape[1:]
        if min(size) < 8 or any(side % 4 for side in size):
            raise ValueError(
                f"model 'svdd_lenet': got images of {size[0]}x{size[1]}; accepts heights and widths that are multiples "
                "of 4 and at least 8: choose another model, or a data set (or an option of it) with such images"
            )
        start = math.ceil(size[0] / 8), math.ceil(size[1] / 8)
        if outputs % math.prod(start):
            raise ValueError(
                f"model 'svdd_lenet': got an embedding of {outputs} for images of {size[0]}x{size[1]}; accepts "
                f"multiples of {math.prod(start)}, which its decoder unfolds to {start[0]}x{start[1]}"
            )
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width, eps=EPS, affine=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width // 2, 5, padding=2, bias=False),
            nn.BatchNorm2d(width // 2, eps=EPS, affine=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(width // 2 * math.prod(size) // 16, outputs, bias=False),
        )
        # Four times the start is up to 3 pixels more than half the image: the second layer cuts them off.
        cut = 2 + (4 * start[0] - size[0] // 2) // 2, 2 + (4 * start[1] - size[1] // 2) // 2
        first = outputs // math.prod(start)
        self.decoder = _Decoder(
            nn.Unflatten(1, (first, *start)),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(first, width // 2, 5, padding=2, bias=False),
            nn.BatchNorm2d(width // 2, eps=EPS, affine=False),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(width // 2, width, 5, padding=cut, bias=False),
            nn.BatchNorm2d(width, eps=EPS, affine=False),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(width, channels, 5, padding=2, bias=False),
        )

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.encoder(images)
        return embedded


class _Decoder(nn.Sequential):
    def forward(self, embedded: Tensor) -> Tensor:
        made: Tensor = super().forward(embedded)  # type: ignore[no-untyped-call]
        return torch.sigmoid(made)
