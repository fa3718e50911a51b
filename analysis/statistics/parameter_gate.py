"""Whether a searched parameter matters: a conditional randomisation test of what it adds to predicting unseen settings.

The statistic is the loss of R2 on unseen settings when one parameter alone is dealt anew and the model is fitted again.
Its null is its own: a parameter that tells nothing of the score beside the others could as well have been any of the
deals (Candes et al. 2018, "Panning for gold", section 4.1), so that p is exact for independently searched parameters,
and approximate where a searcher has made them hang together. One parameter alone, or several that matter alike, can
pass as well as one among many, which importances that sum to one do not allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.statistics.scores import Array

WAVES, CROSSED = 6, 2
"""Cosines of each parameter, and of each in their products."""
CROSSED_WEIGHT = 0.5
PENALTIES = 10.0 ** np.arange(-4, 2.1, 0.5)
ENOUGH = 10
"""Deals that do as well as the parameter itself, after which no more are made."""
LEVEL = 0.05


class Tested(NamedTuple):
    r2: float
    """On unseen settings, with the parameter as it was; below 0 where the mean predicts better."""
    loss: float
    """R2 that is lost on average over the deals."""
    chance_95: float
    """95th percentile of what a deal of the parameter seems to lose, where it is held against the others."""
    p: float


def deals(parameters: int) -> int:
    """As many as let every one of several parameters pass Holm's first step with one deal to spare."""
    return max(239, math.ceil(2 * parameters / LEVEL) - 1)


def tested(X: Array, y: Array, at: int, rng: np.random.Generator, *, draws: int) -> Tested:
    """What column ``at`` of ``X`` (settings, parameters) tells of the scores ``y`` (settings,) beside the others.

    Parameters count by their ranks. ``draws`` bounds the deals; with ``ENOUGH`` at least as good as the parameter
    itself p is known well enough (Besag and Clifford 1991), and no more are made.
    """
    waves = [_waves(column) for column in X.T]
    r2 = unseen_r2(_features(waves), y)
    found: list[float] = []
    better = 0
    for order in dealt(X, at, rng, draws):
        found.append(unseen_r2(_features([*waves[:at], waves[at][order], *waves[at + 1 :]]), y))
        better += found[-1] >= r2 - 1e-12
        if better >= ENOUGH:
            break
    p = better / len(found) if better >= ENOUGH else (1 + better) / (1 + len(found))
    middle = float(np.mean(found))
    return Tested(r2, r2 - middle, float(np.percentile(found, 95)) - middle, p)


def dealt(X: Array, at: int, rng: np.random.Generator, draws: int) -> npt.NDArray[np.int64]:
    """Orders (draws, settings) in which column ``at`` could have come with the other columns as they are.

    On normal scores the column is regressed on the others, by as much as the regression explains beyond what as many
    parameters of noise would, and its residuals are shuffled.
    """
    n = len(X)
    scored = np.column_stack([stats.norm.ppf(_ranks(column)) for column in X.T])
    own, others = scored[:, at], np.delete(scored, at, axis=1)
    fitted, count = np.zeros(n), others.shape[1]
    if count and n > count + 2:
        fitted = others @ np.linalg.lstsq(others, own, rcond=None)[0]
        share = float(fitted @ fitted / (own @ own))
        fitted *= max(0.0, 1 - count / (n - count - 1) * (1 - share) / share) if share > 0 else 0.0
    new = fitted + (own - fitted)[rng.random((draws, n)).argsort(axis=1)]
    return np.argsort(X[:, at], kind="stable")[new.argsort(axis=1).argsort(axis=1)]


def unseen_r2(features: Array, y: Array) -> float:
    """1 - SSE/SST of ridge regression on ``features`` (settings, features), each setting predicted by the others; the
    penalty is the best of ``PENALTIES``."""
    X, centred = features - features.mean(axis=0), y - y.mean()
    wide = X.shape[1] >= len(X)
    powers, axes = np.linalg.eigh(X @ X.T if wide else X.T @ X)
    kept = powers > 1e-10 * powers[-1]
    powers = powers[kept]
    axes = axes[:, kept] if wide else X @ axes[:, kept] / np.sqrt(powers)
    shrunk = powers[:, None] / (powers[:, None] + PENALTIES * powers.mean())
    left = centred[:, None] - axes @ (shrunk * (axes.T @ centred)[:, None])
    unseen = left / (1 - 1 / len(y) - axes**2 @ shrunk)
    return float(1 - (unseen**2).sum(axis=0).min() / (centred @ centred))


def _ranks(values: Array) -> Array:
    """Between 0 and 1, ties by mid-ranks."""
    return np.asarray((stats.rankdata(values) - 0.5) / len(values))


def _waves(values: Array) -> Array:
    """Cosines of the ranks (settings, WAVES), a smoother one with more weight: a spline by its leading terms."""
    number = np.arange(1, WAVES + 1)
    return np.cos(np.pi * number * _ranks(values)[:, None]) / number


def _features(waves: Sequence[Array]) -> Array:
    """Each parameter's cosines, and the products of the smoothest of every two."""
    crossed = [
        CROSSED_WEIGHT * (one[:, :CROSSED, None] * other[:, None, :CROSSED]).reshape(len(one), -1)
        for at, one in enumerate(waves)
        for other in waves[at + 1 :]
    ]
    return np.concatenate([*waves, *crossed], axis=1)
