"""What a method of anomaly detection has to bring; :mod:`trainer.tasks.anomaly.task` does what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.tasks.anomaly.kinds import Kinds
from trainer.tasks.view import Place, View

Chosen = Mapping[str, Any]
"""All options of the task, with their defaults."""


class Method(ABC):
    """Of one fold. It holds what follows from data set and options, and nothing that is trained."""

    @abstractmethod
    def __init__(self, dataset: Dataset, kinds: Kinds, options: Chosen) -> None:
        """``dataset``: what :meth:`derived` gave."""

    @staticmethod
    def learns(kinds: Kinds) -> NDArray[np.bool_]:
        """[classes] that the loss is of."""
        return kinds.normal

    @staticmethod
    @abstractmethod
    def derived(dataset: Dataset, place: Place, options: Chosen) -> Dataset:
        """What the method trains on."""

    @staticmethod
    def misfit(dataset: Dataset, options: Chosen) -> str:
        """What keeps the method from being used on pictures like these, and what to do; "" where nothing does."""
        return ""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that the model gives for one item."""

    @abstractmethod
    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """A row an item."""

    @abstractmethod
    def loss(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Shape []."""

    def scores(self, rows: Tensor) -> Tensor | None:
        """[n], higher for what is less normal; None where :meth:`scored` says it."""
        return None

    def checked(self, view: View) -> None:  # noqa: B027  # a method may have nothing to ask of a model
        """Before the first epoch. Raises ValueError for a model that the method cannot use."""

    def trivial(self, view: View) -> dict[str, NDArray[np.float64]]:
        """Predictor that trains no network -> its scores [items of the held-out part]."""
        return {}

    def measure(self, rows: Tensor, targets: Tensor) -> dict[str, float]:
        """Metrics beside the loss and those of the scores."""
        return {}

    def scored(self, view: View) -> tuple[Tensor, dict[str, float]] | None:
        """Scores [items of the held-out part] of the model as it is, and metrics beside those of the scores."""
        return None
