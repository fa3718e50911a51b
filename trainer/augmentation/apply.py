"""Augmentation of the items of a batch, on their device.

All numbers of an epoch are drawn before its first batch, on the CPU, from (study seed, repeat, fold, epoch) alone, one
after the other for all items that it trains on; so folds pair across activations, and a resumed fold draws as an
uninterrupted one. Crop and flip come first and act on items as they are stored; all others act on standardised items,
in the order in which they are declared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer import seeds
from trainer.augmentation.facts import BLENDS, misfit
from trainer.datasets.reader import Dataset
from trainer.inputs import Inputs
from trainer.spec import AugmentSpec

Draws = dict[str, Tensor]
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How a batch was mixed: items and, by the same shares, losses."""

    partner: Tensor
    """[batch], positions in the batch."""
    share: Tensor
    """[], of an item's own target."""


class Augmentation:
    """Of one fold. :meth:`begin_epoch`, then :meth:`stored` and :meth:`standardised` for each batch of the epoch."""

    def __init__(self, specs: Sequence[AugmentSpec], dataset: Dataset, inputs: Inputs) -> None:
        """Raises ValueError for items that cannot be augmented so."""
        if problem := misfit(specs, dataset.kind, dataset.items.shape[1:]):
            raise ValueError(problem)
        self._specs, self._inputs = tuple(specs), inputs
        self._shape = dataset.items.shape[1:]
        self._bounded = dataset.items.dtype == np.uint8
        self._draws: list[Draws] = []

    def __bool__(self) -> bool:
        return bool(self._specs)

    def begin_epoch(
        self, count: int, edges: Sequence[tuple[int, int]], device: torch.device, *where: int, study_seed: int
    ) -> None:
        """Draws all that ``count`` items need in batches of ``edges``. ``where``: repeat, fold, epoch."""
        generator = np.random.default_rng(seeds.seed("augment", study_seed, *where))
        self._draws = [
            {name: torch.from_numpy(array).to(device) for name, array in self._drawn(spec, count, edges, generator)}
            for spec in self._specs
        ]

    def stored(self, items: Tensor, first: int, end: int) -> Tensor:
        """Crop and flip of the batch ``first`` to ``end`` of the epoch, [batch, channels, height, width] as stored."""
        for spec, draws in zip(self._specs, self._draws, strict=True):
            if spec.name == "crop":
                items = _moved(items, draws["down"][first:end], draws["right"][first:end])
            elif spec.name == "flip":
                axis = 3 if spec.options["axis"] == "horizontal" else 2
                items = torch.where(draws["turn"][first:end, None, None, None], items.flip(axis), items)
        return items

    def standardised(self, items: Tensor, first: int, end: int) -> tuple[Tensor, Blend | None]:
        """All other augmentations of the same batch, and how it was mixed."""
        blend = None
        for spec, draws in zip(self._specs, self._draws, strict=True):
            mine = {name: array[first:end] if name != "share" else array[first] for name, array in draws.items()}
            if spec.name in BLENDS:
                items, blend = self._blended(spec, items, mine)
            elif spec.name in _LATER:
                items = _LATER[spec.name](self, items, spec.options, mine)
        return items, blend

    # -- numbers -------------------------------------------------------------------------------------------------------

    def _drawn(
        self, spec: AugmentSpec, count: int, edges: Sequence[tuple[int, int]], generator: np.random.Generator
    ) -> list[tuple[str, Any]]:
        options: dict[str, Any] = dict(spec.options)
        _, height, width = self._shape

        def between(most: float) -> Any:
            return generator.uniform(-most, most, count).astype(np.float32)

        if spec.name == "crop":
            reach = int(options["padding"])
            return [(name, generator.integers(-reach, reach + 1, count)) for name in ("down", "right")]
        if spec.name == "flip":
            return [("turn", generator.random(count) < options["probability"])]
        if spec.name == "rotate":
            return [("angle", between(math.radians(options["degrees"])))]
        if spec.name == "translate":
            return [("down", between(2 * options["share"])), ("right", between(2 * options["share"]))]
        if spec.name == "colour":
            return [(name, 1 + between(options[name])) for name in ("brightness", "contrast", "saturation")]
        if spec.name == "cutout":
            return [("row", generator.integers(0, height, count)), ("column", generator.integers(0, width, count))]
        if spec.name == "shift":
            steps = height if height > 1 else width
            reach = max(1, round(options["share"] * steps))
            return [("by", generator.integers(-reach, reach + 1, count))]
        if spec.name == "scale":
            return [("factor", (1 + options["sd"] * generator.standard_normal(count)).astype(np.float32))]
        if spec.name == "noise":
            size = (count, *self._shape)
            return [("noise", (options["sd"] * generator.standard_normal(size, np.float32)).astype(np.float32))]
        return self._partners(spec.name, float(options["alpha"]), count, edges, generator)

    def _partners(
        self, name: str, alpha: float, count: int, edges: Sequence[tuple[int, int]], generator: np.random.Generator
    ) -> list[tuple[str, Any]]:
        """Of each batch another order of its items, the share of its own and, for a rectangle, where it lies."""
        partner, share = np.zeros(count, np.int64), np.ones(count, np.float32)
        corners = np.zeros((count, 4), np.int64)
        for first, end in edges:
            partner[first:end] = generator.permutation(end - first)
            own = generator.beta(alpha, alpha)
            corners[first:end], area = self._rectangle(own, generator)
            share[first:end] = 1 - area if name == "cutmix" else own
        return [("partner", partner), ("share", share)] + ([("corners", corners)] if name == "cutmix" else [])

    def _rectangle(self, own: float, generator: np.random.Generator) -> tuple[list[int], float]:
        """Top, bottom, left and right of a rectangle of the share 1 - ``own`` around a random place, cut at the border,
        and the share that it has."""
        _, height, width = self._shape
        row, column = int(generator.integers(height)), int(generator.integers(width))
        tall, wide = (round(side * math.sqrt(1 - own)) // 2 for side in (height, width))
        top, bottom = max(row - tall, 0), min(row + tall, height)
        left, right = max(column - wide, 0), min(column + wide, width)
        return [top, bottom, left, right], (bottom - top) * (right - left) / (height * width)

    # -- standardised items --------------------------------------------------------------------------------------------

    def _blended(self, spec: AugmentSpec, items: Tensor, draws: Draws) -> tuple[Tensor, Blend]:
        partner, share = draws["partner"], draws["share"]
        other = items.index_select(0, partner)
        if spec.name == "mixup":
            mixed = torch.lerp(other, items, share.to(items.dtype))
        else:
            top, bottom, left, right = draws["corners"][0].unbind()
            rows = torch.arange(items.shape[2], device=items.device)
            columns = torch.arange(items.shape[3], device=items.device)
            inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
            mixed = torch.where(inside, other, items)
        return mixed, Blend(partner=partner, share=share)

    def _turned(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        angle = draws["angle"]
        cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
        ratio = items.shape[2] / items.shape[3]
        return self._warped(items, [[cos, -sin * ratio, none], [sin / ratio, cos, none]])

    def _translated(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        one, none = torch.ones_like(draws["down"]), torch.zeros_like(draws["down"])
        return self._warped(items, [[one, none, draws["right"]], [none, one, draws["down"]]])

    def _warped(self, items: Tensor, rows: list[list[Tensor]]) -> Tensor:
        """``items`` under an affine map of their plane, bilinear; outside is what a stored 0 becomes."""
        theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1).to(items.dtype)
        grid = torch.nn.functional.affine_grid(theta, list(items.shape), align_corners=False)
        outside = self._inputs.shift.to(items.dtype)
        return torch.nn.functional.grid_sample(items - outside, grid, align_corners=False) + outside

    def _coloured(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        scale, shift = (value.to(items.dtype) for value in (self._inputs.scale, self._inputs.shift))
        pixels = (items - shift) / scale

        def factor(name: str) -> Tensor:
            return draws[name].to(items.dtype)[:, None, None, None]

        pixels = pixels * factor("brightness")
        grey = self._grey(pixels)
        middle = grey.mean(dim=(1, 2, 3), keepdim=True)
        pixels = torch.lerp(middle, pixels, factor("contrast"))
        if items.shape[1] == 3:
            pixels = torch.lerp(self._grey(pixels), pixels, factor("saturation"))
        pixels = pixels.clamp(0.0, 255.0) if self._bounded else pixels
        return pixels * scale + shift

    @staticmethod
    def _grey(pixels: Tensor) -> Tensor:
        if pixels.shape[1] != 3:
            return pixels.mean(dim=1, keepdim=True)
        weights = torch.tensor(LUMA, dtype=pixels.dtype, device=pixels.device).view(1, 3, 1, 1)
        return (pixels * weights).sum(dim=1, keepdim=True)

    def _cut(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        size = int(options["size"])
        rows = torch.arange(items.shape[2], device=items.device)
        columns = torch.arange(items.shape[3], device=items.device)

        def within(places: Tensor, centre: Tensor) -> Tensor:
            first = centre[:, None] - size // 2
            return (places >= first) & (places < first + size)

        inside = within(rows, draws["row"])[:, :, None] & within(columns, draws["column"])[:, None, :]
        return items.masked_fill(inside[:, None], 0.0)

    def _shifted(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        axis = 2 if items.shape[2] > 1 else 3
        steps = torch.arange(items.shape[axis], device=items.device)
        places = (steps - draws["by"][:, None]).clamp(0, items.shape[axis] - 1)
        places = places[:, None, :, None] if axis == 2 else places[:, None, None, :]
        return items.gather(axis, places.expand_as(items))

    def _scaled(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        return items * draws["factor"].to(items.dtype)[:, None, None, None]

    def _noised(self, items: Tensor, options: Any, draws: Draws) -> Tensor:
        return items + draws["noise"].to(items.dtype)


_LATER: dict[str, Callable[[Augmentation, Tensor, Any, Draws], Tensor]] = {
    "rotate": Augmentation._turned,
    "translate": Augmentation._translated,
    "colour": Augmentation._coloured,
    "cutout": Augmentation._cut,
    "shift": Augmentation._shifted,
    "scale": Augmentation._scaled,
    "noise": Augmentation._noised,
}


def _moved(items: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each image moved by its own whole numbers of pixels; 0 where nothing is left."""
    _, channels, height, width = items.shape
    rows = torch.arange(height, device=items.device) + down[:, None]
    columns = torch.arange(width, device=items.device) + right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    flat = places.flatten(1)[:, None, :].expand(-1, channels, -1)
    moved = items.flatten(2).gather(2, flat).view_as(items)
    return torch.where(inside[:, None], moved, torch.zeros((), dtype=items.dtype, device=items.device))
