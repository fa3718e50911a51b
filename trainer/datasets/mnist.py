"""MNIST and Fashion-MNIST from the official IDX files, plain or gzipped, complete or a part.

Read here and not by torchvision's classes, which know no gzipped files and bring torch to a login node; what comes out
is the same. ``actsweep data prepare --download`` fetches the files by torchvision.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, missing
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About

_MAGIC = {1: b"\x00\x00\x08\x01", 3: b"\x00\x00\x08\x03"}
"""IDX: two zero bytes, 8 for unsigned bytes, the number of axes."""
_STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_FULL = (60_000, 10_000)
_OPTIONS = {"part": PART, **SMALLER}


@dataclass(frozen=True, kw_only=True)
class Idx(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    sums: tuple[str, ...]
    """MD5 of the official gzipped files, in the order of their names above."""
    scale: tuple[tuple[float, ...], tuple[float, ...]]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, self.folders, needs=self.about.needs, source=self.about.source)
        return Files(folder=folder, watched=tuple(self._either(folder / stem) for stem in _STEMS))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        images, labels = [], []
        for pictures, numbers in (files.watched[:2], files.watched[2:]):
            images.append(self._idx(pictures, 3))
            labels.append(self._idx(numbers, 1).astype(np.int64))
            if images[-1].shape[1:] != (28, 28):
                raise self._damaged(pictures, f"its images have shape {images[-1].shape[1:]}", "28x28 pixels")
            if len(images[-1]) != len(labels[-1]):
                found = f"it has {len(labels[-1])} labels for {len(images[-1])} images of {pictures.name}"
                raise self._damaged(numbers, found, "one label an image")
            if len(labels[-1]) and labels[-1].max() >= len(self.classes):
                raise self._damaged(numbers, f"it has a label {labels[-1].max()}", f"labels below {len(self.classes)}")
        train, count = len(labels[0]), len(labels[0]) + len(labels[1])
        items = store.array("items", (count, 1, 28, 28), np.uint8)
        np.concatenate(images, out=items[:, 0])
        test = np.zeros(count, np.int64)
        test[train:] = 1
        complete = (train, count - train) == _FULL
        return Content(
            items=items,
            labels=np.concatenate(labels),
            classes=self.classes,
            marks={OFFICIAL_TEST: test},
            note="" if complete else f"{train} of {_FULL[0]} training and {count - train} of {_FULL[1]} test images",
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.scale

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)

    def _either(self, path: Path) -> Path:
        packed = path.with_name(f"{path.name}.gz")
        for found in (path, packed):
            if found.is_file():
                return found
        raise missing(
            self.name,
            path,
            expected=f"an IDX file, or {packed.name}",
            source=self.about.source,
            checksum=self._sum(path),
        )

    def _idx(self, path: Path, axes: int) -> NDArray[np.uint8]:
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(path, f"it cannot be unpacked ({error})", "a gzipped IDX file") from error
        head = 4 + 4 * axes
        if raw[:4] != _MAGIC[axes]:
            found = f"it begins with {raw[:4].hex(' ') or 'nothing'}"
            raise self._damaged(path, found, f"an IDX file of bytes with {axes} axes, {_MAGIC[axes].hex(' ')}")
        if len(raw) < head:
            raise self._damaged(path, f"{len(raw)} bytes", f"a head of {head} bytes")
        shape = tuple(int(size) for size in np.frombuffer(raw[4:head], ">u4"))
        size = int(np.prod(shape, dtype=np.int64))
        if len(raw) != head + size:
            raise self._damaged(path, f"{len(raw)} bytes", f"{head + size} bytes for the shape {shape} in its head")
        return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)

    def _sum(self, path: Path) -> str:
        stem = path.name.removesuffix(".gz")
        return f"the complete {stem}.gz has the MD5 {self.sums[_STEMS.index(stem)]}"

    def _damaged(self, path: Path, found: str, expected: str) -> Exception:
        return damaged(self.name, path, found, expected=expected, source=self.about.source, checksum=self._sum(path))


mnist = Idx(
    name="mnist",
    about=About(
        title="MNIST: 60,000 + 10,000 handwritten digits of 28x28",
        licence="none stated at the origin; commonly given as CC BY-SA 3.0",
        citation="LeCun Y, Bottou L, Bengio Y, Haffner P. Gradient-based learning applied to document recognition. "
        "Proc. IEEE 86(11):2278-2324 (1998).",
        source="http://yann.lecun.com/exdb/mnist/ or `actsweep data prepare mnist --download`",
        needs="mnist/MNIST/raw or MNIST/raw with the four IDX files, plain or .gz",
        options=describe(_OPTIONS),
        fixed=True,
    ),
    declared=_OPTIONS,
    folders=("mnist/MNIST/raw", "MNIST/raw"),
    classes=tuple("0123456789"),
    sums=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    scale=((0.1307,), (0.3081,)),
)

fashion_mnist = Idx(
    name="fashion_mnist",
    about=About(
        title="Fashion-MNIST: 60,000 + 10,000 pictures of clothes of 28x28 in 10 classes",
        licence="MIT",
        citation="Xiao H, Rasul K, Vollgraf R. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms. arXiv 1708.07747 (2017).",
        source="https://github.com/zalandoresearch/fashion-mnist or `actsweep data prepare fashion_mnist --download`",
        needs="fashion_mnist/FashionMNIST/raw or FashionMNIST/raw with the four IDX files, plain or .gz",
        options=describe(_OPTIONS),
        fixed=True,
    ),
    declared=_OPTIONS,
    folders=("fashion_mnist/FashionMNIST/raw", "FashionMNIST/raw"),
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    sums=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    scale=((0.2860,), (0.3530,)),
)
