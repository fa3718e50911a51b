"""Whether two scores of the same runs go together: Spearman's rank correlation with its interval."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.statistics.scores import Array
from analysis.statistics.verdict import Interval

LEAST = 4
"""Fewest pairs with an interval."""


class Rho(NamedTuple):
    rho: float
    interval: Interval | None
    n: int

    @property
    def told(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


def spearman(x: Array, y: Array, *, level: float = 0.95) -> Rho:
    """Of the pairs that are both finite, ties by mid-ranks. The interval is Fisher's with the standard error of Bonett
    and Wright (2000), sqrt((1 + rho^2/2)/(n - 3)), for independent pairs; None below ``LEAST`` pairs, or where one side
    is constant."""
    good = np.isfinite(x) & np.isfinite(y)
    a, b = x[good], y[good]
    n = len(a)
    if n < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Rho(math.nan, None, n)
    rho = float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    if n < LEAST:
        return Rho(rho, None, n)
    middle = math.atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12))
    half = float(stats.norm.isf((1 - level) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Rho(rho, Interval(math.tanh(middle - half), math.tanh(middle + half)), n)
