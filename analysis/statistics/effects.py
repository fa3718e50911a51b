"""How large a difference is: in the metric's units, as a share of the error, and without units."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import DeclarationError
from analysis.statistics import frequentist
from analysis.statistics.scores import Array, Pairs, Scores, pair

SIZES = [
    *("dataset", "activation", "control", "metric", "n", "difference", "low", "high", "relative_error_change"),
    *("d_z", "cliff_delta", "a12", "rank_biserial", "wins", "ties", "losses"),
]
IMPROVEMENT = [
    *("dataset", "metric", "activation", "basis", "score", "runner_up", "runner_up_score", "percent"),
    *("difference", "low", "high", "n", "note"),
]


def sizes(table: Scores, control: str, *, alpha: float = 0.05) -> pd.DataFrame:
    """Every effect size of each other activation against ``control``, one row each; columns ``SIZES``.

    ``difference`` with its corrected interval is in metric units; ``relative_error_change`` is (error - error of the
    control)/(error of the control), the error being how far the score is from the best there can be: -0.1 means a tenth
    less of it.
    Where a size does not exist it is nan.
    """
    others = [label for label in table.values.columns if label != control]
    return pd.DataFrame([size(pair(table, label, control), alpha=alpha) for label in others], columns=pd.Index(SIZES))


def size(pairs: Pairs, *, alpha: float = 0.05) -> dict[str, object]:
    """The effect sizes of one pair by name, as in :func:`sizes`."""
    d = pairs.d
    test = frequentist.corrected_t(pairs, alpha=alpha)
    low, high = test.interval or (math.nan, math.nan)
    delta = cliff_delta(pairs.x, pairs.y) * pairs.metric.sign
    return {
        "dataset": pairs.dataset,
        "activation": pairs.activation,
        "control": pairs.control,
        "metric": pairs.column,
        "n": pairs.n,
        "difference": float(d.mean()) if pairs.n else math.nan,
        "low": low,
        "high": high,
        "relative_error_change": relative_error_change(pairs),
        "d_z": d_z(pairs),
        "cliff_delta": delta,
        "a12": (delta + 1) / 2,
        "rank_biserial": rank_biserial(d),
        "wins": int((d > 0).sum()),
        "ties": int((d == 0).sum()),
        "losses": int((d < 0).sum()),
    }


def relative_error_change(pairs: Pairs) -> float:
    """Change of the mean error against the control's, as a share of it; nan where the control makes none, or where
    the metric has no best value to err from."""
    if pairs.n == 0:
        return math.nan
    x, y = float(pairs.x.mean()), float(pairs.y.mean())
    best = pairs.metric.low if pairs.metric.better == "lower" else pairs.metric.high
    if best is None:
        return math.nan
    error, base = (x - best, y - best) if pairs.metric.better == "lower" else (best - x, best - y)
    return (error - base) / base if base > 0 else math.nan


def d_z(pairs: Pairs) -> float:
    """Mean over standard deviation of the differences. nan where the standard deviation of a share of items is below
    one held-out item: there it grows without bound and means nothing."""
    if pairs.n < 2 or pairs.zero_variance:
        return math.nan
    sd = float(pairs.d.std(ddof=1))
    return math.nan if sd < pairs.item else float(pairs.d.mean()) / sd


def cliff_delta(x: Array, y: Array) -> float:
    """Mean sign of x_i - y_j over all pairs, in [-1, 1]; nan for an empty sample."""
    return float(np.sign(x[:, None] - y[None, :]).mean()) if len(x) and len(y) else math.nan


def rank_biserial(d: Array) -> float:
    """Matched rank-biserial correlation (R+ - R-)/(R+ + R-) over non-zero differences; nan where there are none."""
    used = np.round(d, 12)
    used = used[used != 0]
    if not len(used):
        return math.nan
    ranks = stats.rankdata(np.abs(used))
    return float((ranks * np.sign(used)).sum() / ranks.sum())


def improvement(table: Scores, activation: str, *, alpha: float = 0.05) -> pd.DataFrame:
    """Equation (1) of the DSReLU paper, 100 (score - runner-up) / runner-up, beside the honest number; for a loss with
    the sign turned, so that positive is better.

    Two rows: ``basis`` "mean" takes means over splits, "best" the best value of any split, as the paper does. The
    runner-up is the best of the other activations on that basis, by name. ``difference`` is the mean paired difference
    to that runner-up with its corrected interval, in metric units and positive where ``activation`` is better.
    """
    if activation not in table.values.columns:
        raise DeclarationError(
            f"activation {activation!r}: no runs on {table.dataset}; there are {', '.join(map(str, table.values))}"
        )
    direction = table.metric.sign
    signed = direction * table.values
    rows: list[dict[str, object]] = []
    for basis, scores in (("mean", signed.mean()), ("best", signed.max())):
        others = scores.drop(activation).dropna()
        row: dict[str, object] = {"dataset": table.dataset, "metric": table.column, "activation": activation}
        row |= {"basis": basis, "score": direction * float(scores[activation]), "n": len(table.values), "note": ""}
        if others.empty or math.isnan(float(scores[activation])):
            rows.append(row | {"note": "Nothing to compare with."})
            continue
        name = str(others.idxmax())
        mine, rival = float(scores[activation]), float(others.max())
        pairs = pair(table, activation, name)
        test = frequentist.corrected_t(pairs, alpha=alpha)
        low, high = test.interval or (math.nan, math.nan)
        note = "Chosen after the fact: the best of several looks better than it is." if basis == "best" else ""
        rows.append(
            row
            | {
                "runner_up": name,
                "runner_up_score": direction * rival,
                "percent": 100 * (mine - rival) / abs(rival) if rival != 0 else math.nan,
                "difference": test.estimate,
                "low": low,
                "high": high,
                "n": pairs.n,
                "note": note,
            }
        )
    return pd.DataFrame(rows, columns=pd.Index(IMPROVEMENT))
