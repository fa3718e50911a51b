"""What a frozen backbone sees in a data set's images, computed once and kept in the data cache.

What is kept is named by the data set's digest, the backbone's (its weights are in it) and the list of transforms: other
weights make another entry. The digest of the result is made of the same, not of the numbers, which differ in their last
bits from device to device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer import device
from trainer.datasets import cache
from trainer.datasets.content import Content
from trainer.datasets.reader import Dataset
from trainer.features import images
from trainer.features.backbones import Backbone
from trainer.tasks.view import Place

VERSION = 1
CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """From stored images to what is kept of them."""

    sizes: tuple[int, ...]
    """Height and width in pixels to which the images are brought, one pass each."""
    levels: tuple[int, ...]
    rotations: int = 1
    """Evenly spaced over a whole turn."""
    level_out: bool = True
    """Whether each image's median is subtracted."""
    scale: bool = True
    """Whether ImageNet's scale is applied."""
    pooled: bool = True
    """Means over space of each level, [n, 1, rotations, sum of the levels' channels over the sizes]; else the image
    as the backbone got it and then the maps, all flattened, [n, 1, 1, numbers], of one size and no rotation."""

    def seen(self, stored: Tensor, turn: int = 0) -> Iterator[Tensor]:
        """The images as the backbone gets them, [n, 3, size, size] for each size."""
        found = images.opened(stored)
        found = images.levelled(found) if self.level_out else found
        found = images.scaled(found, centred=self.level_out) if self.scale else found
        found = images.rotated(found, turn, self.rotations)
        return (images.resized(found, size) for size in self.sizes)

    @torch.no_grad()
    def apply(self, stored: Tensor, backbone: Backbone) -> Tensor:
        turns = []
        for turn in range(self.rotations):
            numbers = []
            for seen in self.seen(stored, turn):
                maps = [made for level, made in enumerate(backbone(seen)) if level in self.levels]
                numbers += [made.mean((2, 3)) if self.pooled else made.flatten(1) for made in maps]
                numbers = numbers if self.pooled else [seen.flatten(1), *numbers]
            turns.append(torch.cat(numbers, dim=1))
        return torch.stack(turns, dim=1)[:, None]


def derived(dataset: Dataset, recipe: Recipe, backbone: Backbone, place: Place) -> Dataset:
    """``dataset`` with what ``recipe`` gives in the place of its images. Raises :class:`trainer.errors.DataError` where
    there is no room for it."""
    assert dataset.labels is not None
    options: dict[str, Any] = {
        "backbone": backbone.name,
        "weights": backbone.digest,
        **{name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(recipe).items()},
    }
    key = cache.Key(reader="features", version=VERSION, options=options, sources=dataset.digest)

    labels = np.array(dataset.labels)  # not the mapped file of another entry

    def convert(store: cache.Store) -> Content:
        items = _compute(dataset, recipe, backbone, place, store)
        return Content(items=items, labels=labels, classes=dataset.classes)

    if place.cache is None:
        items = convert(cache.Memory()).items
    else:
        items = cache.obtain(key, place.data_root, convert).content.items
    named = json.dumps([VERSION, options, dataset.digest], sort_keys=True)
    return dataclasses.replace(
        dataset,
        items=items,
        kind="sequence",
        standardise="constants",
        mean=(0.0,),
        std=(1.0,),
        masks=None,
        digest=hashlib.sha256(named.encode()).hexdigest(),
    )


def _compute(
    dataset: Dataset, recipe: Recipe, backbone: Backbone, place: Place, store: cache.Store
) -> NDArray[np.float32]:
    device.set_precision("fp32")
    backbone = backbone.to(place.device)
    count = len(dataset.items)
    logging.getLogger(__name__).info("%s: features of %d images by %s", dataset.name, count, backbone.name)
    found: NDArray[np.float32] | None = None
    for first in range(0, count, CHUNK):
        stored = torch.from_numpy(np.array(dataset.items[first : first + CHUNK])).to(place.device)
        made = recipe.apply(stored, backbone).cpu().numpy()
        if found is None:
            found = store.array("items", (count, *made.shape[1:]), np.float32)
        found[first : first + CHUNK] = made
    assert found is not None
    return found
