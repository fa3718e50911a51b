"""What a task has to bring. One of the user's own is a subclass, named by its import path (``mylab.tasks:Counts``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer import catalogue
from trainer.datasets.reader import Dataset
from trainer.errors import DataError, UnknownName
from trainer.splits import Split, Strata
from trainer.tasks.description import Description
from trainer.tasks.metric import Metric


def find(name: str) -> type[Task]:
    """The task of a catalogue name or import path. Raises :class:`UnknownName`."""
    kind = catalogue.resolve("task", name, catalogue.TASKS)
    if not isinstance(kind, type) or not issubclass(kind, Task):
        raise UnknownName(f"task {name!r}: got {catalogue.what(kind)}; accepts a subclass of trainer.tasks.task.Task")
    return kind


def fitting(name: str, dataset: Dataset) -> type[Task]:
    """:func:`find`, for a data set on which it can be solved. Raises :class:`DataError` for another."""
    kind = find(name)
    if problem := kind.misfit(dataset):
        raise DataError(f"data set {dataset.name!r}, task {name}: {problem}")
    return kind


class Task(nn.Module, ABC):
    """What a fold solves. Its parameters and buffers are saved and restored with the checkpoint, on the fold's device.

    ``targets`` is below the data set's ``targets`` of some items: [n] int64 (labels) or [n, k] floating point (values);
    ``outputs`` what the model gave for them: [n, :attr:`outputs`], float32, or float64 where the study trains so.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    """The loss among them."""
    primary: ClassVar[str]
    """The metric that a study reports unless it names another."""
    stratifies: ClassVar[bool] = False

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()

    @classmethod
    def described(cls, name: str) -> Description:
        """Raises ValueError where the class says nothing usable of its metrics."""
        try:
            return Description(name=name, metrics=tuple(cls.metrics), primary=cls.primary, stratifies=cls.stratifies)
        except AttributeError as error:
            raise ValueError(f"{cls.__name__}: {error}; a task says metrics and primary as class attributes") from None

    @classmethod
    def misfit(cls, dataset: Dataset) -> str:
        """What keeps the task from being solved on the data set, and what to do; "" where nothing does."""
        return ""

    @classmethod
    def strata(cls, dataset: Dataset) -> Strata | None:
        """What every part of a split gets its share of; None where nothing is stratified."""
        return None

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that the model gives for one item."""

    def trained_on(self, split: Split) -> NDArray[np.int64]:
        """Which items of the training part the model is trained on, ascending."""
        return split.train

    def fit(self, targets: Tensor, outputs: Callable[[], Tensor]) -> None:
        """Before the first epoch: learns what it needs of the training part (a scale of the targets, a centre), into
        buffers. ``outputs()`` gives the untrained model's outputs for them, in evaluation mode."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a batch's step minimises, shape []."""

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        """The metrics of a whole part ("train", "validation" or "heldout"), at least the loss; a task may leave out
        those that it does not measure there. One transfer from the device for all of them."""

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        """What knowing nothing scores on the held-out part, by metric, where that can be said: ``train`` and
        ``heldout`` are the targets of both parts."""
        return {}

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """What ``predictions.npz`` keeps of the held-out part: arrays with a row an item."""
        return {"outputs": outputs.cpu().numpy(), "targets": targets.cpu().numpy()}
