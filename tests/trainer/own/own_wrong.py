"""Ten and more activations, networks and readers as people really wrote them, each wrong in one way."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from trainer.datasets.reader import Dataset


class InPlace(nn.Module):
    """Changes what the backward pass of the sigmoid needs."""

    def forward(self, x):
        gate = torch.sigmoid(x)
        x = x * gate
        gate.mul_(0.5)
        return x + gate


class Numpy(nn.Module):
    """Computes in numpy, around autograd."""

    def forward(self, x):
        y = np.maximum(x.detach().cpu().numpy(), 0)
        return torch.from_numpy(y).to(x.device)


class NumpyDirectly(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.tanh(x.numpy()))


class Detached(nn.Module):
    """A trained scale of a detached curve: the scale learns, nothing before it does."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * torch.tanh(x.data)


class Steps(nn.Module):
    def forward(self, x):
        return torch.sign(x)


class Unused(nn.Module):
    """A parameter that forward overwrites with a number."""

    def __init__(self, alpha=0.1):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(alpha))
        self.slope = alpha

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


class MadeLate(nn.Module):
    """Makes its parameter when it first sees how many channels there are."""

    def __init__(self):
        super().__init__()
        self.alpha = None

    def forward(self, x):
        if self.alpha is None:
            self.alpha = nn.Parameter(torch.full((1, x.shape[1], *[1] * (x.ndim - 2)), 0.25))
        return torch.maximum(x, self.alpha * x)


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.LazyConv2d(1, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.gate(x))


class StaysBehind(nn.Module):
    """A table of knots that is neither parameter nor buffer."""

    def __init__(self):
        super().__init__()
        self.knots = torch.linspace(-3, 3, 7)

    def forward(self, x):
        return torch.relu(x.unsqueeze(-1) - self.knots).mean(-1)


class MadeOnTheCpu(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros(x.shape))


class Counts(nn.Module):
    """Anneals by a Python counter."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
        return torch.relu(x) + 0.1 * x / (1 + self.steps)


class LateCounter(nn.Module):
    """A counter that first matters after a thousand batches."""

    def __init__(self):
        super().__init__()
        self.progress_of = {"steps": 0}

    def forward(self, x):
        self.progress_of["steps"] += 1
        return torch.relu(x) if self.progress_of["steps"] < 1000 else torch.tanh(x)


class Average(nn.Module):
    """A running mean in a plain tensor, used in evaluation."""

    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(())

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return torch.relu(x - self.mean)


class OfTheClass(nn.Module):
    """Counts for all places together, on the class."""

    seen = 0

    def forward(self, x):
        OfTheClass.seen += 1
        return torch.relu(x) * (1 + 1 / OfTheClass.seen)


class _Meter:
    def __init__(self):
        self.total = 0.0


class Metered(nn.Module):
    """Scales by what a helper object has added up."""

    def __init__(self):
        super().__init__()
        self.meter = _Meter()

    def forward(self, x):
        if self.training:
            self.meter.total += float(x.detach().abs().mean())
        return torch.relu(x) / (1 + self.meter.total)


class OwnGenerator(nn.Module):
    """Noise of its own."""

    def __init__(self):
        super().__init__()
        self.generator = np.random.default_rng(3)

    def forward(self, x):
        return torch.relu(x + float(self.generator.normal()))


class ArrayState(nn.Module):
    """Gives numpy to the checkpoint, which does not come back."""

    def __init__(self):
        super().__init__()
        self.mean = np.zeros(1)

    def get_extra_state(self):
        return {"mean": self.mean}

    def set_extra_state(self, state):
        self.mean = state["mean"]

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * float(x.detach().mean())
        return torch.relu(x - float(self.mean[0]))


class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.slopes = [nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(1.0))]

    def forward(self, x):
        return torch.where(x > 0, self.slopes[1] * x, self.slopes[0] * x)


class Root(nn.Module):
    """The root of 0 in the branch that is left out has an infinite slope."""

    def forward(self, x):
        return torch.where(x > 0, torch.sqrt(x), 0.1 * x)


class Overflows(nn.Module):
    def __init__(self, power=1.0):
        super().__init__()
        self.power = power

    def forward(self, x):
        return x * torch.exp(self.power * 1000 * x.abs())


class Head(nn.Module):
    """A network with a second head that forward never asks."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head, self.second = nn.Linear(8, outputs), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.body(x))


class Hidden(nn.Module):
    """A recurrent network that begins each batch where the one before has ended."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.cell, self.act, self.head = nn.Linear(channels * 64 + 8, 8), nn.ReLU(), nn.Linear(8, outputs)
        self.state = torch.zeros(1, 8)

    def forward(self, x):
        rows = self.act(self.cell(torch.cat([x.flatten(1), self.state.expand(len(x), 8)], dim=1)))
        self.state = rows[-1:].detach()
        return self.head(rows)


class Positions(nn.Module):
    """A network with a table of places that is no buffer."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.table = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, 8), nn.ReLU(), nn.Linear(8, outputs))

    def forward(self, x):
        return self.body(x + self.table)


class _Shifted:
    """Labels from 1."""

    def load(self, root, options):
        items = np.zeros((90, 1, 6, 6), np.float32)
        labels = 1 + np.arange(90) % 3
        return Dataset(name="shifted", items=items, labels=labels, classes=("a", "b", "c"), digest="0" * 64)


class _Ragged:
    """Rows of unequal length."""

    def load(self, root, options):
        items = np.empty(90, dtype=object)
        for number in range(90):
            items[number] = np.zeros(6 + number % 2, np.float32)
        return Dataset(name="ragged", items=items, labels=np.arange(90) % 3, classes=("a", "b", "c"), digest="0" * 64)


shifted, ragged = _Shifted(), _Ragged()
