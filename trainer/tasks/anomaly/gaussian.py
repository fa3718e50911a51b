"""PaDiM (Defard et al., ICPR 2021 workshops): a Gaussian of a network's features for each place of a normal picture.

PaDiM itself trains nothing: it takes a network that was trained on ImageNet, which leaves an activation no part. So
here each fold trains the study's model, with its activation, to name the classes of another data set, shown in the same
size as the pictures; the Gaussians are fitted to what that model makes of the normal training pictures whenever it is
measured on the held-out part. They take no gradient steps and no epochs, and follow from the model and the split.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.datasets.reader import Dataset
from trainer.features import images
from trainer.tasks.anomaly import facts, pretraining
from trainer.tasks.anomaly.kinds import Kinds
from trainer.tasks.anomaly.method import Chosen, Method
from trainer.tasks.anomaly.scores import region_overlap
from trainer.tasks.classification.task import Classification
from trainer.tasks.ranking import area
from trainer.tasks.view import Place, View

SEED = 1024
"""Of the features that are drawn, as the common implementation has it."""
RIDGE = 0.01
"""Added to the variances."""
SIGMA, SIDE = 4.0, 224
"""Standard deviation in pixels of the blur of a map of that side; in proportion for others."""
IMAGES, PLACES = 32, 256
"""Pictures of a pass, and places whose Gaussians are fitted at once."""


class Gaussian(Method):
    def __init__(self, dataset: Dataset, kinds: Kinds, options: Chosen) -> None:
        self._kinds, self._first = kinds, int(np.flatnonzero(kinds.pretraining)[0])
        self._naming = Classification(dataclasses.replace(dataset, classes=dataset.classes[self._first :]))
        self._layers, self._features = facts.listed(options["layers"]), options["features"]
        self._level_out, self._pixel = options["remove"] == "median", options["pixel"]
        self._masks = dataset.masks

    @staticmethod
    def derived(dataset: Dataset, place: Place, options: Chosen) -> Dataset:
        return pretraining.joined(dataset, options["pretrain"], place.data_root)

    @staticmethod
    def misfit(dataset: Dataset, options: Chosen) -> str:
        if options["pixel"] and dataset.masks is None:
            return "has no masks of its defects, which pixel: true measures single pixels by; say pixel: false"
        return ""

    @staticmethod
    def learns(kinds: Kinds) -> Any:
        return kinds.pretraining

    @property
    def outputs(self) -> int:
        return self._naming.classes

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        made: Tensor = model(images.levelled(inputs) if self._level_out else inputs)
        return made

    def loss(self, rows: Tensor, targets: Tensor) -> Tensor:
        return self._naming.loss(rows, targets - self._first)

    def measure(self, rows: Tensor, targets: Tensor) -> dict[str, float]:
        name = self._naming.primary
        return {facts.LIFTED + name: self._naming.measure(rows, targets - self._first, "")[name]}

    def checked(self, view: View) -> None:
        with _watched(view.model, self._layers) as maps, torch.no_grad():
            view.outputs_of(view.part("train").stored()[:2])
            found = [maps.get(name) for name in self._layers]
        for name, made in zip(self._layers, found, strict=True):
            if not isinstance(made, Tensor) or made.ndim != 4:
                what = "gives nothing" if made is None else f"gives {tuple(made.shape)}"
                raise ValueError(f"{facts.NAME}: layer {name!r} of the model {what}; accepts layers that give maps")
        total = sum(made.shape[1] for made in found if made is not None)
        if total < self._features:
            raise ValueError(
                f"{facts.NAME}: the layers {', '.join(self._layers)} give {total} features, and features is "
                f"{self._features}; accepts {total} or fewer"
            )

    # -- after the last epoch ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def scored(self, view: View) -> tuple[Tensor, dict[str, float]]:
        """A picture's score is the largest of its map. Pixels are scored over all held-out pictures together."""
        known, held = view.part("train"), view.part("heldout")
        normal = self._chosen(known.targets, self._kinds.normal)
        asked = self._chosen(held.targets, ~self._kinds.pretraining)
        stored = held.stored().index_select(0, asked)
        learnt = self._places(view, known.stored().index_select(0, normal))
        distances = _distances(learnt, self._places(view, stored))
        maps = _blurred(distances, stored.shape[2:])
        scores = torch.full((len(held.targets),), math.nan, dtype=torch.float64, device=maps.device)
        scores = scores.index_copy(0, asked, maps.flatten(1).amax(dim=1))
        found: dict[str, float] = {}
        if self._pixel and self._masks is not None:
            masks = self._masks[held.index.index_select(0, asked).cpu().numpy()]
            told = maps.float().cpu().numpy()
            found = {
                "pixel_auroc": area(told.reshape(-1), masks.reshape(-1)),
                "au_pro": region_overlap(told, masks),
            }
        return scores, found

    @staticmethod
    def _chosen(targets: Tensor, classes: Any) -> Tensor:
        return torch.from_numpy(np.flatnonzero(classes[targets.cpu().numpy()])).to(targets.device)

    def _places(self, view: View, stored: Tensor) -> Tensor:
        """[n, features, height, width] of the finest layer, float64: the layers, nearest neighbours, stacked; of them
        the features that are drawn, always the same."""
        found = []
        for some in torch.split(stored, IMAGES):
            with _watched(view.model, self._layers) as maps:
                view.outputs_of(some)
                layers = [maps[name] for name in self._layers]
            shape = max((layer.shape[2:] for layer in layers), key=lambda sides: sides[0] * sides[1])
            stacked = torch.cat([functional.interpolate(layer.double(), size=shape) for layer in layers], dim=1)
            drawn = np.random.default_rng(SEED).permutation(stacked.shape[1])[: self._features]
            found.append(stacked.index_select(1, torch.from_numpy(np.sort(drawn)).to(stacked.device)))
        return torch.cat(found)


