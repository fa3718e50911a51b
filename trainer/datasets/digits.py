"""The handwritten digits that come with scikit-learn: 1,797 real 8x8 images, for trying things without a download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainer.datasets.content import content_digest
from trainer.datasets.options import Option, choose, describe
from trainer.datasets.reader import About, Dataset
from trainer.errors import DataError
from trainer.spec import Scalar

EDGE = 8
LARGEST = 64
DECLARED = {
    "size": Option(default=EDGE, least=EDGE, meaning=f"edge in pixels, {EDGE} or a multiple of it: pixels are repeated")
}


class Digits:
    about = About(
        title="Optical recognition of handwritten digits (scikit-learn's copy of the test part)",
        licence="CC BY 4.0",
        citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
        "1998",
        source="Comes with the package scikit-learn (sklearn.datasets.load_digits).",
        needs="",
        options=describe(DECLARED),
    )

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        from sklearn.datasets import load_digits

        size = _size(options)
        raw = load_digits()
        images = np.rint(raw.images * (255.0 / 16.0)).astype(np.uint8)[:, None]
        images = images.repeat(size // EDGE, axis=2).repeat(size // EDGE, axis=3)
        labels = raw.target.astype(np.int64)
        classes = tuple(str(number) for number in range(10))
        return Dataset(
            name="digits",
            items=images,
            labels=labels,
            classes=classes,
            mean=(0.3053,),
            std=(0.3759,),
            digest=content_digest(images, labels, classes, {}),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)


def _size(options: Mapping[str, Scalar]) -> int:
    size = choose("digits", DECLARED, options).number("size")
    if size % EDGE or size > LARGEST:
        raise DataError(f"data set digits: option size is {size}; accepts {EDGE} times 1 to {LARGEST // EDGE}")
    return size


digits = Digits()
