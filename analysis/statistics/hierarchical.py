"""One activation against another over many data sets: a hierarchical model, computed on a grid.

The observed mean difference on data set j is N(mu_j, se_j^2) with the corrected standard error; the mu_j come from a
Student t of nu degrees of freedom around mu0 with scale tau (Corani et al. 2017 use the whole correlated likelihood).
The t is a mixture of normals over a gamma precision, so each marginal is a sum of normals, and the posterior of
(mu0, tau, nu) needs a grid and no sampler. Priors: mu0 uniform over the grid, tau half-Cauchy with the spread of the
observed means for scale, nu one of 2, 4, 8, 30.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.runs.plan import half_width
from analysis.runs.wording import counted
from analysis.statistics.frequentist import standard_error
from analysis.statistics.ranks import LEAST_DATASETS
from analysis.statistics.scores import Array, Pairs
from analysis.statistics.verdict import Interval, Probabilities, Verdict, Word

NU = np.array([2.0, 4.0, 8.0, 30.0])
MIXTURE = 24
"""Points of the gamma mixture that makes a t out of normals."""


METHOD = "hierarchical over data sets, grid, metric units"


def across(
    comparisons: Sequence[Pairs], *, rope: float, alpha: float = 0.05, points: int = 81
) -> tuple[Verdict, pd.DataFrame]:
    """P(worse, same, better) by more than ``rope`` on a *new* data set, and the shrunken difference on each.

    ``comparisons`` are the same two activations on different data sets; ``rope`` is in the metric's units. The frame
    has columns dataset, difference, se, shrunken, n. Below six data sets the verdict gives no numbers and says why.
    Where a data set has zero variance its standard error is taken as one held-out item.
    """
    rope = half_width(rope)
    first = comparisons[0] if comparisons else None
    used = [(pairs, *_observed(pairs)) for pairs in comparisons if pairs.n >= 2]
    good = [(pairs, mean, se) for pairs, mean, se in used if math.isfinite(se) and se > 0]
    frame = pd.DataFrame(
        {
            "dataset": [pairs.dataset for pairs, _, _ in good],
            "difference": [mean for _, mean, _ in good],
            "se": [se for _, _, se in good],
            "shrunken": math.nan,
            "n": [pairs.n for pairs, _, _ in good],
        }
    )
    blank = Verdict(
        dataset="",
        activation=first.activation if first else "",
        control=first.control if first else "",
        metric=first.column if first else "",
        method=METHOD,
        level=1 - alpha,
        n=len(good),
        word=Word.CANNOT_TELL,
        note=f"{counted(len(good), 'data set')}; below {LEAST_DATASETS} the answer would be the prior's. See each data "
        "set.",
        extras={"rope": rope},
    )
    if len(good) < LEAST_DATASETS:
        return blank, frame
    centres, ses = frame["difference"].to_numpy(dtype=float), frame["se"].to_numpy(dtype=float)
    mu0, tau, nu, weight, shrunken = posterior(centres, ses, points=points)
    found = _concluded(blank, mu0, tau, nu, weight, rope=rope, alpha=alpha)
    if not all(pairs.verifiable for pairs, _, _ in good):
        found = dataclasses.replace(found, word=Word.DESCRIPTIVE)
    return found, frame.assign(shrunken=shrunken)


def _concluded(
    blank: Verdict, mu0: Array, tau: Array, nu: Array, weight: Array, *, rope: float, alpha: float
) -> Verdict:
    """What a posterior on a grid says of a new data set."""
    worse = float((weight * stats.t.cdf((-rope - mu0) / tau, nu)).sum())
    better = float((weight * stats.t.sf((rope - mu0) / tau, nu)).sum())
    probabilities = Probabilities(worse, max(0.0, 1 - worse - better), better)
    word = Word.UNDECIDED
    for mass, named in zip(probabilities, (Word.WORSE, Word.EQUIVALENT, Word.BETTER), strict=True):
        if mass >= 1 - alpha:
            word = named
    order = np.argsort(mu0, kind="stable")
    below = np.cumsum(weight[order])
    low, high = (float(mu0[order][np.searchsorted(below, q)]) for q in (alpha / 2, 1 - alpha / 2))
    return dataclasses.replace(
        blank,
        estimate=float((weight * mu0).sum()),
        interval=Interval(low, high),
        probabilities=probabilities,
        word=word,
        note="The estimate is of the mean over data sets, the probabilities are of a new one.",
        extras={"rope": rope, "tau": float((weight * tau).sum()), "nu": float((weight * nu).sum())},
    )


def _observed(pairs: Pairs) -> tuple[float, float]:
    """Mean difference and its corrected standard error, floored at one held-out item."""
    item = 1 / pairs.n_heldout if pairs.n_heldout > 0 else 0.0
    return float(pairs.d.mean()), max(standard_error(pairs.d, pairs.ratio), item)


def posterior(means: Array, ses: Array, *, points: int = 81) -> tuple[Array, Array, Array, Array, Array]:
    """Grid of mu0, tau and nu with their posterior weights, each flat (g,), and the shrunken means (D,)."""
    spread = max(float(means.std(ddof=1)), float(ses.mean()), 1e-12)
    centre = float(means.mean())
    axis_mu = np.linspace(centre - 4 * spread, centre + 4 * spread, points)
    # Even in the quantiles of tau's prior, so that its weights are equal.
    axis_tau = spread * stats.halfcauchy.ppf((np.arange(points // 2) + 0.5) / (points // 2))
    mu0, tau, nu = (axis.ravel() for axis in np.meshgrid(axis_mu, axis_tau, NU, indexing="ij"))
    quantiles = (np.arange(MIXTURE) + 0.5) / MIXTURE
    precision = np.stack([stats.gamma.ppf(quantiles, value / 2, scale=2 / value) for value in NU])
    between = tau[:, None] ** 2 / precision[np.searchsorted(NU, nu)]
    log = np.zeros(len(mu0))
    expected = np.empty((len(means), len(mu0)))
    for j, (mean, se) in enumerate(zip(means, ses, strict=True)):
        variance = se**2 + between
        density = np.exp(-((mean - mu0)[:, None] ** 2) / (2 * variance)) / np.sqrt(variance)
        total = density.sum(axis=1)
        log += np.log(np.maximum(total, 1e-300))
        share = between / variance
        each = mu0[:, None] + share * (mean - mu0)[:, None]
        expected[j] = (density * each).sum(axis=1) / np.maximum(total, 1e-300)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    return mu0, tau, nu, weight, expected @ weight
