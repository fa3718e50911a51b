"""How stored items become what the model sees: standardised by constants, or by what the training part teaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainer.datasets.reader import Dataset, Kind

AXES: dict[Kind, tuple[int, ...]] = {
    "image": (0, 2, 3),
    "signal": (0, 2, 3),
    "sequence": (0, 1, 2),
    "table": (0,),
    "mesh": (0,),
}
"""Axes of [n, channels, height, width] over which one mean and one standard deviation are learnt."""
CHUNK = 4096


class Inputs(nn.Module):
    """Standardises batches of stored items. Its buffers belong to the checkpoint; they stay float64, so that one data
    set gives the same numbers in every precision."""

    scale: Tensor
    shift: Tensor

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.tokens = dataset.kind == "tokens"
        self.learnt = dataset.standardise == "fold"
        self.axes = AXES.get(dataset.kind, ())
        mean, std = (
            torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (dataset.mean, dataset.std)
        )
        whole = 255.0 if dataset.items.dtype == "uint8" and not self.learnt else 1.0
        self.register_buffer("scale", 1.0 / (whole * std))
        self.register_buffer("shift", -mean / std)
        self._cast: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def fit(self, items: Tensor, train: Tensor) -> None:
        """Learns mean and (population) standard deviation of ``items`` at ``train``, where the data set asks for it;
        what does not vary there is only centred."""
        if not self.learnt:
            return

        def total(of: Callable[[Tensor], Tensor]) -> Tensor:
            parts = (items.index_select(0, index).double() for index in torch.split(train, CHUNK))
            return sum((of(part).sum(self.axes, keepdim=True) for part in parts), torch.zeros(()))

        count = total(torch.ones_like)
        mean = total(lambda part: part) / count
        std = (total(lambda part: (part - mean) ** 2) / count).sqrt()
        std = torch.where(std > 0, std, torch.ones_like(std))
        self.scale, self.shift = 1.0 / std, -mean / std
        self._cast.clear()

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._cast.clear()
        # What was learnt has as many numbers as there are features; a fresh one holds the constants' shape.
        self.scale, self.shift = (self.scale.new_empty(state_dict[name].shape) for name in ("scale", "shift"))
        return super().load_state_dict(state_dict, *args, **kwargs)

    def forward(self, items: Tensor, dtype: torch.dtype) -> Tensor:
        """``items`` [batch, channels, height, width] standardised, in ``dtype``; tokens as they are, int64. No host
        sync."""
        if self.tokens:
            return items.long()
        # float64 items may lie far from 0: they are rounded after that.
        work = torch.float64 if items.dtype == torch.float64 else dtype
        if work not in self._cast:
            self._cast[work] = self.scale.to(work), self.shift.to(work)
        scale, shift = self._cast[work]
        return torch.addcmul(shift, items.to(work), scale).to(dtype)
