"""Anybody's own images: one folder a class, as torchvision's ImageFolder has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, need_root
from trainer.datasets.image_choice import SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.pictures import IMAGENET, UNSCALED, decode, decode_into
from trainer.datasets.reader import About
from trainer.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
NORMALISE = Option(
    default="imagenet",
    meaning="channel mean and std: ImageNet's constants, or none, which leaves [0, 1]",
    accepts=("imagenet", "none"),
)
_SOURCE = "where your images come from"

_OPTIONS = {
    "folder": Option(
        default="images", meaning="the folder of class folders, below the data root or absolute", converts=True
    ),
    "size": Option(default=64, least=1, meaning="height and width to which every image is resized", converts=True),
    "mode": Option(default="colour", meaning="three channels or one", accepts=("colour", "grey"), converts=True),
    "normalise": NORMALISE,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileReader):
    """Classes are the sorted names of the folders that hold images, at any depth below them; images by path."""

    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = need_root(self.name, root) / chosen.text("folder")
        if not folder.is_dir():
            raise DataError(f"data set {self.name}: {folder} is no folder; option folder names one below the data root")
        return Files(folder=folder, watched=tuple(images_below(self.name, folder)))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        kinds = [path.relative_to(files.folder).parts[0] for path in files.watched]
        classes = sorted(set(kinds))
        if len(classes) < 2:
            raise DataError(
                f"data set {self.name}: {files.folder} has images of {classes}; expected two classes or more"
            )
        grey, size = chosen.text("mode") == "grey", chosen.number("size")
        items = store.array("items", (len(kinds), 1 if grey else 3, size, size), np.uint8)
        mode = "L" if grey else "RGB"
        decode_into(
            items,
            files.watched,
            lambda path: decode(path, name=self.name, source=_SOURCE, size=(size, size), mode=mode),
        )
        labels = np.searchsorted(classes, kinds).astype(np.int64)
        return Content(items=items, labels=labels, classes=tuple(classes))

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if chosen.text("mode") == "grey":
            return (0.0,), (1.0,)
        return IMAGENET if chosen.text("normalise") == "imagenet" else UNSCALED

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)


def images_below(name: str, folder: Path) -> list[Path]:
    """All image files in the class folders of ``folder``, sorted by path. Raises :class:`DataError` for none."""
    found = [
        Path(where) / file
        for kind in sorted(entry for entry in folder.iterdir() if entry.is_dir())
        for where, _, files in os.walk(kind)
        for file in files
        if Path(file).suffix.lower() in SUFFIXES
    ]
    if not found:
        raise DataError(
            f"data set {name}: {folder} has no class folder with images ({', '.join(sorted(SUFFIXES))}); "
            "expected <class>/<image>"
        )
    return sorted(found)


image_folder = ImageFolder(
    name="image_folder",
    about=About(
        title="Your own images, one folder a class",
        licence="that of your images",
        citation="that of your images",
        source=_SOURCE,
        needs="<folder>/<class>/<image>, with the option folder",
        options=describe(_OPTIONS),
    ),
    declared=_OPTIONS,
)
