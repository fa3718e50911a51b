"""Scores over several data sets: normalised, as interquartile mean, performance profile and probability of improvement.

After Agarwal et al. (2021), with two cautions: scores are normalised first (what knowing nothing scores 0, best
mean 1), since the interquartile mean of raw scores speaks of the middle data set alone; and folds of one data set
overlap, so intervals that resample them are too narrow and say so.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from analysis.runs.wording import counted
from analysis.statistics.scores import Array, Scores, pair
from analysis.statistics.verdict import Interval, Verdict, Word

ENUMERATE = 6
"""Up to this many units all resamples are enumerated instead of drawn."""
OVERLAP = "The interval ignores that folds share training data: too narrow."
PAIRS_NEEDED = 29
"""Independent pairs that Noether's rule asks for to see a probability of 0.75 (Bouthillier et al. 2021)."""
Statistic = Callable[[Array], Array]
"""From samples (..., n) to their statistic (...)."""


def iqm(values: Array) -> Array:
    """Mean of the middle half along the last axis."""
    return np.asarray(stats.trim_mean(values, 0.25, axis=-1))


def optimality_gap(values: Array) -> Array:
    """Mean shortfall below 1 along the last axis."""
    return np.asarray(np.maximum(0.0, 1 - values).mean(axis=-1))


def mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=-1))


def median(values: Array) -> Array:
    return np.asarray(np.median(values, axis=-1))


STATISTICS: dict[str, Statistic] = {
    "iqm": iqm,
    "mean": mean,
    "median of runs": median,
    "optimality_gap": optimality_gap,
}
"""Of all runs together. Agarwal et al.'s median is another: that of the data sets' means."""


