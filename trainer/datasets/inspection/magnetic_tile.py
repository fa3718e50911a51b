"""Magnetic-tile defects: grey photographs of tiles, free of defects or with one of five kinds.

Read as its repository has it (``MT_Free/Imgs/*.jpg``, a mask beside each defect) or without the folders ``Imgs``. The
held-out part is the split of DifferNet's authors, by their own list of training files or by ``images.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, missing
from trainer.datasets.inspection import defects
from trainer.datasets.inspection.defects import GOOD, Picture
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.errors import DataError

_SOURCE = "https://github.com/abin24/Magnetic-tile-defect-datasets."
_SPLIT_SOURCE = "mtd_train_filenames.txt of https://github.com/marco-rudolph/differnet"
_LIST, _TABLE = "mtd_train_filenames.txt", "images.csv"
FREE = "MT_Free"
KINDS = {
    FREE: GOOD,
    "MT_Blowhole": "blowhole",
    "MT_Break": "break",
    "MT_Crack": "crack",
    "MT_Fray": "fray",
    "MT_Uneven": "uneven",
}
_FULL = {FREE: 952, "MT_Blowhole": 115, "MT_Break": 85, "MT_Crack": 57, "MT_Fray": 32, "MT_Uneven": 103}
_COLUMNS = ("file", "differnet_part")


@dataclass(frozen=True, kw_only=True)
class MagneticTile(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(
            self.name, root, ("magnetic-tile", "magnetic_tile", "mtd"), needs=self.about.needs, source=_SOURCE
        )
        watched = [folder / name for name in (_LIST, _TABLE) if (folder / name).is_file()][:1]
        for kind in KINDS:
            images = sorted(_images(folder / kind))
            if not images:
                raise missing(self.name, folder / kind, expected="a folder of .jpg images", source=_SOURCE)
            watched += images
            if kind != FREE:
                watched += [self._mask(path) for path in images]
        return Files(folder=folder, watched=tuple(watched))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        images = [path for path in files.watched if path.suffix == ".jpg"]
        listed = [path for path in files.watched if path.name in (_LIST, _TABLE)]
        train = self._train(listed[0], files.folder, images) if listed else None
        pictures = [
            Picture(
                path=path,
                kind=KINDS[path.relative_to(files.folder).parts[0]],
                mask=None if (good := path.relative_to(files.folder).parts[0] == FREE) else path.with_suffix(".png"),
                test=None if train is None else not good or path.name not in train,
            )
            for path in images
        ]
        full = len(images) == sum(_FULL.values())
        return defects.converted(
            self.name,
            _SOURCE,
            files,
            pictures,
            chosen,
            store,
            note="" if full else f"{len(images)} of {sum(_FULL.values())} images",
            remarks=(
                "each tile was photographed under six lightings, and nothing tells which six are of one tile: normal "
                "pictures of the held-out part are near-copies of training ones",
                *(() if listed else (f"no held-out part: {files.folder} has neither {_LIST} nor {_TABLE}",)),
            ),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return defects.scaling(chosen)

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return defects.selected(self.name, content, chosen)

    def _mask(self, path: Path) -> Path:
        mask = path.with_suffix(".png")
        if not mask.is_file():
            raise missing(self.name, mask, expected=f"the mask of the defect in {path.name}", source=_SOURCE)
        return mask

    def _train(self, listed: Path, folder: Path, images: list[Path]) -> frozenset[str]:
        """Names of the training files."""
        try:
            text = listed.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise damaged(self.name, listed, str(error), expected="text", source=_SPLIT_SOURCE) from error
        if listed.name == _LIST:
            train = frozenset(Path(line.strip()).name for line in text.splitlines() if line.strip())
        else:
            rows = list(csv.DictReader(text.splitlines()))
            if not rows or not set(_COLUMNS) <= set(rows[0]):
                expected = f"the columns {', '.join(_COLUMNS)}"
                raise damaged(self.name, listed, "it lacks lines or columns", expected=expected, source=_SPLIT_SOURCE)
            train = frozenset(Path(row["file"]).name for row in rows if row["differnet_part"] == "train")
        here = {path.name for path in images if path.relative_to(folder).parts[0] == FREE}
        if absent := sorted(train - here):
            raise DataError(
                f"data set {self.name}: {listed} names {len(train)} training images, and {len(absent)} of them are not "
                f"in {folder / FREE} ({', '.join(absent[:3])}); get them from {_SOURCE}"
            )
        if not train or train == here:
            what = "no training image" if not train else "every image without a defect for training"
            raise damaged(self.name, listed, f"it names {what}", expected="761 of 952 file names", source=_SPLIT_SOURCE)
        return train


def _images(folder: Path) -> list[Path]:
    inner = folder / "Imgs"
    return [path for path in (inner if inner.is_dir() else folder).glob("*.jpg") if not path.name.startswith(".")]


magnetic_tile = MagneticTile(
    name="magnetic_tile",
    about=About(
        title="Magnetic-tile defects: 1,344 pictures of tiles, 952 without a defect and 392 with one of five kinds",
        licence="no licence file; its README allows use and asks for a citation",
        citation="Huang Y, Qiu C, Yuan K. Surface defect saliency of magnetic tile. The Visual Computer 36 (2020). The "
        "split: Rudolph M, Wandt B, Rosenhahn B. Same Same But DifferNet. WACV (2021).",
        source=_SOURCE,
        needs="magnetic-tile with MT_Free, MT_Blowhole, MT_Break, MT_Crack, MT_Fray and MT_Uneven; for the held-out "
        f"part of DifferNet's authors also {_SPLIT_SOURCE}, or {_TABLE} with {', '.join(_COLUMNS)}",
        options=describe(defects.OPTIONS),
        fixed=True,
    ),
    declared=defects.OPTIONS,
)
