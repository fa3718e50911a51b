"""A task, a data set and a network of one's own: how many visits there will be, told as a rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import About, Dataset
from trainer.tasks.metric import Metric
from trainer.tasks.task import Task


class Counts(Task):
    """Poisson regression: the model gives the logarithm of a rate, over the mean rate of the training part."""

    metrics = (
        Metric(name="loss", better="lower"),
        Metric(name="off_by", better="lower", low=0.0, unit="visits"),
        Metric(name="within_one", better="higher", low=0.0, high=1.0, share_of_items=True),
    )
    primary = "off_by"

    mean: Tensor

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.register_buffer("mean", torch.ones(()))

    @classmethod
    def misfit(cls, dataset: Dataset) -> str:
        return "" if dataset.values is not None else "has no values; counts need one number an item"

    @property
    def outputs(self) -> int:
        return 1

    def fit(self, targets: Tensor, outputs: Callable[[], Tensor]) -> None:
        self.mean.fill_(targets.mean())

    def rate(self, outputs: Tensor) -> Tensor:
        return self.mean * outputs.exp()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.poisson_nll_loss(self.rate(outputs), targets, log_input=False)

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        rate = self.rate(outputs)
        return self._scores(rate, targets)

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        return self._scores(train.mean().expand_as(heldout), heldout)

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        return {"rate": self.rate(outputs).cpu().numpy(), "counts": targets.cpu().numpy()}

    @staticmethod
    def _scores(rate: Tensor, targets: Tensor) -> dict[str, float]:
        rate, targets = rate.double(), targets.double()
        off = (rate - targets).abs()
        loss = nn.functional.poisson_nll_loss(rate, targets, log_input=False)
        return {
            "loss": float(loss),
            "off_by": float(off.mean()),
            "within_one": float((off <= 1).double().mean()),
        }


class Visits:
    about = About(title="Visits", licence="ours", citation="none", source="made here", needs="")

    def load(self, root: object, options: object) -> Dataset:
        generator = np.random.default_rng(5)
        items = generator.normal(loc=[3.0, 50.0, -2.0, 1e3], scale=[1.0, 5.0, 0.5, 10.0], size=(240, 4))
        slope = (items - items.mean(axis=0)) / items.std(axis=0) @ np.array([0.5, -0.4, 0.3, 0.0])
        counts = generator.poisson(4.0 * np.exp(np.abs(slope) - 0.5))
        return Dataset(
            name="visits",
            items=items[:, None, None, :],
            values=counts[:, None].astype(np.float32),
            kind="table",
            standardise="fold",
            digest="5" * 64,
        )

    prepare = load


visits = Visits()


def network(*, outputs: int, input_shape: tuple[int, ...], activation: Callable[..., nn.Module], width: int = 16):
    """Places the activation itself, and names none of the keywords of image classification."""
    features = int(np.prod(input_shape))
    return nn.Sequential(
        nn.Flatten(), nn.Linear(features, width), activation(width, axis=-1), nn.Linear(width, outputs)
    )


class Unfinished(Counts):
    """Says nothing of its loss."""

    loss = Task.loss
