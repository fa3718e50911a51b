"""CIFAR-10 and CIFAR-100 from lossless picture sheets: the images of the official files in another wrapping.

The format: ``sheets/index.csv.gz`` has the columns sheet, row, col, filename, class, one line an image; a sheet is a
320x320 lossless RGB picture of 10x10 images of 32x32, image (row, col) at pixels [32*row:32*row+32, 32*col:32*col+32].
A sheet's name begins with ``train/`` or ``test/``. ``classes.csv`` numbers the classes: fine_label, fine_name,
coarse_label, coarse_name (in CIFAR-10: label, name). The order of the official files is not kept: see
:func:`cifar_facts.in_own_order`.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import cifar_facts
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, missing, need_file
from trainer.datasets.image_choice import PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.pictures import decode
from trainer.datasets.reader import About
from trainer.datasets.walk import below

_SIDE, _PER_SIDE = 32, 10
_INDEX = ("sheet", "row", "col", "filename", "class")

LABELS = Option(
    default="fine", meaning="100 classes or their 20 superclasses", accepts=("fine", "coarse"), converts=True
)
_OPTIONS = {"part": PART, **SMALLER}
_OPTIONS_100 = {
    "part": PART,
    "labels": LABELS,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    path: Path
    kind: str
    """Name of the class of all its images."""
    places: tuple[tuple[int, int], ...]
    """(row, col) of each image."""
    test: bool


@dataclass(frozen=True, kw_only=True)
class Sheets(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]
    folders: tuple[str, ...]
    columns: tuple[str, ...]
    """Of ``classes.csv``: label and name, of each kind of labels; the first kind's names are those of the index."""

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, self.folders, needs=self.about.needs, source=self.about.source)
        index = need_file(
            self.name, folder / "sheets" / "index.csv.gz", expected="the list of all images", source=self.about.source
        )
        classes = need_file(self.name, folder / "classes.csv", expected="the list of classes", source=self.about.source)
        sheets = [path for part in ("train", "test") for path in below(folder / "sheets" / part).files]
        return Files(folder=folder, watched=(index, classes, *sheets))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        index, listing, *there = files.watched
        numbers = {row[self.columns[1]]: row for row in self._rows(listing, self.columns)}
        kind = f"{chosen.text('labels')}_" if "labels" in self.declared else ""
        label, name = f"{kind}label", f"{kind}name"
        named = {row[label]: row[name] for row in numbers.values()}
        if sorted(named) != sorted(map(str, range(len(named)))):
            raise self._damaged(listing, f"its column {label} does not go from 0 to {len(named) - 1}")
        sheets = self._sheets(index, numbers, frozenset(there))
        parts = [len(sheet.places) for sheet in sheets]
        return cifar_facts.in_own_order(
            store,
            items=np.concatenate([self._cut(sheet) for sheet in sheets]),
            labels=np.repeat([int(numbers[sheet.kind][label]) for sheet in sheets], parts).astype(np.int64),
            test=np.repeat([int(sheet.test) for sheet in sheets], parts).astype(np.int64),
            classes=tuple(named[str(number)] for number in range(len(named))),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return cifar_facts.SCALING[self.folders[0]]

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)

    def _sheets(self, index: Path, numbers: Mapping[str, Mapping[str, str]], there: frozenset[Path]) -> list[_Sheet]:
        """The sheets of the index."""
        places: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for row in self._rows(index, _INDEX):
            if row["class"] not in numbers:
                raise self._damaged(index, f"it names a class {row['class']!r} that classes.csv does not")
            if not (row["row"].isdecimal() and row["col"].isdecimal() and int(row["row"]) < 10 > int(row["col"])):
                raise self._damaged(index, f"it has row {row['row']!r}, col {row['col']!r}")
            places.setdefault((row["sheet"], row["class"]), []).append((int(row["row"]), int(row["col"])))
        sheets = [
            _Sheet(path=index.parent / name, kind=kind, places=tuple(sorted(found)), test=name.startswith("test/"))
            for (name, kind), found in places.items()
        ]
        for sheet in sheets:
            if sheet.path not in there:
                raise missing(
                    self.name, sheet.path, expected="the sheet that the index names", source=self.about.source
                )
        return sheets

    def _cut(self, sheet: _Sheet) -> NDArray[np.uint8]:
        side = _SIDE * _PER_SIDE
        whole = decode(sheet.path, name=self.name, source=self.about.source, size=(side, side), exact=True)
        grid = whole.reshape(3, _PER_SIDE, _SIDE, _PER_SIDE, _SIDE).transpose(1, 3, 0, 2, 4)
        rows, columns = np.array(sheet.places).T
        images: NDArray[np.uint8] = grid[rows, columns]
        return images

    def _rows(self, path: Path, columns: tuple[str, ...]) -> Iterable[dict[str, str]]:
        try:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
            rows = list(csv.DictReader(text.splitlines()))
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise self._damaged(path, f"it cannot be read ({error})") from error
        if not rows or any(row.get(column) is None for row in rows for column in columns):
            raise self._damaged(path, "it lacks rows or columns")
        return rows

    def _damaged(self, path: Path, found: str) -> Exception:
        columns = self.columns if path.name == "classes.csv" else _INDEX
        expected = f"the columns {', '.join(columns)} of the sheets' format"
        return damaged(self.name, path, found, expected=expected, source=self.about.source)


def there(root: Path) -> bool:
    """Whether CIFAR-100's sheets lie below a data root."""
    return any((root / folder / "sheets" / "index.csv.gz").is_file() for folder in cifar100_sheets.folders)


def _sheets(number: int, title: str, options: Mapping[str, Option], columns: tuple[str, ...]) -> Sheets:
    folder = f"cifar{number}"
    return Sheets(
        name=f"{folder}_sheets",
        about=About(
            title=f"CIFAR-{number}: {title}, from lossless sheets",
            licence=cifar_facts.LICENCE,
            citation=cifar_facts.CITATION,
            source=f"the folder {folder} of the project's data (made from {cifar_facts.SOURCE})",
            needs=f"{folder}/classes.csv, {folder}/sheets/index.csv.gz and the sheets it names",
            options=describe(options),
            fixed=True,
        ),
        declared=options,
        folders=(folder, f"cifar-{number}-sheets"),
        columns=columns,
    )


cifar10_sheets = _sheets(10, "50,000 + 10,000 images of 32x32 in 10 classes", _OPTIONS, ("label", "name"))
cifar100_sheets = _sheets(
    100,
    "50,000 + 10,000 images of 32x32 in 100 classes",
    _OPTIONS_100,
    ("fine_label", "fine_name", "coarse_label", "coarse_name"),
)
