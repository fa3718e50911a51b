"""What simple outlier scores, learnt from the normal items alone, reach on the held-out part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from trainer.tasks.ranking import ranked

COMPONENTS = 32
LARGEST, SHRUNK = 64, 32
"""Images that are larger than this either way are averaged to this many pixels first."""
Values = NDArray[np.float64]


def measured(train: Tensor, heldout: Tensor, anomalous: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Predictor -> metric -> value. ``train`` holds normal items alone, both are standardised [n, channels, height,
    width]; ``anomalous`` [n of ``heldout``] says which are not normal."""
    told = ""
    if max(train.shape[2:]) > LARGEST and min(train.shape[2:]) >= SHRUNK:
        train, heldout = (nn.functional.adaptive_avg_pool2d(part, SHRUNK) for part in (train, heldout))
        told = f", at {SHRUNK}x{SHRUNK} pixels"
    known, new = (part.flatten(1).double().cpu().numpy() for part in (train, heldout))
    mean = known.mean(axis=0)
    count = min(COMPONENTS, len(known) - 1, known.shape[1] - 1)
    scores = {f"distance to the mean item{told}": ((new - mean) ** 2).sum(axis=1)}
    if count >= 1:
        scores = {f"residual of {count} principal components{told}": _residual(known, new, count), **scores}
    scores["distance to the mean value"] = np.abs(new.mean(axis=1) - known.mean())
    return {name: ranked(score, anomalous) for name, score in scores.items()}


def _residual(known: Values, new: Values, count: int) -> Values:
    """Squared distance of ``new`` to the plane of the ``count`` directions in which ``known`` varies most."""
    plane = PCA(n_components=count, svd_solver="arpack", random_state=0).fit(known)
    centred = new - plane.mean_
    inside = centred @ plane.components_.T
    distance: Values = ((centred - inside @ plane.components_) ** 2).sum(axis=1)
    return distance
