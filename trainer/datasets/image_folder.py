"""Anybody's own images: one folder a class, as torchvision's ImageFolder has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, need_root
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.image_tree import TEST, TRAIN, VALIDATION, pictures_below, places
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.pictures import IMAGENET, UNSCALED, decode, decode_into
from trainer.datasets.reader import About
from trainer.errors import DataError

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
    "layout": Option(
        default="auto",
        meaning="classes: its folders are the classes; parts: they are train and val or test, with class folders in "
        "each; auto tells by their names. The test part (val where there is none) is the fixed held-out one",
        accepts=("auto", "classes", "parts"),
        converts=True,
    ),
    "part": replace(PART, default="all"),
    "size": Option(default=64, least=1, meaning="height and width to which every image is resized", converts=True),
    "mode": Option(default="colour", meaning="three channels or one", accepts=("colour", "grey"), converts=True),
    "duplicates": copies.OPTION,
    "normalise": NORMALISE,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileReader):
    """Classes are the sorted names of the folders that hold images, at any depth below them; images by path. Hidden
    files and folders are left alone, and links followed."""

    name: str
    about: About
    declared: Mapping[str, Option]
    version: ClassVar[int] = 2

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = need_root(self.name, root) / chosen.text("folder")
        if not folder.is_dir():
            raise DataError(f"data set {self.name}: {folder} is no folder; option folder names one below the data root")
        found = pictures_below(self.name, folder)
        return Files(folder=folder, watched=found.paths, remarks=found.remarks)

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        found = places(self.name, files.folder, files.watched, chosen.text("layout"))
        classes = sorted({place.kind for place in found})
        if len(classes) < 2:
            raise DataError(
                f"data set {self.name}: {files.folder} has images of {classes}; expected two classes or more"
            )
        grey, size = chosen.text("mode") == "grey", chosen.number("size")
        items = store.array("items", (len(found), 1 if grey else 3, size, size), np.uint8)
        mode = "L" if grey else "RGB"
        decode_into(
            items,
            files.watched,
            lambda path: decode(path, name=self.name, source=_SOURCE, size=(size, size), mode=mode),
        )
        copy_of = copies.first_of_each(items)
        remarks = [
            *files.remarks,
            *copies.remarks(copy_of, lambda place: files.watched[place].relative_to(files.folder).as_posix()),
        ]
        marks = {copies.MARK: copy_of}
        roles = {place.role for place in found}
        if roles != {""}:
            heldout = TEST if TEST in roles else VALIDATION
            marks[OFFICIAL_TEST] = np.array([place.role == heldout for place in found], np.int64)
            joined = " with val" if {TRAIN, VALIDATION, TEST} <= roles else ""
            remarks.append(f"the parts are train{joined}, and {heldout} as the fixed held-out part")
        return Content(
            items=items,
            labels=np.searchsorted(classes, [place.kind for place in found]).astype(np.int64),
            classes=tuple(classes),
            marks=marks,
            remarks=tuple(remarks),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if chosen.text("mode") == "grey":
            return (0.0,), (1.0,)
        return IMAGENET if chosen.text("normalise") == "imagenet" else UNSCALED

    def select(self, content: Content, chosen: Chosen) -> Selection:
        if OFFICIAL_TEST not in content.marks and chosen.text("part") != "all":
            raise DataError(
                f"data set {self.name}: option part is {chosen.text('part')!r}, but its folder has no parts (train, "
                "val, test); accepts all"
            )
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))


image_folder = ImageFolder(
    name="image_folder",
    about=About(
        title="Your own images, one folder a class",
        licence="that of your images",
        citation="that of your images",
        source=_SOURCE,
        needs="<folder>/<class>/<image>, with the option folder; or train, val and test above the classes",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
        fixed=True,
    ),
    declared=_OPTIONS,
)
