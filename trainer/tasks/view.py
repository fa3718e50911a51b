"""What a task may look at beyond a batch: the parts of its fold's split, and the model as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from trainer.spec import TrainingSpec

PartName = Literal["train", "validation", "heldout"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a data set is made ready, and where files are found."""

    device: torch.device
    data_root: Path | None = None
    """Folder that holds the data sets."""
    cache: Path | None = None
    """Folder for what is derived from data and worth keeping; None where nothing can be kept."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of epochs with an optimiser, a schedule and a loss of its own."""

    name: str
    """"" where there is but one."""
    epochs: int
    training: TrainingSpec


@dataclass(frozen=True, kw_only=True)
class Part:
    """The items of one part of the split, in ascending order, on the fold's device."""

    index: Tensor
    """[n] int64, their numbers in the data set."""
    targets: Tensor
    stored: Callable[..., Tensor]
    """Gives the items as they are stored, [n, channels, height, width]; ``stored(places)`` those at some places of the
    part alone."""
    inputs: Callable[..., Tensor]
    """Gives the items as the model gets them: standardised, in the type that is trained in; ``inputs(places)`` some of
    them."""


class View(Protocol):
    """A fold in training, as its task may see it. A task must not learn from the held-out part."""

    @property
    def model(self) -> nn.Module: ...

    def part(self, name: PartName) -> Part: ...

    def outputs(self, part: PartName) -> Tensor:
        """What :meth:`trainer.tasks.task.Task.forward` gives for a part's items, in evaluation mode."""
        ...

    def outputs_of(self, items: Tensor) -> Tensor:
        """The same for other items, given as they would be stored."""
        ...
