"""How often a family of comparisons has a false word, equivalence corrected for the family or not.

Scores of m activations and their control on r times k folds, splits of one activation correlated by n2/(n1+n2) as the
corrected t assumes; the control's noise is in every comparison. Run it to print, for the worst of several widths of the
zone of equivalence, how often any comparison

- at the zone's edge is called equivalent, by P(same) alone ("before") and with Holm's p of the two one-sided tests;
- of a family half at the edge, half without a difference, gets any false word: equivalent at the edge, or better or
  worse where there is no difference.

    python tests/bench/bench_equivalence.py
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

DESIGNS = ((1, 5), (5, 5), (10, 5))
FAMILIES = (3, 5, 19)
WIDTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Half-widths of the zone in standard deviations of the differences."""
ALPHA = 0.05
COLUMNS = ("repeats", "folds", "family", "before", "after", "any false before", "any false after")

Array = npt.NDArray[np.float64]


def noise(rng: np.random.Generator, draws: int, m: int, repeats: int, folds: int) -> tuple[Array, Array]:
    """Mean and corrected standard error of m differences without an effect, (draws, m) each, in their standard
    deviations."""
    n, ratio = repeats * folds, 1 / (folds - 1)
    rho = ratio / (1 + ratio)
    scores = math.sqrt(rho) * rng.normal(size=(draws, m + 1, 1)) + math.sqrt(1 - rho) * rng.normal(
        size=(draws, m + 1, n)
    )
    d = (scores[:, 1:] - scores[:, :1]) / math.sqrt(2)
    return d.mean(axis=2), d.std(axis=2, ddof=1) * math.sqrt(1 / n + ratio)


def holm(p: Array) -> Array:
    """Holm's adjusted p along the last axis."""
    m = p.shape[-1]
    order = p.argsort(axis=-1)
    stepped = np.take_along_axis(p, order, -1) * np.arange(m, 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1, np.maximum.accumulate(stepped, axis=-1)), -1)
    return adjusted


def words(mean: Array, se: Array, freedom: int, width: float, *, corrected: bool) -> tuple[Array, Array]:
    """Which comparisons (draws, m) are called equivalent, and which better or worse."""
    below, above = stats.t.cdf((-width - mean) / se, freedom), stats.t.sf((width - mean) / se, freedom)
    same = 1 - below - above >= 1 - ALPHA
    if corrected:
        tosts = np.maximum(stats.t.sf((mean + width) / se, freedom), stats.t.cdf((mean - width) / se, freedom))
        same &= holm(tosts) <= ALPHA
    apart = holm(2 * stats.t.sf(np.abs(mean / se), freedom)) <= ALPHA
    return same, apart & (np.maximum(below, above) >= 1 - ALPHA) & ~same


def rates(seed: int, draws: int, m: int, repeats: int, folds: int) -> tuple[float, float, float, float]:
    """Shares of studies with a false word, each at its worst width: as ``COLUMNS`` from "before" on."""
    mean, se = noise(np.random.default_rng(seed), draws, m, repeats, folds)
    freedom = repeats * folds - 1
    edge = np.arange(m) % 2 == 0
    found = []
    for width in WIDTHS:
        at_edge, mixed = mean + width, mean + width * edge
        row = [words(at_edge, se, freedom, width, corrected=way)[0].any(axis=1).mean() for way in (False, True)]
        for way in (False, True):
            same, told = words(mixed, se, freedom, width, corrected=way)
            row.append(np.where(edge, same, told).any(axis=1).mean())
        found.append(row)
    before, after, any_before, any_after = np.max(found, axis=0)
    return float(before), float(after), float(any_before), float(any_after)


def main() -> None:
    print(" | ".join(COLUMNS))
    for repeats, folds in DESIGNS:
        for m in FAMILIES:
            found = rates(1, 20_000, m, repeats, folds)
            print(f"{repeats} | {folds} | {m} | " + " | ".join(f"{100 * rate:.1f} %" for rate in found))


if __name__ == "__main__":
    main()
