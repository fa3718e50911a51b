"""Another data set beside the pictures: what a network learns from before it is asked what is normal."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.catalogue import DATASETS, resolve
from trainer.datasets.reader import Dataset, Reader
from trainer.errors import DataError
from trainer.features import images
from trainer.spec import Scalar
from trainer.tasks.anomaly.kinds import PRETRAINING

CHUNK = 512
_GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601), as Pillow has them."""
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}


def joined(pictures: Dataset, text: str, root: Path | None) -> Dataset:
    """``pictures`` and after them the data set that ``text`` names ("cifar100 per_class=100"), in the pictures' size,
    channels and scale; its classes are "pretraining: <name>". Of a data set with a held-out part of its own, what is
    outside of it. Raises :class:`DataError` for one that cannot be used."""
    assert pictures.labels is not None
    assert pictures.values is not None
    name, _, rest = text.strip().partition(" ")
    reader: Reader = resolve("data set", name, DATASETS)
    other = reader.load(root, _options(name, rest))
    if other.labels is None or len(other.classes) < 2 or other.kind != "image" or other.items.shape[1] not in (1, 3):
        raise DataError(f"task anomaly, pretrain: data set {other.name!r} has no images of two classes or more")
    kept = np.arange(len(other.items)) if other.fixed_heldout is None else np.flatnonzero(~other.fixed_heldout)
    count, (channels, height, width) = len(kept), pictures.items.shape[1:]
    if pictures.items.dtype != np.uint8 or other.items.dtype != np.uint8:
        raise DataError("task anomaly, pretrain: accepts pictures and a data set of 8 bits a channel")
    items = np.empty((len(pictures.items) + count, channels, height, width), np.uint8)
    items[: len(pictures.items)] = pictures.items
    for first in range(0, count, CHUNK):
        chosen = kept[first : first + CHUNK]
        place = len(pictures.items) + first
        items[place : place + len(chosen)] = _fitted(np.array(other.items[chosen]), channels, (height, width))
    nothing = np.zeros(count, bool)
    heldout, masks = pictures.fixed_heldout, pictures.masks
    named = f"{pictures.digest} {other.digest} {count}"
    return dataclasses.replace(
        pictures,
        items=items,
        labels=np.concatenate([pictures.labels, other.labels[kept] + len(pictures.classes)]),
        classes=(*pictures.classes, *(f"{PRETRAINING}{kind}" for kind in other.classes)),
        values=np.concatenate([pictures.values, np.zeros((count, pictures.values.shape[1]))]),
        groups={},
        fixed_heldout=None if heldout is None else np.concatenate([heldout, nothing]),
        masks=None if masks is None else np.concatenate([masks, np.zeros((count, *masks.shape[1:]), bool)]),
        sizes=None,
        digest=hashlib.sha256(named.encode()).hexdigest(),
    )


def _fitted(stored: NDArray[np.uint8], channels: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Bilinear, with antialiasing, to ``shape``; grey or colour as asked for."""
    made = torch.from_numpy(stored).float()
    if made.shape[1] == 3 and channels == 1:
        made = (made * torch.tensor(_GREY)[:, None, None]).sum(dim=1, keepdim=True)
    made = images.resized(made, shape).round().clamp(0, 255).to(torch.uint8)
    return made.expand(-1, channels, -1, -1).numpy()


def _options(name: str, text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            raise DataError(
                f'task anomaly, pretrain: got {word!r} after {name}; accepts options as key=value, as "{name} size=64"'
            )
        options[key] = _WORDS[value] if value in _WORDS else int(value) if value.lstrip("-").isdigit() else value
    return options
