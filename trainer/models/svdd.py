"""The encoder and decoder of Deep SVDD (Ruff et al., ICML 2018) for small images."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainer.activations import arguments

Activation = Callable[[int], nn.Module]
"""From the number of feature maps to the activation for them."""
EPS = 1e-4
"""Of the batch normalisations, which have no weights."""


def svdd_lenet(
    *, channels: int, outputs: int, input_shape: tuple[int, int, int], activation: Activation, width: int = 8
) -> nn.Module:
    """Encodes images [batch, channels, height, width] as [batch, outputs]; its child ``decoder`` makes images with
    values in (0, 1) of those.

    Two 5x5 convolutions to ``width`` and ``width`` / 2 maps, each with batch normalisation, activation and a max-pool,
    and a linear layer; the decoder mirrors them with transposed convolutions behind nearest up-sampling. There are 2 +
    3 places for the activation and no bias anywhere: with one, the network could give the centre for all that it sees.
    Of images of 28x28 and an embedding of 32 it is the published network. Sides that cannot be halved three times are
    padded by the pools and cut to size again in the decoder, as there; an embedding that does not unfold to an eighth
    of the image goes through one more linear layer.
    """
    return SvddLeNet(channels, outputs, input_shape, activation, width)


class SvddLeNet(nn.Module):
    """See :func:`svdd_lenet`."""

    def __init__(
        self, channels: int, outputs: int, input_shape: tuple[int, int, int], activation: Activation, width: int
    ) -> None:
        super().__init__()
        arguments.count("svdd_lenet", "width", width)
        if width % 2:
            raise arguments.WrongArgument("svdd_lenet", "width", width, "an even number")
        half = _halved(input_shape[1:])
        quarter = _halved(half)
        start = _halved(quarter)
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width, eps=EPS, affine=False),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(width, width // 2, 5, padding=2, bias=False),
            nn.BatchNorm2d(width // 2, eps=EPS, affine=False),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(width // 2 * math.prod(quarter), outputs, bias=False),
        )
        first = math.ceil(outputs / math.prod(start))
        unfolded = first * math.prod(start)
        self.decoder = _Decoder(
            *([] if unfolded == outputs else [nn.Linear(outputs, unfolded, bias=False)]),
            nn.Unflatten(1, (first, *start)),
            activation(first),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(first, width // 2, 5, padding=2, bias=False),
            nn.BatchNorm2d(width // 2, eps=EPS, affine=False),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(width // 2, width, 5, padding=2, bias=False),
            _Cut(half),
            nn.BatchNorm2d(width, eps=EPS, affine=False),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(width, channels, 5, padding=2, bias=False),
            _Cut(input_shape[1:]),
        )

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.encoder(images)
        return embedded


class _Decoder(nn.Sequential):
    def forward(self, embedded: Tensor) -> Tensor:
        made: Tensor = super().forward(embedded)  # type: ignore[no-untyped-call]
        return torch.sigmoid(made)


class _Cut(nn.Module):
    """The middle of an image that is up to three pixels too large."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        top, left = ((have - want) // 2 for have, want in zip(images.shape[2:], self.size, strict=True))
        return images[:, :, top : top + self.size[0], left : left + self.size[1]]


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Of an image after a max-pool."""
    return math.ceil(size[0] / 2), math.ceil(size[1] / 2)
