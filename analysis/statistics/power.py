"""What a design could have seen, and what would be needed to see more: repeats, seeds, data sets and hours.

Repeating the folds does not let the standard error go to zero: its floor is s sqrt(n2/n1), half of s with five folds.
So "not reachable by repeats" is a valid answer, and the usual one for small effects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
from scipy import stats

from analysis.statistics.scores import Pairs
from analysis.statistics.verdict import Interval

MOST = 10_000
"""Repeats beyond this are not reachable."""
COLUMNS = [
    *("dataset", "activation", "control", "effect", "size", "sd_at", "sd", "n", "power", "detectable"),
    *("repeats_needed", "ceiling", "seeds_needed", "datasets_needed", "hours", "note"),
]


def power(size: float, sd: float, n: int, ratio: float, *, alpha: float = 0.05) -> float:
    """Power of the two-sided corrected t on ``n`` splits for a true mean difference ``size``; nan for n < 2.

    ``sd`` is the standard deviation of the differences, ``ratio`` held-out over training items.
    """
    if n < 2 or not sd > 0 or not math.isfinite(ratio):
        return math.nan
    shift = abs(size) / sd / math.sqrt(1 / n + ratio)
    limit = float(stats.t.isf(alpha / 2, n - 1))
    if shift > 1e4:
        # Beyond scipy's reach, and the mean's own noise no longer counts: only that of its standard error does.
        return float(stats.chi2.cdf((n - 1) * (shift / limit) ** 2, n - 1))
    # The lower tail by symmetry: scipy's noncentral t has no cdf that far out (nan for shifts above 6).
    return float(stats.nct.sf(limit, n - 1, shift) + stats.nct.sf(limit, n - 1, -shift))


def ceiling(size: float, sd: float, ratio: float, *, alpha: float = 0.05) -> float:
    """Power as repeats grow without end: that of a normal shifted by size/sd * sqrt(n1/n2)."""
    if not sd > 0 or not ratio > 0:
        return math.nan
    shift = abs(size) / sd / math.sqrt(ratio)
    limit = float(stats.norm.isf(alpha / 2))
    return float(stats.norm.sf(limit - shift) + stats.norm.cdf(-limit - shift))


def repeats_needed(
    size: float, sd: float, folds: int, ratio: float, *, target: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Smallest number of repeats of ``folds`` folds with at least ``target`` power; None where no number is enough."""
    if not ceiling(size, sd, ratio, alpha=alpha) >= target:
        return None

    def enough(repeats: int) -> bool:
        return power(size, sd, repeats * folds, ratio, alpha=alpha) >= target

    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
        if low >= MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable(sd: float, n: int, ratio: float, *, target: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference seen with ``target`` power on ``n`` splits; nan for n < 2."""
    if n < 2 or not sd > 0 or not math.isfinite(ratio):
        return math.nan
    low, high = 0.0, sd
    while power(high, sd, n, ratio, alpha=alpha) < target:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, sd, n, ratio, alpha=alpha) >= target else (middle, high)
    return high


def sd_interval(sd: float, n: int, *, level: float = 0.95) -> Interval:
    """Chi-square interval of a standard deviation from ``n`` values; with five it runs from 0.6 to 2.9 times."""
    if n < 2:
        return Interval(math.nan, math.nan)
    low, high = stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], n - 1)
    return Interval(sd * math.sqrt((n - 1) / high), sd * math.sqrt((n - 1) / low))


def seeds_needed(
    size: float, sd: float, seed_sd: float, seeds: int, n: int, ratio: float, *, target: float, alpha: float
) -> float:
    """Seeds on each split that reach ``target`` power on the present splits; inf where none do, nan where the noise
    between seeds is unknown.

    sd^2 = split^2 + 2 seed_sd^2 / seeds: a difference has the noise of both activations.
    """
    if not seed_sd > 0 or seeds < 1:
        return math.nan
    split = max(0.0, sd**2 - 2 * seed_sd**2 / seeds)
    limit = size / detectable(1.0, n, ratio, target=target, alpha=alpha)
    spare = limit**2 - split
    return float(max(seeds, math.ceil(2 * seed_sd**2 / spare))) if spare > 0 else math.inf


def datasets_needed(m: int, *, alpha: float = 0.05) -> int:
    """Fewest data sets on which Wilcoxon's test can pass alpha/m at all, if every one agrees: 2/2^N <= alpha/m, and at
    least six. No power is promised there."""
    return max(6, math.ceil(math.log2(2 * m / alpha)))


def outlook(
    pairs: Pairs,
    *,
    folds: int,
    effects: Mapping[str, float] | None = None,
    rope: float = 0.0,
    target: float = 0.8,
    alpha: float = 0.05,
    m: int = 1,
    m_datasets: int | None = None,
    seeds: int = 1,
    seconds_per_fold: float = math.nan,
) -> pd.DataFrame:
    """The planner for one comparison: a row for each effect and each end of what the spread may be.

    ``effects`` names true differences in metric units to plan for (default: the observed one, which flatters a lucky
    study). The power is that of the word better (or worse), which asks for two things: a difference from 0 at alpha
    over the family's ``m``, and 1-alpha of the posterior beyond ``rope``, which is a one-sided t at alpha for the
    distance from its end. The harder one decides: both see the same mean and spread, so that the power of the two
    together is that of the harder one but for a percent or two. ``m_datasets`` is the family of a test over data sets.
    ``sd_at`` is low, observed or high (chi-square interval): the answer is a band. ``repeats_needed`` is nan where no
    number of repeats is enough, and the note says so. ``hours`` is device time for both activations at that many
    repeats.
    """
    d = pairs.d
    sd = float(d.std(ddof=1)) if pairs.n > 1 else math.nan
    low, high = sd_interval(sd, pairs.n)
    named = dict(effects) if effects is not None else {"observed": abs(float(d.mean())) if pairs.n else math.nan}
    rows = []
    for effect, size in named.items():
        asked = (Asked(size, alpha / m, 0.0), Asked(max(0.0, size - rope), min(1.0, 2 * alpha), rope))
        for at, spread in (("low", low), ("observed", sd), ("high", high)):
            row: dict[str, object] = {
                "dataset": pairs.dataset,
                "activation": pairs.activation,
                "control": pairs.control,
                "effect": effect,
                "size": size,
                "sd_at": at,
                "sd": spread,
                "n": pairs.n,
                "note": "",
            }
            if pairs.n < 2 or pairs.zero_variance or not math.isfinite(pairs.ratio):
                rows.append(row | {"note": "The spread of the differences is unknown: nothing to plan with."})
                continue
            found = _needed(pairs, asked, spread, folds=folds, seeds=seeds, target=target)
            row |= found
            row["datasets_needed"] = datasets_needed(m if m_datasets is None else m_datasets, alpha=alpha)
            row["hours"] = 2 * found["repeats_needed"] * folds * seconds_per_fold / 3600
            if math.isnan(found["repeats_needed"]):
                row["note"] = "Not reachable by repeats: add seeds on each split, or data sets."
            rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


class Asked(NamedTuple):
    """One of the things that a word asks for."""

    far: float
    """Distance to be told from 0."""
    level: float
    """Two-sided."""
    beyond: float
    """Where that distance begins: at no difference, or at the end of practical equivalence."""


def _needed(
    pairs: Pairs, asked: tuple[Asked, ...], spread: float, *, folds: int, seeds: int, target: float
) -> dict[str, float]:
    """What the hardest of the things that are ``asked`` needs, for one spread of the differences."""
    ratio, n = pairs.ratio, pairs.n
    repeats = [repeats_needed(one.far, spread, folds, ratio, target=target, alpha=one.level) for one in asked]
    return {
        "power": min(power(one.far, spread, n, ratio, alpha=one.level) for one in asked),
        "detectable": max(one.beyond + detectable(spread, n, ratio, target=target, alpha=one.level) for one in asked),
        "repeats_needed": math.nan if None in repeats else max(count for count in repeats if count is not None),
        "ceiling": min(ceiling(one.far, spread, ratio, alpha=one.level) for one in asked),
        "seeds_needed": max(
            seeds_needed(one.far, spread, pairs.seed_sd, seeds, n, ratio, target=target, alpha=one.level)
            for one in asked
        ),
    }
