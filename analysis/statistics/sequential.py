"""Boundaries for comparisons that are looked at after every repeat, calibrated by simulation.

The model is that of the corrected t (Nadeau and Bengio 2003; Bouckaert and Frank 2004): the differences of a comparison
are normal, and any two of one study correlate by n2/(n1+n2), whichever repeats they are from. So a repeat on the same
data is no independent increment: the part that all differences share never averages out, the looks of a study resemble
each other, and they cost less than those of a classical group-sequential trial, as they also bring less. Scores of all
labels spread alike, so that two comparisons with one control correlate by 1/2.

Of each simulated study without any difference, x is the least nominal p over its looks and comparisons, each over its
look's weight. The quantiles of x are the boundaries: with them the probability of any false "better" or "worse" in the
study is the level. For equivalence the differences lie at the zone's edge, every second one at its other end, and p is
that of the nearer of the two one-sided tests; the other one can only add to it.

Weights lie between Pocock's (1977), equal, and O'Brien and Fleming's (1979), next to nothing at first: a look's is its
information over the last one's (the inverse of the mean's variance under the model) to the power ``SHAPE``. Simulated
for 5 comparisons of 2 to 20 repeats of 5 folds, that power costs 0.04 of a mean 9.2 repeats against Pocock's and finds
73.1 % of differences of 1.5 standard deviations against 70.0 %; twice the power finds 74.7 % with 9.6 repeats.

A comparison that is told leaves the family (step-down by closed testing, Marcus and others 1976; for repeated looks
Tang and Geller 1999): where j are left, any j of them are at the level together, and fewer comparisons have wider
limits. ``tests/bench/bench_boundaries.py`` makes the table, ``tests/bench/bench_until_decided.py`` measures it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.runs.boundaries import Boundaries, Kind
from analysis.runs.plan import Family

Array = npt.NDArray[np.float64]
LEAST = 3
"""Units below which nothing is tested (as :data:`analysis.statistics.frequentist.LEAST`)."""
SHAPE = 5.0
LEVELS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4)
DRAWS = 40_000
"""Simulated studies where the table has no row."""
CHUNK_VALUES = 4_000_000
TABLE = "boundaries.csv"
KINDS: tuple[Kind, ...] = ("difference", "equivalence")


class Looks(NamedTuple):
    """A design as it is looked at."""

    units: int
    ratio: float
    first: int
    most: int

    @property
    def repeats(self) -> tuple[int, ...]:
        return tuple(range(self.first, self.most + 1))

    @property
    def weights(self) -> tuple[float, ...]:
        variance = [1 / (self.units * repeats) + self.ratio for repeats in self.repeats]
        return tuple(float(f"{(variance[-1] / one) ** SHAPE:.4g}") for one in variance)


def boundaries(looks: Looks, *, labels: int, family: Family, alpha: float) -> Boundaries:
    """The boundaries of a study of ``labels`` activations, the control among them: from the table where it has the
    design, else simulated (deterministic; some seconds)."""
    every = labels - 1 if family == "control" else labels * (labels - 1) // 2
    tables = _tabled(looks, every) if family == "control" else None
    if tables is None:
        tables = simulated(looks, labels) if family == "control" else simulated_pairs(looks, labels)
    return Boundaries(
        looks=looks.repeats,
        units=looks.units,
        ratio=looks.ratio,
        alpha=alpha,
        weights=looks.weights,
        levels=(*LEVELS, 1.0),
        difference=tables[0],
        equivalence=tables[1],
    )


Quantiles = tuple[tuple[float, ...], ...]


@lru_cache(maxsize=64)
def simulated(looks: Looks, labels: int, draws: int = DRAWS) -> tuple[Quantiles, Quantiles]:
    """Quantiles of x for 1 to ``labels`` - 1 comparisons with a control, of either kind."""
    found = np.concatenate([_least(one, looks) for one in studies(looks, labels, draws)], axis=1)
    return tuple(quantiles(np.minimum.accumulate(kind, axis=1)) for kind in found)  # type: ignore[return-value]  # two kinds


@lru_cache(maxsize=64)
def simulated_pairs(looks: Looks, labels: int, draws: int = DRAWS) -> tuple[Quantiles, Quantiles]:
    """The same for all pairs. Of fewer than all, which are left is not known before: j may share no label at all, so
    that they are taken as independent, which no correlation of them makes too wide (Sidak 1967); but never narrower
    than for all, of which they are some."""
    pairs = [(a, b) for a in range(labels) for b in range(a + 1, labels)]
    whole, single = [], []
    for study in studies(looks, labels, draws):
        one = _least(study, looks, pairs)
        whole.append(one.min(axis=2))
        single.append(one[:, :, 0])
    result = []
    for kind in range(len(KINDS)):
        alone = np.sort(np.concatenate([one[kind] for one in single]))
        every = np.quantile(np.concatenate([one[kind] for one in whole]), LEVELS)
        rows = []
        for j in range(1, len(pairs) + 1):
            independent = [_alone(alone, 1 - (1 - level) ** (1 / j), looks) for level in LEVELS]
            rows.append(row_of(every if j == len(pairs) else np.maximum(every, independent)))
        result.append(tuple(rows))
    return result[0], result[1]


def _alone(ordered: Array, level: float, looks: Looks) -> float:
    """The quantile of one comparison; beyond what the draws can tell, Bonferroni's bound over the looks."""
    if level * len(ordered) < 20:
        return level / sum(looks.weights)
    return float(np.quantile(ordered, level))


