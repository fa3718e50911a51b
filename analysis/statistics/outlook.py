"""The planner as a table: for each difference that may be true, what the present design tells and what would be needed,
at each end of what the spread may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from scipy import stats

from analysis.statistics import power
from analysis.statistics.power import Design, Goal
from analysis.statistics.scores import Pairs
from analysis.statistics.verdict import Interval

UNKNOWN = "The spread of the differences is unknown: nothing to plan with."
BEYOND = "No difference within the metric's bounds would be told by this design."
NEVER = "No number of repeats is enough, with these folds or more."
UNSURE = "No number of repeats is sure to be enough: more folds may be, if smaller held-out parts do not spread more."
COLUMNS = [
    *("dataset", "activation", "control", "effect", "aim", "size", "sd_at", "sd", "n", "power", "detectable"),
    *("repeats_needed", "ceiling", "cheapest_folds", "cheapest_repeats", "cheapest_ratio", "trainings", "hours"),
    *("datasets_needed", "note"),
]


def sd_interval(sd: float, n: int, *, level: float = 0.95) -> Interval:
    """Chi-square interval of a standard deviation from ``n`` values; with five it runs from 0.6 to 2.9 times."""
    if n < 2:
        return Interval(math.nan, math.nan)
    low, high = stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], n - 1)
    return Interval(sd * math.sqrt((n - 1) / high), sd * math.sqrt((n - 1) / low))


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
    seconds_per_fold: float = math.nan,
) -> pd.DataFrame:
    """The planner for one comparison: a row for each effect and each end of what the spread may be.

    ``effects`` names true differences in metric units to plan for (default: the observed one, which flatters a lucky
    study). ``aim`` is the nearer end and ``power`` that of its word on the present splits; see :class:`Goal`.
    ``m_datasets`` is the family of a test over data sets. ``sd_at`` is low, observed or high (chi-square interval): the
    answer is a band. ``detectable`` is nan where it would lie beyond the metric's bounds. ``repeats_needed`` keeps the
    present folds, ``cheapest_folds`` and ``cheapest_repeats`` may take more, at the held-out over training items of
    ``cheapest_ratio``; all are nan where nothing is enough, and the note says so. ``trainings`` and ``hours`` (device
    time) are of the cheapest, for both activations.
    """
    sd = power.spread(pairs)
    low, high = sd_interval(sd, pairs.n)
    named = dict(effects) if effects is not None else {"observed": abs(float(pairs.d.mean())) if pairs.n else math.nan}
    rows = []
    for effect, size in named.items():
        goal = Goal(size, rope, alpha, m)
        for at, spread in (("low", low), ("observed", sd), ("high", high)):
            row: dict[str, object] = {
                "dataset": pairs.dataset,
                "activation": pairs.activation,
                "control": pairs.control,
                "effect": effect,
                "aim": goal.aim,
                "size": size,
                "sd_at": at,
                "sd": spread,
                "n": pairs.n,
                "note": UNKNOWN,
            }
            if power.plannable(pairs):
                row |= _planned(pairs, goal, spread, folds=folds, target=target, seconds_per_fold=seconds_per_fold)
                row["datasets_needed"] = datasets_needed(m if m_datasets is None else m_datasets, alpha=alpha)
            rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _planned(
    pairs: Pairs, goal: Goal, sd: float, *, folds: int, target: float, seconds_per_fold: float
) -> dict[str, object]:
    """What one goal needs, for one spread of the differences."""
    same = power.fewest(goal, Design(folds, pairs.ratio, sd, 1.0), target=target)
    best, possible = power.bounds(pairs, goal, sd, folds=folds, target=target)
    seen = goal.detectable(sd, pairs.n, pairs.ratio, target=target)
    told = seen <= power.furthest(pairs)
    notes = [] if told else [BEYOND]
    row: dict[str, object] = {
        "power": goal.power(sd, pairs.n, pairs.ratio),
        "detectable": seen if told else math.nan,
        "ceiling": goal.ceiling(sd, pairs.ratio),
        "repeats_needed": math.nan if same is None else same,
    }
    if best is None:
        notes.append(NEVER if possible is None else UNSURE)
    else:
        row |= {"cheapest_folds": best.design.folds, "cheapest_repeats": best.repeats}
        row |= {"cheapest_ratio": best.design.ratio, "trainings": best.trainings, "hours": best.hours(seconds_per_fold)}
    return row | {"note": " ".join(notes)}
