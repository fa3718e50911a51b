"""A few items of a fold's split as a data set of their own, so that nothing waits for the whole one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.reader import Dataset
from trainer.splits import Split
from trainer.tasks.task import Task

LEARNT_FROM, LOOKED_AT = 64, 4
"""Items that inputs and task learn from, and those that are evaluated: at most so many of a part."""


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Items in memory, and the parts of the split that they belong to, by their numbers here."""

    dataset: Dataset
    split: Split


def take(made: Task, dataset: Dataset, split: Split) -> Excerpt:
    """Items spread over each part of the split; of the training part, over those that the task trains on."""
    parts = (
        _spread(made.trained_on(split), LEARNT_FROM),
        _spread(split.validation, LOOKED_AT),
        _spread(split.heldout, LOOKED_AT),
    )
    chosen, edges = np.concatenate(parts), np.cumsum([0, *map(len, parts)])
    of_each: dict[str, Any] = {
        name: None if (array := getattr(dataset, name)) is None else np.asarray(array[chosen])
        for name in ("items", "labels", "values", "fixed_heldout", "order", "masks", "sizes")
    }
    train, validation, heldout = (np.arange(edges[part], edges[part + 1], dtype=np.int64) for part in range(3))
    return Excerpt(
        dataset=dataclasses.replace(dataset, groups={}, published=None, mesh=None, **of_each),
        split=dataclasses.replace(split, train=train, validation=validation, heldout=heldout),
    )


def _spread(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    places = np.linspace(0, len(indices) - 1, min(count, len(indices)))
    return indices[np.unique(places.astype(np.int64))]
