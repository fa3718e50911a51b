"""Spirals drawn by hand, by people with Parkinson's disease and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder
from trainer.datasets.image_tree import pictures_below
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.pictures import decode, decode_into
from trainer.datasets.reader import About
from trainer.errors import DataError

PERSON = "person"
_FOLDERS = ("parkinson-spiral", "parkinson_spiral", "drawings/spiral")
_CLASSES = ("healthy", "parkinson")
_NAME_CHARACTERS = 3
_EXPECTED = "pictures <part>/<healthy or parkinson>/V..., whose names begin with the person, as V01HE02.png"
_SOURCE = "Kaggle, https://www.kaggle.com/datasets/kmader/parkinsons-drawings (folder spiral)"
_OPTIONS = {
    "size": Option(default=64, least=8, meaning="height and width to which every drawing is resized", converts=True),
    "duplicates": copies.OPTION,
}


@dataclass(frozen=True, kw_only=True)
class ParkinsonSpiral(FileReader):
    """The folders training and testing are put together: the same persons drew in both, so that their split measures
    how well persons are known again. A person is a class and the first three characters of a name."""

    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, _FOLDERS, needs=self.about.needs, source=_SOURCE)
        found = pictures_below(self.name, folder)
        return Files(folder=folder, watched=found.paths)

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        kinds, people = [], []
        for path in files.watched:
            kind, person = path.parent.name, path.name[:_NAME_CHARACTERS]
            if kind not in _CLASSES or not (person[:1].isalpha() and person[1:].isdigit()):
                raise damaged(self.name, path, "it is not named so", expected=_EXPECTED, source=_SOURCE)
            kinds.append(kind)
            people.append(f"{kind} {person}")
        for kind in _CLASSES:
            if kind not in kinds:
                raise DataError(f"data set {self.name}: {files.folder} has no drawing of {kind}; expected {_EXPECTED}")
        size = chosen.number("size")
        items = store.array("items", (len(kinds), 1, size, size), np.uint8)
        decode_into(
            items,
            files.watched,
            lambda path: decode(path, name=self.name, source=_SOURCE, size=(size, size), mode="L"),
        )
        copy_of = copies.first_of_each(items)
        _, person_of = np.unique(people, return_inverse=True)
        return Content(
            items=items,
            labels=np.array([_CLASSES.index(kind) for kind in kinds], np.int64),
            classes=_CLASSES,
            groups={PERSON: person_of.reshape(-1).astype(np.int64)},
            marks={copies.MARK: copy_of},
            remarks=(
                f"{len(set(people))} persons drew them, several each: without folds: {{group: {PERSON}}} they are on "
                "both sides. The folders training and testing share persons and are no split here",
                *copies.remarks(copy_of, lambda place: files.watched[place].relative_to(files.folder).as_posix()),
            ),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.634,), (0.2054,)

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return copies.settle(self.name, content, Selection(), chosen.text("duplicates"))


parkinson_spiral = ParkinsonSpiral(
    name="parkinson_spiral",
    about=About(
        title="Parkinson's spiral drawings: 102 grey images by 28 persons, 51 of healthy ones and 51 of patients",
        licence="CC BY-NC-ND 4.0",
        citation="Zham P, Kumar DK, Dabnichki P, Poosapadi Arjunan S, Raghav S. Distinguishing different stages of "
        "Parkinson's disease using composite index of speed and pen-pressure of sketching a spiral. Front. Neurol. "
        "8:435 (2017).",
        source=_SOURCE,
        needs=f"a folder {' or '.join(_FOLDERS)} of {_EXPECTED}",
        options=describe(_OPTIONS),
        groups=(PERSON, copies.GROUP),
    ),
    declared=_OPTIONS,
)
