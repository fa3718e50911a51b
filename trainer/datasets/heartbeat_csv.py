"""The heartbeats of arXiv 1805.00794 as its authors published them: mitbih_train.csv and mitbih_test.csv.

Two tables of numbers without column names: 187 samples of a beat, then its class, 0 to 4. They do not say which beat is
of which patient; :mod:`trainer.datasets.mitbih` cuts the same beats from the records, which do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from trainer.datasets import copies
from trainer.datasets.beats import AAMI
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, missing
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About, Kind, Standardise
from trainer.datasets.table_file import opened
from trainer.errors import DataError

_SAMPLES = 187
_FILES = ("mitbih_train.csv", "mitbih_test.csv")
_FULL = (87_554, 21_892)
_FOLDERS = ("", "heartbeat", "archive", "mitbih")
_SOURCE = "Kaggle, https://www.kaggle.com/datasets/shayanfazeli/heartbeat (mitbih_train.csv and mitbih_test.csv)"
_EXPECTED = f"lines of {_SAMPLES} samples in [0, 1] and a class 0 to {len(AAMI) - 1}, without column names"
_OPTIONS = {
    "folder": Option(
        default="",
        meaning="the folder of the two files, below the data root or absolute; none: the root itself, or "
        f"{', '.join(_FOLDERS[1:])} below it",
        converts=True,
    ),
    "part": replace(PART, default="all"),
    "duplicates": copies.OPTION,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class HeartbeatCsv(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]
    version: ClassVar[int] = 1

    def find(self, root: Path, chosen: Chosen) -> Files:
        named = chosen.text("folder")
        folders = [root / folder for folder in ([named] if named else _FOLDERS)]
        paths = []
        for name in _FILES:
            there = [
                folder / found for folder in folders for found in (name, f"{name}.gz") if (folder / found).is_file()
            ]
            if not there:
                raise missing(self.name, folders[0] / name, expected=f"{_EXPECTED}; or {name}.gz", source=_SOURCE)
            paths.append(there[0])
        return Files(folder=root, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        parts = []
        for path in files.watched:
            try:
                table = opened(path, header=False)
                numbers = table.read(table.names, ()).numbers
            except DataError as error:
                raise DataError(f"data set {self.name}: {error}") from error
            labels = numbers[:, -1]
            if numbers.shape[1] != _SAMPLES + 1 or not np.isin(labels, range(len(AAMI))).all():
                found = f"{numbers.shape[1]} columns, the last from {labels.min():g} to {labels.max():g}"
                raise damaged(self.name, path, found, expected=_EXPECTED, source=_SOURCE)
            parts.append(numbers)
        whole = np.concatenate(parts)
        if not np.isfinite(whole).all():
            raise damaged(self.name, files.watched[0], "a value is missing", expected=_EXPECTED, source=_SOURCE)
        items = store.array("items", (len(whole), 1, 1, _SAMPLES), np.float32)
        items[:, 0, 0] = whole[:, :-1]
        sizes, copy_of = tuple(map(len, parts)), copies.first_of_each(items)
        return Content(
            items=items,
            labels=whole[:, -1].astype(np.int64),
            classes=AAMI,
            marks={
                OFFICIAL_TEST: np.repeat([0, 1], sizes).astype(np.int64),
                copies.MARK: copy_of,
            },
            note="" if sizes == _FULL else f"{sizes[0]} of {_FULL[0]} training and {sizes[1]} of {_FULL[1]} test beats",
            remarks=(
                "the files do not say whose beat is whose: patients are on both sides of every split",
                *copies.remarks(copy_of, lambda place: f"beat {place}"),
            ),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0,), (1.0,)

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        return "signal", "constants"

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))


heartbeat_csv = HeartbeatCsv(
    name="heartbeat_csv",
    about=About(
        title="MIT-BIH heartbeats as published on Kaggle: mitbih_train.csv and mitbih_test.csv (109,446 beats)",
        licence="Open Data Commons Attribution License v1.0 (ODC-By 1.0), that of the MIT-BIH Arrhythmia Database",
        citation="Kachuee M, Fazeli S, Sarrafzadeh M. ECG Heartbeat Classification: A Deep Transferable "
        "Representation. arXiv 1805.00794 (2018). Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. "
        "IEEE Eng. Med. Biol. 20(3):45-50 (2001).",
        source=_SOURCE,
        needs="mitbih_train.csv and mitbih_test.csv, in the data root or in heartbeat, archive or mitbih below it",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
        fixed=True,
    ),
    declared=_OPTIONS,
)