def _distances(learnt: Tensor, asked: Tensor) -> Tensor:
    """[m, height, width]: Mahalanobis distances of ``asked`` [m, features, height, width] from the Gaussians of
    ``learnt`` [n, features, height, width], place by place. The covariance is of n - 1 and has :data:`RIDGE` added."""
    known, new = (part.flatten(2).permute(2, 1, 0) for part in (learnt, asked))  # [places, features, items]
    ridge = RIDGE * torch.eye(known.shape[1], dtype=known.dtype, device=known.device)
    found = []
    for some, others in zip(torch.split(known, PLACES), torch.split(new, PLACES), strict=True):
        mean = some.mean(dim=2, keepdim=True)
        centred = some - mean
        covariance = centred @ centred.transpose(1, 2) / max(some.shape[2] - 1, 1) + ridge
        whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), others - mean, upper=False)
        found.append((whitened**2).sum(dim=1).sqrt())
    return torch.cat(found).T.reshape(len(asked), *asked.shape[2:])


def _blurred(maps: Tensor, shape: torch.Size) -> Tensor:
    """Bilinear to ``shape``, and a Gaussian blur with mirrored edges."""
    maps = functional.interpolate(maps[:, None], size=tuple(shape), mode="bilinear", align_corners=False)
    sigma = SIGMA * max(shape) / SIDE
    reach = min(math.ceil(4 * sigma), min(shape) - 1)
    steps = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    maps = functional.conv2d(functional.pad(maps, (reach, reach, 0, 0), mode="reflect"), weights.view(1, 1, 1, -1))
    maps = functional.conv2d(functional.pad(maps, (0, 0, reach, reach), mode="reflect"), weights.view(1, 1, -1, 1))
    return maps[:, 0]


@contextmanager
def _watched(model: nn.Module, layers: list[str]) -> Iterator[dict[str, Tensor]]:
    """Layer -> what it gave last, while it lasts."""
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def look(_module: nn.Module, _given: Any, made: Tensor) -> None:
            maps[name] = made

        return look

    known = dict(model.named_modules())
    if absent := [name for name in layers if name not in known]:
        has = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"{facts.NAME}: the model has no layer {absent[0]!r}; say layers: with some of its own ({has})"
        )
    handles = [known[name].register_forward_hook(keep(name)) for name in layers]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
