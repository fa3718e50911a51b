"""A data set that lives on the device, and the batches that are gathered from it there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer import seeds
from trainer.datasets.reader import Dataset


@dataclass(frozen=True, kw_only=True)
class Resident:
    """One copy of a data set, shared by every fold of a pack."""

    items: Tensor
    """[n, channels, height, width] as stored, so that a batch is what gets widened, not the set: uint8 stays uint8,
    float64 stays float64, tokens stay whole numbers; all else is float32."""
    targets: Tensor
    """[n] int64, or [n, k] float32 or float64."""


def resident(dataset: Dataset, device: torch.device) -> Resident:
    """Copies ``dataset`` to ``device`` once; read-only memory maps are read here and nowhere later."""
    items = torch.from_numpy(np.require(dataset.items, requirements=["C", "W", "A"]))
    stays = items.dtype in (torch.uint8, torch.float64) or dataset.kind == "tokens"
    targets = dataset.targets
    exact = np.int64 if targets.dtype.kind in "iu" else np.float64 if targets.dtype == np.float64 else np.float32
    return Resident(
        items=(items if stays else items.float()).to(device),
        targets=torch.from_numpy(np.array(targets, dtype=exact)).to(device),
    )


def bounds(count: int, batch: int) -> list[tuple[int, int]]:
    """(first, end) of each batch over ``count`` items. Every item is in one: the last batch may be short, and a single
    left-over item joins the batch before it, since batch normalisation has no variance of one value."""
    if batch < 1:
        raise ValueError(f"batch size {batch}, accepts 1 or more")
    edges = [*range(0, count, batch), count]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1 and batch > 1:
        del edges[-2]
    return list(itertools.pairwise(edges))


def order(indices: Tensor, *, study_seed: int, repeat: int, fold: int, epoch: int) -> Tensor:
    """``indices`` in the order of one epoch, on their device; the same on every device and for every activation."""
    generator = torch.Generator().manual_seed(seeds.seed("order", study_seed, repeat, fold, epoch))
    return indices[torch.randperm(len(indices), generator=generator).to(indices.device)]


class Rows:
    """Rows of one tensor, put together batch by batch; their shape and type are the first batch's."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.rows = torch.empty(0)

    def put(self, first: int, end: int, rows: Tensor) -> None:
        if first == 0:
            self.rows = torch.empty(self._count, *rows.shape[1:], dtype=rows.dtype, device=rows.device)
        self.rows[first:end] = rows
