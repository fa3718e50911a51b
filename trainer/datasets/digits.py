"""The handwritten digits that come with scikit-learn: 1,797 real 8x8 images, for trying things without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainer.datasets.reader import About, Dataset
from trainer.errors import DataError
from trainer.spec import Scalar

EDGE = 8
LARGEST = 64


class Digits:
    about = About(
        title="Optical recognition of handwritten digits (scikit-learn's copy of the test part)",
        licence="CC BY 4.0",
        citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
        "1998",
        source="Comes with the package scikit-learn (sklearn.datasets.load_digits).",
        needs="",
        options={
            "size": f"Edge of the images in pixels: {EDGE} (default) or a multiple up to {LARGEST}; pixels are repeated."
        },
    )

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        from sklearn.datasets import load_digits

        size = _size(options)
        raw = load_digits()
        images = np.rint(raw.images * (255.0 / 16.0)).astype(np.uint8)[:, None]
        images = np.ascontiguousarray(images.repeat(size // EDGE, axis=2).repeat(size // EDGE, axis=3))
        labels = raw.target.astype(np.int64)
        classes = tuple(str(number) for number in range(10))
        total = hashlib.sha256(f"digits {images.shape} {classes}".encode())
        total.update(images.tobytes() + labels.tobytes())
        return Dataset(
            name="digits",
            items=images,
            labels=labels,
            classes=classes,
            mean=(0.3053,),
            std=(0.3759,),
            digest=total.hexdigest(),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)


def _size(options: Mapping[str, Scalar]) -> int:
    if unknown := sorted(options.keys() - {"size"}):
        raise DataError(f"data set 'digits': unknown option {', '.join(unknown)}; it has one: size")
    size = options.get("size", EDGE)
    accepted = range(EDGE, LARGEST + 1, EDGE)
    if type(size) is not int or size not in accepted:
        raise DataError(f"data set 'digits': size {size!r}, accepts {', '.join(map(str, accepted))}")
    return size


digits = Digits()