def studies(looks: Looks, labels: int, draws: int) -> Iterator[tuple[Array, Array]]:
    """Scores of a unit (draws, labels, repeats, units) without what all units of a label share, and that share."""
    rng = np.random.Generator(np.random.PCG64([looks.units, looks.first, looks.most, labels]))
    each = max(1, CHUNK_VALUES // (labels * looks.most * looks.units))
    for start in range(0, draws, each):
        count = min(each, draws - start)
        own = rng.standard_normal((count, labels, looks.most, looks.units), dtype=np.float32)
        yield own.astype(np.float64), math.sqrt(looks.ratio) * rng.standard_normal((count, labels))


def _least(study: tuple[Array, Array], looks: Looks, pairs: Sequence[tuple[int, int]] = ()) -> Array:
    """The least over the looks of p over weight, (kinds, draws, comparisons)."""
    found: Array = (nominal(study, looks, pairs) / np.asarray(looks.weights)).min(axis=3)
    return found


def nominal(study: tuple[Array, Array], looks: Looks, pairs: Sequence[tuple[int, int]] = ()) -> Array:
    """p of every look taken alone, (kinds, draws, comparisons, looks); comparisons with label 0, or ``pairs``."""
    own, shared = study
    first, second = zip(*(pairs or [(label, 0) for label in range(1, own.shape[1])]), strict=True)
    mean, variance, n = moments(own[:, list(first)] - own[:, list(second)], looks)
    mean += (shared[:, list(first)] - shared[:, list(second)])[:, :, None]
    t = mean / np.sqrt(np.where(n > 1, variance, 1.0) * (1 / n + looks.ratio))
    freedom = np.broadcast_to(np.maximum(n - 1, 1).astype(float), t.shape)
    side = np.where(np.arange(len(first)) % 2 == 0, 1.0, -1.0)[:, None]
    both = np.stack([2 * special.stdtr(freedom, -np.abs(t)), special.stdtr(freedom, side * t)])
    return np.where(n >= LEAST, both, np.inf)


def moments(d: Array, looks: Looks) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Mean and unbiased variance of differences (draws, comparisons, repeats, units) at every look, and their n."""
    at = np.asarray(looks.repeats) - 1
    n = looks.units * np.asarray(looks.repeats)
    mean = d.sum(axis=3).cumsum(axis=2)[:, :, at] / n
    square = np.einsum("dcru,dcru->dcr", d, d).cumsum(axis=2)[:, :, at]
    return mean, (square - n * mean**2) / np.maximum(n - 1, 1), n


def quantiles(least: Array) -> Quantiles:
    """A row for each number of comparisons, of (draws, comparisons)."""
    return tuple(row_of(column) for column in np.quantile(least, LEVELS, axis=0).T)


def row_of(values: Array) -> tuple[float, ...]:
    return (*(float(f"{value:.4g}") for value in values), 1.0)


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, Looks, int], tuple[float, ...]]:
    text = resources.files("analysis.statistics").joinpath(TABLE).read_text(encoding="utf-8")
    return {
        (row[0], Looks(int(row[1]), round(float(row[2]), 6), int(row[3]), int(row[4])), int(row[5])): (
            *map(float, row[6:]),
            1.0,
        )
        for row in list(csv.reader(text.splitlines()))[1:]
    }


def _tabled(looks: Looks, comparisons: int) -> tuple[Quantiles, Quantiles] | None:
    table, at = _table(), looks._replace(ratio=round(looks.ratio, 6))
    keys = {kind: [(kind, at, j) for j in range(1, comparisons + 1)] for kind in KINDS}
    if not all(key in table for of_kind in keys.values() for key in of_kind):
        return None
    difference, equivalence = (tuple(table[key] for key in keys[kind]) for kind in KINDS)
    return difference, equivalence
