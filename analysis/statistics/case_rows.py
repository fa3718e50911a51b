"""Each case on its own: what an activation scores in it over seeds, and how that differs from the control's.

The runs of a case differ in their seed alone (and in what was drawn for validation), so an interval over them speaks of
the luck of training in this case. Whether an activation is better is asked over the cases
(:mod:`analysis.statistics.claims`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd

from analysis.statistics import frequentist
from analysis.statistics.scores import Scores, of_arrays

COLUMNS = ["dataset", "case", "activation", "mean", "sd", "seeds", "difference", "low", "high", "pairs", "best"]


def rows(table: Scores, control: str, *, alpha: float = 0.05) -> pd.DataFrame:
    """One row a case and activation; columns ``COLUMNS``.

    ``mean`` and ``sd`` are over the ``seeds`` of the case that have a score. ``difference`` is to the control, positive
    where the activation is better, over the ``pairs`` of seeds that both have, with the t interval at 1 - ``alpha``
    (nan below three pairs). ``best`` is the activation of the best mean in its case, where the interval of its
    difference to every other one excludes 0: nothing is marked that another seed may turn round.
    """
    result: list[dict[str, object]] = []
    for case, of_case in _by_seed(table):
        best = _best(table, of_case, alpha)
        for label in table.values.columns:
            mine = of_case[label].dropna() if label in of_case else pd.Series(dtype=float)
            difference, low, high, pairs = _against(table, of_case, label, control, alpha)
            result.append(
                {
                    **{"dataset": table.dataset, "case": case, "activation": label},
                    "mean": float(mine.mean()) if len(mine) else math.nan,
                    "sd": float(mine.std(ddof=1)) if len(mine) > 1 else math.nan,
                    **{"seeds": len(mine), "difference": difference, "low": low, "high": high, "pairs": pairs},
                    "best": label == best,
                }
            )
    return pd.DataFrame(result, columns=pd.Index(COLUMNS))


def over_seeds(table: Scores) -> pd.DataFrame:
    """The mean over cases of each seed (row) and activation (column); only of seeds with every case of the
    activation."""
    wide = table.seeds_of
    counts = wide.notna().groupby(level=["repeat", "seed"], sort=True).sum()
    means = wide.groupby(level=["repeat", "seed"], sort=True).mean()
    return means.where(counts == len(table.values))


def _by_seed(table: Scores) -> list[tuple[str, pd.DataFrame]]:
    of_case = dict(list(table.seeds_of.groupby(level="unit", sort=False)))
    return [(str(case), of_case[case]) for case in table.values.index if case in of_case]


def _against(
    table: Scores, of_case: pd.DataFrame, label: str, control: str, alpha: float
) -> tuple[float, float, float, int]:
    if label == control or label not in of_case or control not in of_case:
        return math.nan, math.nan, math.nan, 0
    both = of_case[[label, control]].dropna()
    pairs = of_arrays(
        both[label].to_numpy(dtype=float), both[control].to_numpy(dtype=float), ratio=0.0, metric=table.metric
    )
    pairs = dataclasses.replace(pairs, activation=str(label), control=str(control))
    found = frequentist.corrected_t(pairs, alpha=alpha)
    low, high = found.interval or (math.nan, math.nan)
    return found.estimate, low, high, found.n


def _best(table: Scores, of_case: pd.DataFrame, alpha: float) -> str:
    """Empty where none is apart from all others."""
    means = table.metric.sign * of_case.mean().dropna()
    if len(means) < 2:
        return ""
    leader = str(means.idxmax())
    lows = [_against(table, of_case, leader, str(other), alpha)[1] for other in means.index if other != leader]
    return leader if all(np.isfinite(low) and low > 0 for low in lows) else ""
