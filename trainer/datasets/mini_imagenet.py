"""Mini-ImageNet after Ravi and Larochelle, all 100 classes merged for classification.

The few-shot split's train, val and test lists are read together: here they are classes, not parts, and folds are cut
from all images. Images are decoded and resized once, into the cache.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, missing, need_file
from trainer.datasets.image_choice import SMALLER, select_images
from trainer.datasets.image_folder import NORMALISE
from trainer.datasets.image_tree import pictures_below
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.pictures import IMAGENET, UNSCALED, decode, decode_into
from trainer.datasets.reader import About

_SOURCE = (
    "the lists from https://github.com/yaoyao-liu/mini-imagenet-tools, the images from ImageNet (ILSVRC 2012) on "
    "https://image-net.org"
)
_LISTS = ("train.csv", "val.csv", "test.csv")
_STAND_IN = "images-64px"
_FULL = 60_000

_OPTIONS = {
    "size": Option(
        default=84, least=1, meaning="height and width to which every image is resized (the paper: 84)", converts=True
    ),
    "images": Option(
        default="ravi",
        meaning="ravi: the images that the lists name; stand-in: the class folders of images-64px, whatever they hold, "
        "for trying things out and not for numbers to compare",
        accepts=("ravi", "stand-in"),
        converts=True,
    ),
    "normalise": NORMALISE,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class MiniImageNet(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(
            self.name, root, ("mini-imagenet", "mini_imagenet", "miniimagenet"), needs=self.about.needs, source=_SOURCE
        )
        if chosen.text("images") == "stand-in":
            place = find_folder(self.name, folder, (_STAND_IN,), needs=self.about.needs, source=_SOURCE)
            return Files(folder=place, watched=pictures_below(self.name, place).paths)
        lists = folder / "splits-ravi"
        lists = lists if lists.is_dir() else folder
        expected = "a list of file names and classes"
        named = [need_file(self.name, lists / name, expected=expected, source=_SOURCE) for name in _LISTS]
        images = folder / "images"
        if not images.is_dir():
            raise missing(self.name, images, expected="the folder of the images that the lists name", source=_SOURCE)
        there = frozenset(path.name for path in images.iterdir())
        listed = [image for path in named for image, _ in self._listed(path, images, there)]
        return Files(folder=folder, watched=(*named, *listed))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        if chosen.text("images") == "stand-in":
            paths = list(files.watched)
            kinds = [path.relative_to(files.folder).parts[1] for path in paths]
            note = f"stand-in of {len(paths)} images in {len(set(kinds))} classes"
        else:
            lists, paths = files.watched[: len(_LISTS)], list(files.watched[len(_LISTS) :])
            kinds = [kind for path in lists for _, kind in self._listed(path, files.folder / "images")]
            note = "" if len(paths) == _FULL else f"{len(paths)} of {_FULL} images"
        classes = sorted(set(kinds))
        size = chosen.number("size")
        items = store.array("items", (len(paths), 3, size, size), np.uint8)
        decode_into(items, paths, lambda path: decode(path, name=self.name, source=_SOURCE, size=(size, size)))
        labels = np.searchsorted(classes, kinds).astype(np.int64)
        return Content(items=items, labels=labels, classes=tuple(classes), note=note)

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return IMAGENET if chosen.text("normalise") == "imagenet" else UNSCALED

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)

    def _listed(self, path: Path, images: Path, there: frozenset[str] | None = None) -> list[tuple[Path, str]]:
        """(image, class) of each line; the name of every image must be among those that are ``there``."""
        expected = "the columns filename and label, one image a line"
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        except (UnicodeDecodeError, csv.Error) as error:
            raise damaged(self.name, path, str(error), expected=expected, source=_SOURCE) from error
        if not rows or any(not row.get("filename") or not row.get("label") for row in rows):
            raise damaged(self.name, path, "it lacks lines or columns", expected=expected, source=_SOURCE)
        listed = list(enumerate(rows, start=2))
        absent = [pair for pair in listed if there is not None and pair[1]["filename"].partition("/")[0] not in there]
        if absent:
            line, row = absent[0]
            what = f"the image of class {row['label']} that line {line} of {path} names"
            what += f" ({len(absent)} of its {len(rows)} images are missing)" * (len(absent) > 1)
            raise missing(self.name, images / row["filename"], expected=what, source=_SOURCE)
        return [(images / row["filename"], row["label"]) for row in rows]


mini_imagenet = MiniImageNet(
    name="mini_imagenet",
    about=About(
        title="Mini-ImageNet: 60,000 images in 100 classes, the few-shot parts merged for classification",
        licence="none for the images: ImageNet's terms allow non-commercial research and education; the lists are MIT",
        citation="Vinyals O et al. Matching Networks for One Shot Learning. NeurIPS (2016). Ravi S, Larochelle H. "
        "Optimization as a Model for Few-Shot Learning. ICLR (2017). Russakovsky O et al. ImageNet Large Scale Visual "
        "Recognition Challenge. IJCV 115:211-252 (2015).",
        source=_SOURCE,
        needs="mini-imagenet/splits-ravi (or mini-imagenet) with train.csv, val.csv and test.csv, and "
        "mini-imagenet/images with the files they name",
        options=describe(_OPTIONS),
    ),
    declared=_OPTIONS,
)
