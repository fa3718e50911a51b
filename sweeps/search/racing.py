"""Racing on folds: which settings of an activation are shown to be worse than another of them. Pure.

**The rule.** On the folds that all settings in the race have, a setting is dropped where another's mean is better by
more than ``h * s * sqrt(2 * (1/n + n2/n1))``: Gupta's subset selection (1965) with the standard error that Nadeau and
Bengio (2003) give means over ``n`` folds that share training items, ``n1`` training and ``n2`` validation items each.
``s`` is the noise of one score beside its fold's and its setting's own: pooled over the better half of the settings
(by their means over the first round, which say nothing of that noise), or the pair's own where that is greater. ``h``
is the constant by which the best of ``k`` equal settings is dropped with probability ``error / looks`` (Dunnett 1955,
one-sided): exact, since pooled noise and means are independent.

**The guarantee.** The setting that is truly the best is dropped, at any look of one activation's race, with probability
``error`` at most, where scores are normal, noise is as large for the best setting as for the better half, and any two
folds correlate by ``n2 / (n1 + n2)``: equal settings are the worst case, looks are added up, and the pair's own noise
can only keep a setting. ``tests/bench/bench_racing.py`` holds the rule to it, in that model and out of it. Racing
itself: Maron and Moore (1994); on instances, with tests for each: F-Race (Birattari et al. 2002), irace
(Lopez-Ibanez et al. 2016). Not a t for each pair: on two folds it has one degree of freedom, and drops nothing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LEAST_POOLED = 8
"""Settings, at least, whose noise is pooled, where there are so many: with fewer, ``h`` is too great to drop any."""
NODES = 256


@dataclass(frozen=True, kw_only=True)
class Race:
    """What is the same at every look of one race."""

    settings: int
    """That began it."""
    looks: int
    """That there may be."""
    error: float
    """Most probability, over all looks, of dropping the setting that is truly the best."""
    ratio: float
    """n2/n1: validation items for each training item."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Why a setting is dropped: ``behind`` that other one by ``gap``, where chance explains no more than ``limit``."""

    behind: int
    gap: float
    limit: float


def pooled(settings: int) -> int:
    """Of so many settings, those whose noise is pooled."""
    return max(math.ceil(settings / 2), min(settings, LEAST_POOLED))


def noise(first: Array) -> float:
    """Pooled standard deviation of one score beside its fold's and its setting's own part. ``first``: scores of all
    settings that began the race on the folds of the first round, (settings, folds), greater is better. 0 where there is
    none to be seen."""
    some = pooled(len(first))
    better = first[np.argsort(-first.mean(axis=1), kind="stable")[:some]]
    rest = better - better.mean(axis=1, keepdims=True)
    rest -= rest.mean(axis=0, keepdims=True)
    freedom = (some - 1) * (first.shape[1] - 1)
    return math.sqrt(float((rest**2).sum()) / freedom) if freedom else 0.0


def lost(scores: Array, first: Array, race: Race) -> dict[int, Loss]:
    """The settings that are shown to be worse, each with the one that it is furthest behind of.

    ``scores``: of the settings in the race on all of their folds, (settings, folds); ``first`` as in :func:`noise`.
    Greater is better. Where no noise is seen at all, nothing is shown. One setting at least always stays: the best mean
    is behind none.
    """
    scale = noise(first)
    if len(scores) < 2 or not 0 < scale < math.inf:
        return {}
    folds = scores.shape[1]
    h = constant(race.settings - 1, (pooled(race.settings) - 1) * (first.shape[1] - 1), race.error / race.looks)
    differences = scores[None, :, :] - scores[:, None, :]  # [i, j]: by how much j is better than i
    gaps = differences.mean(axis=2)
    own = differences.std(axis=2, ddof=1) / math.sqrt(2)
    limits = h * np.maximum(scale, own) * math.sqrt(2 * (1 / folds + race.ratio))
    excess = gaps / limits
    behind = excess.argmax(axis=1)
    return {
        at: Loss(behind=int(other), gap=float(gaps[at, other]), limit=float(limits[at, other]))
        for at, other in enumerate(behind)
        if excess[at, other] > 1
    }


@functools.lru_cache(maxsize=256)
def constant(others: int, freedom: int, level: float) -> float:
    """Gupta's ``h``: a setting that is as good as ``others`` is dropped with probability ``level``, where the standard
    deviation has so many degrees of ``freedom``. One-sided, many to one (Dunnett 1955), by quadrature."""
    from scipy import optimize, special

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    share, weights = (nodes + 1) / 2, weights / 2
    own = special.ndtri(share)
    deviation = np.sqrt(special.gammaincinv(freedom / 2, share) * 2 / freedom)

    def beyond(h: float) -> float:
        kept = special.ndtr(own[None, :] + math.sqrt(2) * h * deviation[:, None]) ** others
        return 1 - float(weights @ kept @ weights) - level

    most = 1.0
    while beyond(most) > 0:
        most *= 2
    return float(optimize.brentq(beyond, 0.0, most, xtol=1e-9))
