"""DifferNet (Rudolph, Wandt, Rosenhahn, WACV 2021): how likely are a picture's pooled features, seen from all sides?

A flow learns the density of the normal ones. The authors rotate each training picture at random, 4 times a step, and
each test picture 64 times; here all pictures are seen in the same few directions, so that their features are computed
once and every activation gets the same ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.features import backbones, frozen
from trainer.features.facts import BACKBONES
from trainer.tasks.anomaly import facts
from trainer.tasks.anomaly.kinds import Kinds
from trainer.tasks.anomaly.method import Chosen, Method
from trainer.tasks.view import PartName, Place, View

PARTS: tuple[PartName, PartName] = ("train", "heldout")


class Flow(Method):
    """Items are features [n, 1, rotations, numbers]; rows hold the mean squared value and the mean logarithm of the
    volume's change over an item's rotations, both divided by the count of numbers."""

    def __init__(self, dataset: Dataset, kinds: Kinds, options: Chosen) -> None:
        self._numbers = int(dataset.items.shape[3])

    @staticmethod
    def derived(dataset: Dataset, place: Place, options: Chosen) -> Dataset:
        recipe = frozen.Recipe(
            sizes=facts.numbers("size", options["size"], least=32) or (int(dataset.items.shape[2]),),
            levels=facts.numbers("levels", options["levels"], least=0) or BACKBONES[options["backbone"]].pooled,
            rotations=options["rotations"],
            level_out=options["remove"] == "median",
            scale=options["normalise"] == "imagenet",
        )
        backbone = backbones.load(options["backbone"], facts.weights_of(options), place.data_root)
        made = frozen.derived(dataset, recipe, backbone, place)
        if not options["standardise"]:
            return made
        return dataclasses.replace(made, standardise="fold")

    @property
    def outputs(self) -> int:
        return self._numbers + 1

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        made = model(inputs)
        if made.shape != (*inputs.shape[:-1], self.outputs):
            raise ValueError(
                f"{facts.NAME}: the model gives {tuple(made.shape)} for features {tuple(inputs.shape)}; method flow "
                f"accepts one that gives {self._numbers} numbers and the logarithm of the volume's change for each "
                "vector, as model: flow"
            )
        size = (made[..., :-1] ** 2).sum(dim=-1).flatten(1).mean(dim=1)
        volume = made[..., -1].flatten(1).mean(dim=1)
        return torch.stack([size, volume], dim=1) / self._numbers

    def trivial(self, view: View) -> dict[str, NDArray[np.float64]]:
        """One Gaussian in place of the flow, of the pictures as they stand."""
        known, new = (view.part(name).inputs()[:, 0, 0].double().cpu().numpy() for name in PARTS)
        return {"one Gaussian of the frozen features": LedoitWolf().fit(known).mahalanobis(new)}

    def loss(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Mean of (|z|^2 / 2 - log|det J|) / numbers: the negative logarithm of the likelihood, less a constant."""
        return (rows[:, 0] / 2 - rows[:, 1]).mean()

    def scores(self, rows: Tensor) -> Tensor:
        """Mean of z^2 over rotations and numbers, as the authors have it: without the volume."""
        return rows[:, 0]
