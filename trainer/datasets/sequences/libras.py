"""Hand movements of Brazilian sign language: the path of a hand over 45 frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import Selection
from trainer.datasets.files import Files, damaged
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.sequences.series import Series, as_items

_FILE = "movement_libras.data"
_STEPS = 45
_CLASSES = (
    "curved swing",
    "horizontal swing",
    "vertical swing",
    "anti-clockwise arc",
    "clockwise arc",
    "circle",
    "horizontal straight line",
    "vertical straight line",
    "horizontal zigzag",
    "vertical zigzag",
    "horizontal wavy",
    "vertical wavy",
    "face-up curve",
    "face-down curve",
    "tremble",
)
_EXPECTED = f"lines of {_STEPS} pairs (x, y) and a class, 1 to {len(_CLASSES)}, all separated by commas"
_OPTIONS = {"duplicates": replace(copies.OPTION, default="group")}


@dataclass(frozen=True, kw_only=True)
class Libras(Series):
    """Each x and each y is a feature of its step. Rows that repeat another are a group."""

    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        return self.sources(root, _FILE)

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        (path,) = files.watched
        rows = []
        for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), start=1):
            if not line.strip():
                continue
            fields = line.split(",")
            try:
                row = [float(field) for field in fields]
                fits = len(row) == 2 * _STEPS + 1 and row[-1] in range(1, len(_CLASSES) + 1)
            except ValueError:
                fits = False
            if not fits:
                found = f"line {number} has {len(fields)} fields, the last {fields[-1][:20]!r}"
                raise damaged(self.name, path, found, expected=_EXPECTED, source=self.about.source)
            rows.append(row)
        if not rows:
            raise damaged(self.name, path, "it has no rows", expected=_EXPECTED, source=self.about.source)
        table = np.array(rows)
        items = as_items(table[:, :-1].reshape(len(table), _STEPS, 2))
        copy_of = copies.first_of_each(items)
        return Content(
            items=items,
            labels=table[:, -1].astype(np.int64) - 1,
            classes=_CLASSES,
            marks={copies.MARK: copy_of},
            remarks=(
                "4 persons in 2 sessions, not told apart: they are on both sides of every split",
                *copies.remarks(copy_of, lambda place: f"row {place + 1}"),
            ),
        )

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return copies.settle(self.name, content, Selection(), chosen.text("duplicates"))


libras = Libras(
    name="libras",
    folders=("libras", "movement_libras"),
    about=About(
        title="Libras movement: 360 hand movements of Brazilian sign language, 15 kinds x 24, 45 frames of (x, y)",
        licence="CC BY 4.0",
        citation="Dias DB, Madeo RCB, Rocha T, Biscaro HH, Peres SM. Hand movement recognition for Brazilian Sign "
        "Language: a study using distance-based neural networks. IJCNN (2009).",
        source="https://archive.ics.uci.edu/dataset/181/libras+movement (movement_libras.data)",
        needs=f"{_FILE} in libras: {_EXPECTED}",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
    ),
    declared=_OPTIONS,
)
