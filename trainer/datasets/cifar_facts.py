"""What is true of CIFAR-10 and CIFAR-100 wherever they are read from."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.image_choice import OFFICIAL_TEST

CITATION = "Krizhevsky A. Learning Multiple Layers of Features from Tiny Images. Technical report (2009)."
LICENCE = "none stated at the origin, which asks for a citation; in customary use for research"
SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"

SCALING = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""(mean, std) a channel of all 50,000 training images."""

FULL = (50_000, 10_000)
"""Images of the official training and test part."""


def completeness(train: int, test: int) -> str:
    """A note for a data set's name where images are missing."""
    if (train, test) == FULL:
        return ""
    return f"{train} of {FULL[0]} training and {test} of {FULL[1]} test images"


def in_own_order(
    store: Store,
    *,
    items: NDArray[np.uint8],
    labels: NDArray[np.int64],
    test: NDArray[np.int64],
    classes: tuple[str, ...],
) -> Content:
    """Images in an order that depends on the images alone: by part, class and SHA-256 of the pixels. So the official
    files and the sheets, which do not keep the official order, give one data set with one digest and the same folds."""
    sums = [hashlib.sha256(image.tobytes()).digest() for image in items]
    order = np.array(sorted(range(len(items)), key=lambda place: (test[place], labels[place], sums[place])), np.int64)
    stored = store.array("items", items.shape, np.uint8)
    np.take(items, order, axis=0, out=stored)
    count = int(test.sum())
    return Content(
        items=stored,
        labels=labels[order],
        classes=classes,
        marks={OFFICIAL_TEST: test[order]},
        note=completeness(len(items) - count, count),
    )
