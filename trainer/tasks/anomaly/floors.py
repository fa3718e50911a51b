"""What a picture's brightness, contrast, gradient and size alone tell of its defects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.reader import Dataset
from trainer.tasks.ranking import ranked

NAMES = ("mean grey value", "standard deviation of grey values", "gradient", "size of the picture's file in pixels")
DIRECTIONS = (("more is a defect", 1.0), ("less is a defect", -1.0))
CHUNK = 256


def statistics(dataset: Dataset) -> NDArray[np.float64]:
    """[n, 4]: mean and standard deviation of an image's grey values (the mean of its channels), mean absolute
    difference of neighbours, and the area that its file has; 0 where that is not known."""
    found = np.zeros((len(dataset.items), len(NAMES)))
    for first in range(0, len(found), CHUNK):
        grey = np.asarray(dataset.items[first : first + CHUNK], np.float64).mean(axis=1)
        steps = [np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
        columns = [grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), sum(steps) / 2]
        found[first : first + CHUNK, :3] = np.stack(columns, axis=1)
    if dataset.sizes is not None:
        found[:, 3] = dataset.sizes.prod(axis=1)
    return found


def measured(
    train: NDArray[np.float64], heldout: NDArray[np.float64], anomalous: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Predictor -> metric -> value, of the :func:`statistics` [n, 4] of both parts: each as it is, in both directions,
    and as its distance from the training part's mean. What is the same for all pictures is left out."""
    found = {}
    for column, name in enumerate(NAMES):
        known, new = train[:, column], heldout[:, column]
        if (new == new[0]).all():
            continue
        scores = {f"{name}, {words}": sign * new for words, sign in DIRECTIONS}
        scores[f"{name}, distance from training"] = np.abs(new - known.mean())
        for predictor, score in scores.items():
            found[predictor] = ranked(score, anomalous)
    return found