def normalise(tables: Sequence[Scores]) -> pd.DataFrame:
    """Scores with what knowing nothing scores at 0 and the best activation's mean at 1, data set by data set.

    Columns dataset, activation, split, score; of the splits that all activations with a score there have. A data set of
    which it is unknown, or on which no activation differs from it, has nan scores.
    """
    frames = []
    for table in tables:
        means = table.metric.sign * table.shared.mean()
        best = table.metric.sign * float(means.max()) if len(means) else math.nan
        span = best - table.reference
        long = table.shared.reset_index(names="split").melt("split", var_name="activation", value_name="score")
        long["score"] = (long["score"] - table.reference) / span if abs(span) > 1e-12 else math.nan
        long.insert(0, "dataset", table.dataset)
        frames.append(long.dropna(subset=["score"]) if abs(span) > 1e-12 else long)
    columns = pd.Index(["dataset", "activation", "split", "score"])
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def summary(
    normalised: pd.DataFrame, rng: np.random.Generator, *, draws: int = 2000, level: float = 0.95
) -> pd.DataFrame:
    """Interquartile mean, mean, median over runs and optimality gap of each activation, with intervals.

    Rows activation x statistic; columns activation, statistic, value, low, high (runs resampled within data sets),
    low_sets, high_sets (data sets resampled, too; nan for one data set), n, datasets, note.
    """
    rows = []
    for label, of_label in normalised.dropna(subset=["score"]).groupby("activation", sort=False):
        strata = [group["score"].to_numpy(dtype=float) for _, group in of_label.groupby("dataset", sort=False)]
        for name, statistic in STATISTICS.items():
            within = resample(strata, statistic, rng, draws=draws)
            low, high = percentiles(within, level)
            wide = resample(strata, statistic, rng, draws=draws, sets=True) if len(strata) > 1 else np.empty(0)
            low_sets, high_sets = percentiles(wide, level)
            rows.append(
                {
                    "activation": label,
                    "statistic": name,
                    "value": float(statistic(np.concatenate(strata))),
                    "low": low,
                    "high": high,
                    "low_sets": low_sets,
                    "high_sets": high_sets,
                    "n": len(of_label),
                    "datasets": len(strata),
                    "note": OVERLAP if max(map(len, strata)) > 1 else "One score a data set: no interval within.",
                }
            )
    columns = ["activation", "statistic", "value", "low", "high", "low_sets", "high_sets", "n", "datasets", "note"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def resample(
    strata: Sequence[Array], statistic: Statistic, rng: np.random.Generator, *, draws: int, sets: bool = False
) -> Array:
    """The statistic over bootstrap resamples of whole units within each stratum; ``sets`` resamples strata before.

    One stratum of at most six units is enumerated: every multiset as often as it can be drawn. With ``sets`` every
    chosen stratum gives as many units as the smallest has. Empty where nothing varies (one unit in each stratum).
    """
    if not sets and max(map(len, strata), default=0) < 2:
        return np.empty(0)
    if len(strata) == 1 and len(strata[0]) <= ENUMERATE:
        return enumerated(strata[0], statistic)
    if not sets:
        parts = [values[rng.integers(0, len(values), (draws, len(values)))] for values in strata]
        return statistic(np.concatenate(parts, axis=1))
    size = min(map(len, strata))
    chosen = rng.integers(0, len(strata), (draws, len(strata)))
    pool = np.concatenate(list(strata))
    lengths = np.array([len(values) for values in strata])
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    units = (rng.random((draws, len(strata), size)) * lengths[chosen][..., None]).astype(int)
    return statistic(pool[begins[chosen][..., None] + units].reshape(draws, -1))


def enumerated(values: Array, statistic: Statistic) -> Array:
    """The statistic over all n^n resamples of ``values`` (n,), each as often as it occurs; sorted."""
    n = len(values)
    chosen = np.array(list(itertools.combinations_with_replacement(range(n), n)))
    often = [
        math.factorial(n) // math.prod(math.factorial(int(count)) for count in np.bincount(row, minlength=n))
        for row in chosen
    ]
    return np.sort(np.repeat(statistic(values[chosen]), often))


def percentiles(found: Array, level: float) -> Interval:
    """Ends of the central ``level`` of resampled statistics; nan where there are none."""
    if not len(found):
        return Interval(math.nan, math.nan)
    low, high = np.percentile(found, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(low), float(high))


def profile(
    normalised: pd.DataFrame,
    rng: np.random.Generator,
    *,
    points: int = 200,
    draws: int = 500,
    level: float = 0.95,
) -> pd.DataFrame:
    """Performance profile: share of an activation's runs with a normalised score above tau, data sets weighing alike.

    Columns activation, tau, share, low, high (pointwise, by resampling runs within data sets). The taus are scores of
    the runs, all of them or ``points`` quantiles, between which a share is a step: a diverged run far below takes none
    of them from the others.
    """
    scores = normalised.dropna(subset=["score"])
    frames = []
    if len(scores):
        levels = np.linspace(0, 1, min(points, len(scores)))
        grid = np.unique(np.quantile(scores["score"].to_numpy(dtype=float), levels, method="nearest"))
        for label, of_label in scores.groupby("activation", sort=False):
            strata = [group["score"].to_numpy(dtype=float) for _, group in of_label.groupby("dataset", sort=False)]
            above = [values[:, None] > grid[None, :] for values in strata]
            share = np.mean([one.mean(axis=0) for one in above], axis=0)
            drawn = np.zeros((draws, len(grid)))
            for one in above:
                counts = rng.multinomial(len(one), np.full(len(one), 1 / len(one)), size=draws)
                drawn += counts @ one / len(one) / len(above)
            low, high = np.percentile(drawn, [50 * (1 - level), 50 * (1 + level)], axis=0)
            frames.append(pd.DataFrame({"activation": label, "tau": grid, "share": share, "low": low, "high": high}))
    columns = pd.Index(["activation", "tau", "share", "low", "high"])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def probability_of_improvement(
    tables: Sequence[Scores], activation: str, control: str, *, level: float = 0.95
) -> Verdict:
    """P(a run of ``activation`` beats one of ``control`` on the same split), mean over data sets, ties for half, with
    Wilson's interval.

    Called meaningful (``extras``) where the
    interval's low end passes 0.5 and the estimate 0.75 on at least 29 independent pairs (Bouthillier et al. 2021).
    On folds it is descriptive.
    """
    shares, units, overlap, verifiable = [], 0, False, True
    for table in tables:
        pairs = pair(table, activation, control)
        d = pairs.d
        if not len(d):
            continue
        shares.append(float(((d > 0) + (d == 0) / 2).mean()))
        units += pairs.n
        overlap |= pairs.n > 1 and pairs.ratio != 0
        verifiable &= pairs.verifiable
    blank = Verdict(
        dataset=tables[0].dataset if len(tables) == 1 else "",
        activation=activation,
        control=control,
        metric=tables[0].column if tables else "",
        method="probability of improvement, paired, Wilson interval",
        level=level,
        word=Word.CANNOT_TELL,
        note="No pairs.",
    )
    if not shares or units == 0:
        return blank
    estimate = float(np.mean(shares))
    low, high = np.clip(proportion_confint(estimate * units, units, alpha=1 - level, method="wilson"), 0.0, 1.0)
    notes = (
        [f"{counted(units, 'pair')}; about {PAIRS_NEEDED} independent ones are needed."] if units < PAIRS_NEEDED else []
    )
    word = Word.UNDECIDED
    if low > 0.5 and estimate > 0.75:
        word = Word.BETTER
    elif high < 0.5 and estimate < 0.25:
        word = Word.WORSE
    meaningful = word is Word.BETTER and units >= PAIRS_NEEDED and not overlap and verifiable
    if overlap or not verifiable:
        word = Word.DESCRIPTIVE
        notes.append(OVERLAP if overlap else "Imported numbers: not verifiable.")
    return dataclasses.replace(
        blank,
        estimate=estimate,
        interval=Interval(float(low), float(high)),
        n=units,
        word=word,
        note=" ".join(notes),
        extras={"meaningful": meaningful, "datasets": len(shares)},
    )
