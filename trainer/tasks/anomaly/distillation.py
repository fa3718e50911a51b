"""Multiresolution knowledge distillation (Salehi et al., CVPR 2021): where does a small network, which has learnt a
large frozen one's maps of normal pictures, not see what the large one sees?"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.features import backbones, frozen
from trainer.features.facts import BACKBONES
from trainer.tasks.anomaly import facts
from trainer.tasks.anomaly.kinds import Kinds
from trainer.tasks.anomaly.method import Chosen, Method
from trainer.tasks.view import Place


class Distillation(Method):
    """Items are a picture as the backbone got it, and its maps after that, all flattened: [n, 1, 1, numbers]. Rows
    hold, level by level, 1 less the cosine of both networks' flattened maps, and then their mean squared errors."""

    def __init__(self, dataset: Dataset, kinds: Kinds, options: Chosen) -> None:
        self._backbone, self._levels = options["backbone"], _levels(options)
        known = BACKBONES[self._backbone]
        self._factor, self._left_out = float(options["mse_weight"]), int(options["left_out"])
        # The picture's side follows from how many numbers there are: all sides are its fractions.
        a_pixel = 3 + sum(known.channels[level] / known.strides[level] ** 2 for level in self._levels)
        self._side = round(math.sqrt(dataset.items.shape[3] / a_pixel))
        self._shapes = [known.channels[level] * (self._side // known.strides[level]) ** 2 for level in self._levels]

    @staticmethod
    def derived(dataset: Dataset, place: Place, options: Chosen) -> Dataset:
        recipe = frozen.Recipe(
            sizes=_size(dataset, options),
            levels=_levels(options),
            level_out=options["remove"] == "median",
            scale=options["normalise"] == "imagenet",
            pooled=False,
        )
        backbone = backbones.load(options["backbone"], facts.weights_of(options), place.data_root)
        return frozen.derived(dataset, recipe, backbone, place)

    @staticmethod
    def misfit(dataset: Dataset, options: Chosen) -> str:
        (size,), step = _size(dataset, options), max(BACKBONES[options["backbone"]].strides[: len(_levels(options))])
        if size % step:
            return (
                f"distillation at {size} pixels; accepts multiples of {step}: say size: {size // step * step or step}"
            )
        return ""

    @property
    def outputs(self) -> int:
        return sum(self._shapes)

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(1)
        pixels = 3 * self._side**2
        images, wanted = flat[:, :pixels].reshape(-1, 3, self._side, self._side), flat[:, pixels:]
        made = model(images)
        if made.shape != wanted.shape:
            raise ValueError(
                f"{facts.NAME}: the model gives {tuple(made.shape[1:])} numbers for the maps of {self._backbone}, "
                f"accepts {tuple(wanted.shape[1:])}; say model: {{name: cloner, teacher: {self._backbone}, levels: "
                f"{len(self._levels)}}}"
            )
        edges = [0, *itertools.accumulate(self._shapes)]
        pairs = [(made[:, a:b], wanted[:, a:b]) for a, b in itertools.pairwise(edges)]
        cosines = [1 - nn.functional.cosine_similarity(own, its, dim=1) for own, its in pairs]
        return torch.stack([*cosines, *(((own - its) ** 2).mean(dim=1) for own, its in pairs)], dim=1)

    def loss(self, rows: Tensor, targets: Tensor) -> Tensor:
        return self._sum(rows, 0).mean()

    def scores(self, rows: Tensor) -> Tensor:
        """As the loss, without the first levels (the authors leave out VGG-16's pool 2)."""
        return self._sum(rows, self._left_out)

    def _sum(self, rows: Tensor, first: int) -> Tensor:
        cosines, errors = rows.chunk(2, dim=1)
        return cosines[:, first:].sum(dim=1) + self._factor * errors[:, first:].sum(dim=1)


def _levels(options: Chosen) -> tuple[int, ...]:
    return facts.numbers("levels", options["levels"], least=0) or tuple(range(len(BACKBONES[options["backbone"]].taps)))


def _size(dataset: Dataset, options: Chosen) -> tuple[int, ...]:
    return facts.numbers("size", options["size"], least=32) or (int(dataset.items.shape[2]),)
