"""CIFAR-10 and CIFAR-100 from the official Python files.

One reader for the complete files and for a part of them, and for both sets: torchvision's classes refuse a part (they
compare MD5 sums with the complete files) and run the pickles they read. Complete files are compared with the same MD5
sums here, and what comes out is what torchvision gives, which ``actsweep data prepare --download`` uses to fetch them.
CIFAR-100 comes in an order of its own, the same from these files and from :mod:`trainer.datasets.sheets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import cifar_facts
from trainer.datasets.array_pickle import read_arrays
from trainer.datasets.cache import Memory, Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, md5, need_file
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.sheets import LABELS, cifar100_sheets, there

_VALUES = 3 * 32 * 32
_OPTIONS = {"part": PART, **SMALLER}
_COMPLETE = 50_000 * _VALUES
"""No complete file of CIFAR-100's training part is smaller, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one of the two sets lies in its files."""

    folders: tuple[str, ...]
    train: Mapping[str, str]
    """File name -> MD5 of the complete file."""
    test: Mapping[str, str]
    meta: str
    labels: Mapping[str, str]
    """Choice of labels -> key in the data files."""
    names: Mapping[str, str]
    """Choice of labels -> key in the meta file."""


@dataclass(frozen=True, kw_only=True)
class Cifar(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]
    layout: Layout

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, self.layout.folders, needs=self.about.needs, source=cifar_facts.SOURCE)
        paths = [
            need_file(
                self.name,
                folder / name,
                expected="the official pickle of Python arrays",
                source=cifar_facts.SOURCE,
                checksum=f"the complete file's MD5 is {sum_}" if sum_ else "",
            )
            for name, sum_ in {**self.layout.train, **self.layout.test, self.layout.meta: ""}.items()
        ]
        return Files(folder=folder, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        kind = chosen.text("labels") if "labels" in self.declared else "fine"
        classes = self._classes(files.folder / self.layout.meta, self.layout.names[kind])
        sums = {**self.layout.train, **self.layout.test}
        read = [self._read(files.folder / name, self.layout.labels[kind], len(classes)) for name in sums]
        sizes = [len(labels) for _, labels in read]
        items = store.array("items", (sum(sizes), 3, 32, 32), np.uint8)
        np.concatenate([pixels for pixels, _ in read], out=items.reshape(sum(sizes), _VALUES))
        train = sum(sizes[: len(self.layout.train)])
        note = cifar_facts.completeness(train, sum(sizes) - train)
        if not note:
            self._compare(files.folder, sums)
        test = np.zeros(sum(sizes), np.int64)
        test[train:] = 1
        labels = np.concatenate([labels for _, labels in read])
        return Content(items=items, labels=labels, classes=classes, marks={OFFICIAL_TEST: test}, note=note)

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return cifar_facts.SCALING[self.name]

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)

    def _read(self, path: Path, key: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """([n, 3072], [n])."""
        found = self._pickle(path, ("data", key))
        pixels = np.asarray(found["data"])
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _VALUES:
            raise self._damaged(path, f"its data is {pixels.dtype} {pixels.shape}")
        try:
            labels = np.asarray(found[key], np.int64)
        except (TypeError, ValueError) as error:
            raise self._damaged(path, f"its {key} are no numbers ({error})") from error
        if labels.shape != (len(pixels),):
            raise self._damaged(path, f"it has {len(pixels)} images and {labels.shape} labels")
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise self._damaged(path, f"its {key} go from {labels.min()} to {labels.max()}")
        return pixels, labels

    def _classes(self, path: Path, key: str) -> tuple[str, ...]:
        return tuple(str(name) for name in self._pickle(path, (key,))[key])

    def _pickle(self, path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
        try:
            found = read_arrays(path)
        except ValueError as error:
            raise self._damaged(path, str(error)) from error
        absent = [key for key in keys if key not in found]
        if absent:
            raise self._damaged(path, f"it has the keys {sorted(found)}, without {' and '.join(absent)}")
        return found

    def _compare(self, folder: Path, sums: Mapping[str, str]) -> None:
        for name, expected in sums.items():
            actual = md5(folder / name)
            if actual != expected:
                raise self._damaged(folder / name, f"its MD5 is {actual}")

    def _damaged(self, path: Path, found: str) -> Exception:
        sum_ = {**self.layout.train, **self.layout.test}.get(path.name, "")
        return damaged(
            self.name,
            path,
            found,
            expected="a dictionary with uint8 data [n, 3072] and labels as the official file has",
            source=cifar_facts.SOURCE,
            checksum=f"the complete file's MD5 is {sum_}" if sum_ else "",
        )


@dataclass(frozen=True, kw_only=True)
class Cifar100(Cifar):
    """From the official files or from the sheets, in one order."""

    def find(self, root: Path, chosen: Chosen) -> Files:
        source = chosen.text("source")
        folders = [root / folder for folder in self.layout.folders if (root / folder).is_dir()]
        complete = any(
            (folder / "train").is_file() and (folder / "train").stat().st_size >= _COMPLETE for folder in folders
        )
        if source == "sheets" or (source == "auto" and not complete and there(root)):
            return cifar100_sheets.find(root, chosen)
        return Cifar.find(self, root, chosen)

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        if files.folder.name != Path(self.layout.folders[0]).name:
            return cifar100_sheets.convert(files, chosen, store)
        read = Cifar.convert(self, files, chosen, Memory())
        return cifar_facts.in_own_order(
            store, items=read.items, labels=read.labels, test=read.marks[OFFICIAL_TEST], classes=read.classes
        )


def _about(title: str, needs: str, options: Mapping[str, Option]) -> About:
    return About(
        title=title,
        licence=cifar_facts.LICENCE,
        citation=cifar_facts.CITATION,
        source=cifar_facts.SOURCE,
        needs=needs,
        options=describe(options),
        fixed=True,
    )


cifar10 = Cifar(
    name="cifar10",
    about=_about(
        "CIFAR-10: 50,000 + 10,000 images of 32x32 in 10 classes",
        "cifar10/cifar-10-batches-py or cifar-10-batches-py with data_batch_1 to _5, test_batch and batches.meta",
        _OPTIONS,
    ),
    declared=_OPTIONS,
    layout=Layout(
        folders=("cifar10/cifar-10-batches-py", "cifar-10-batches-py"),
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        meta="batches.meta",
        labels={"fine": "labels"},
        names={"fine": "label_names"},
    ),
)

_OPTIONS_100 = {
    "source": Option(
        default="auto",
        meaning="the official files or the lossless sheets, which give the same data set; auto takes the files if they "
        "are complete, else the sheets if they are there",
        accepts=("auto", "files", "sheets"),
        converts=True,
    ),
    "labels": LABELS,
    **_OPTIONS,
}

cifar100 = Cifar100(
    name="cifar100",
    about=_about(
        "CIFAR-100: 50,000 + 10,000 images of 32x32 in 100 classes",
        "cifar100/cifar-100-python or cifar-100-python with train, test and meta; or cifar100/sheets and "
        "cifar100/classes.csv",
        _OPTIONS_100,
    ),
    declared=_OPTIONS_100,
    layout=Layout(
        folders=("cifar100/cifar-100-python", "cifar-100-python"),
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        meta="meta",
        labels={"fine": "fine_labels", "coarse": "coarse_labels"},
        names={"fine": "fine_label_names", "coarse": "coarse_label_names"},
    ),
)
