"""Chest X-rays of children, 28x28 grey, as MedMNIST gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, missing
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.packed_arrays import packed_arrays
from trainer.datasets.reader import About

_PLACES = ("pneumonia-mnist/pneumonia-mnist.npz", "pneumoniamnist.npz", "medmnist/pneumoniamnist.npz")
_PARTS = ("train", "val", "test")
_FULL = (4_708, 524, 624)
_EXPECTED = "uint8 images [n, 28, 28] and labels [n] or [n, 1], 0 or 1, under train_, val_ and test_images and _labels"
_SOURCE = "https://medmnist.com, https://zenodo.org/records/10519652 (pneumoniamnist.npz)"
_OPTIONS = {"part": replace(PART, default="all"), "duplicates": copies.OPTION, **SMALLER}


@dataclass(frozen=True, kw_only=True)
class PneumoniaMnist(FileReader):
    """The official validation part counts as training: folds draw a validation part of their own."""

    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        there = [root / place for place in _PLACES if (root / place).is_file()]
        if not there:
            raise missing(self.name, root / _PLACES[0], expected=f"{_EXPECTED}; or {_PLACES[1]}", source=_SOURCE)
        return Files(folder=root, watched=(there[0],))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        (path,) = files.watched
        wanted = [f"{part}_{what}" for part in _PARTS for what in ("images", "labels")]
        found = packed_arrays(self.name, path, wanted, expected=_EXPECTED, source=_SOURCE)
        parts = [(found[f"{part}_images"], found[f"{part}_labels"]) for part in _PARTS]
        for part, (images, labels) in zip(_PARTS, parts, strict=True):
            shaped = images.shape[1:] == (28, 28) and images.dtype == np.uint8 and labels.size == len(images)
            if not shaped or not np.isin(labels, (0, 1)).all():
                wrong = f"{part} has images {images.dtype} {images.shape}, labels {labels.shape}"
                raise damaged(self.name, path, wrong, expected=_EXPECTED, source=_SOURCE)
        sizes = tuple(len(labels) for _, labels in parts)
        items = np.concatenate([images for images, _ in parts])[:, None]
        copy_of = copies.first_of_each(items)
        return Content(
            items=items,
            labels=np.concatenate([labels.reshape(-1) for _, labels in parts]).astype(np.int64),
            classes=("normal", "pneumonia"),
            marks={OFFICIAL_TEST: np.repeat([0, 0, 1], sizes).astype(np.int64), copies.MARK: copy_of},
            note="" if sizes == _FULL else f"{sizes[0]}, {sizes[1]} and {sizes[2]} of {_FULL} images",
            remarks=(
                "patients are not told apart: with folds of your own they are on both sides",
                *copies.remarks(copy_of, lambda place: f"image {place}"),
            ),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.5716,), (0.1684,)

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))


pneumonia_mnist = PneumoniaMnist(
    name="pneumonia_mnist",
    about=About(
        title="PneumoniaMNIST: 5,856 chest X-rays of children, 28x28 grey, normal or pneumonia; 624 are the test part",
        licence="CC BY 4.0",
        citation="Yang J et al. MedMNIST v2. Scientific Data 10:41 (2023). Kermany DS et al. Identifying medical "
        "diagnoses and treatable diseases by image-based deep learning. Cell 172:1122-1131 (2018).",
        source=_SOURCE,
        needs=f"{' or '.join(_PLACES)}: {_EXPECTED}",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
        fixed=True,
    ),
    declared=_OPTIONS,
)
