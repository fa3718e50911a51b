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
    """[n, channels, height, width]; uint8 stays uint8, so that a batch is what gets widened, not the set."""
    labels: Tensor
    """[n], int64."""
    scale: Tensor
    shift: Tensor
    """[1, channels, 1, 1]: a batch is ``item * scale + shift``."""

    @property
    def channels(self) -> int:
        return int(self.items.shape[1])

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised float32 items [len(index), channels, height, width] and their labels; no host sync."""
        items = self.items.index_select(0, index).float()
        return torch.addcmul(self.shift, items, self.scale), self.labels.index_select(0, index)


def resident(dataset: Dataset, device: torch.device) -> Resident:
    """Copies ``dataset`` to ``device`` once; read-only memory maps are read here and nowhere later."""
    items = torch.from_numpy(np.require(dataset.items, requirements=["C", "W", "A"]))
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (dataset.mean, dataset.std))
    whole = 255.0 if items.dtype == torch.uint8 else 1.0
    return Resident(
        items=(items if items.dtype == torch.uint8 else items.float()).to(device),
        labels=torch.from_numpy(np.array(dataset.labels, dtype=np.int64)).to(device),
        scale=(1.0 / (whole * std)).float().to(device),
        shift=(-mean / std).float().to(device),
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
