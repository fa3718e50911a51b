"""How well scores tell pictures and pixels with a defect from normal ones. Higher scores are to mean a defect."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FALSE_POSITIVES = 0.3
"""Share of normal pixels up to which the overlap is averaged (Bergmann et al., IJCV 2021, section 4.3)."""
STEPS = 300


def region_overlap(maps: NDArray[Any], masks: NDArray[np.bool_]) -> float:
    """Area under the per-region overlap, from 0 to 1: the mean over connected regions (8 neighbours) of ``masks``
    [n, height, width] of the share of each that ``maps`` mark, averaged over thresholds that mark 0 to
    :data:`FALSE_POSITIVES` of the normal pixels. NaN where there is no region, or no normal pixel."""
    if not masks.any() or masks.all() or not np.isfinite(maps).all():
        return float("nan")
    shares = np.linspace(0.0, FALSE_POSITIVES, STEPS + 1)
    thresholds = np.quantile(maps[~masks], 1.0 - shares)
    overlaps = []
    for scores, mask in zip(maps, masks, strict=True):
        regions, count = ndimage.label(mask, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            inside = np.sort(scores[regions == number])
            overlaps.append(1.0 - np.searchsorted(inside, thresholds, side="left") / len(inside))
    # The first threshold marks no normal pixel but the brightest one.
    return float(np.trapezoid(np.mean(overlaps, axis=0), shares) / FALSE_POSITIVES)
