"""Ten activations, networks and readers as people write them, that are right."""

from __future__ import annotations

import logging
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from trainer.datasets.reader import Dataset


class Swish(nn.Module):
    """A plain formula with a trained parameter."""

    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class PerChannel(nn.Module):
    """A parameter per channel."""

    def __init__(self, channels=None, slope=0.25):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels or 1,), float(slope)))

    def forward(self, x):
        return torch.where(x > 0, x, self.slope.view(1, -1, *[1] * (x.ndim - 2)) * x)


class CountsInABuffer(nn.Module):
    """Anneals its slope by the number of batches it has seen."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        if self.training:
            self.seen += 1
        return torch.nn.functional.leaky_relu(x, 0.1) + 0.01 * torch.exp(-self.seen.float()) * x


class CountsInExtraState(nn.Module):
    """The same with a Python number, which it gives to the checkpoint."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]

    def forward(self, x):
        if self.training:
            self.seen += 1
        return torch.relu(x) + 0.1 / (1 + self.seen) * x


class Straight(nn.Module):
    """A step function with a straight-through gradient."""

    def forward(self, x):
        return x + (torch.round(x) - x).detach()


class Noisy(nn.Module):
    """Draws from torch's generator, which each epoch seeds."""

    def forward(self, x):
        return torch.relu(x + 0.1 * torch.randn_like(x) if self.training else x)


class Looked(nn.Module):
    """Keeps what it last gave, for a look at it, in place of nothing."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        self.last = torch.tanh(x)
        return self.last


LOG = logging.getLogger("own")


class Logs(nn.Module):
    """Makes a logger in its first forward, and a cache that settles."""

    masks: ClassVar[dict] = {}

    def forward(self, x):
        logging.getLogger("own.forward").debug("seen %s", x.shape)
        key = (x.shape[1:], str(x.dtype))
        if key not in self.masks:
            self.masks[key] = 0.5
        return torch.relu(x) + self.masks[key] * torch.tanh(x)


class SaysSo(nn.Module):
    """Keeps a number that nothing depends on, and a parameter for later: both said."""

    actsweep_transient = ("calls",)
    actsweep_untrained = ("later",)

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.later = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        self.calls += 1
        return x.clone().relu_()


def residual(*, channels, outputs, activation):
    """A network that calls ``activation`` and uses one module in two places."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(channels, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.act = activation(8)
            self.head = nn.Linear(8, outputs)

        def forward(self, x):
            x = self.act(self.first(x))
            return self.head(self.act(x + self.second(x)).mean((2, 3)))

    return Net()


class _Blobs:
    """A data set made on the spot."""

    def load(self, root, options):
        generator = np.random.default_rng(0)
        labels = np.arange(90) % 3
        items = generator.normal(labels[:, None, None, None], 1.0, (90, 1, 6, 6)).astype(np.float32)
        return Dataset(name="blobs", items=items, labels=labels, classes=("a", "b", "c"), digest="0" * 64)


blobs = _Blobs()
