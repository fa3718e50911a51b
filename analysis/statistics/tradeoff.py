"""Gain against cost: which activations, or settings, none other beats in both. Descriptive: nothing is tested.

Gain is the difference of the primary metric to the control's, cost the ratio of an epoch's training time to the
control's (:mod:`analysis.statistics.timing`). One dominates another where it is no worse in both and better in one; the
front is what nothing dominates. How firm the front is, is shown by drawing the shared splits anew, with replacement.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.runs.schema import SCORED
from analysis.statistics.scores import Array, Scores

RESAMPLES = 2000
LEAST_SPLITS = 3
"""With fewer shared splits nothing is drawn anew."""


def front(gain: Array, cost: Array) -> npt.NDArray[np.bool_]:
    """Which of the points (n,) no other dominates; more gain and less cost are better. A point that lacks either is
    not on it, and dominates nothing; equal points are on it together."""
    known = np.isfinite(gain) & np.isfinite(cost)
    no_worse = (gain[:, None] >= gain) & (cost[:, None] <= cost)
    better = (gain[:, None] > gain) | (cost[:, None] < cost)
    return known & ~(no_worse & better & known[:, None]).any(axis=0)


def epoch_times(scores: Scores, claimed: pd.DataFrame, timed: pd.DataFrame, control: str) -> pd.DataFrame:
    """Logarithm of the seconds of an epoch's training, shaped as ``scores.values``: mean over the runs of a unit, nan
    where there is none on a device of its own, or on another kind of device than the control's. ``timed``: from
    :func:`analysis.statistics.timing.runs` on ``claimed``, of one kind of device."""
    usable = timed[~timed["packed"].astype(bool)].dropna(subset=["train_s"])
    usable = usable[usable["train_s"] > 0]
    unit_of = pd.Series(scores.units.to_numpy(), index=claimed.loc[scores.units.index, "run_id"].astype(str))
    rows = usable.assign(unit=usable["run_id"].astype(str).map(unit_of[unit_of.index != ""]))
    base = rows[rows["activation"] == control]
    devices = {unit: set(names) for unit, names in base.groupby("unit")["kind"]}
    same = [devices.get(unit) == {name} for unit, name in zip(rows["unit"], rows["kind"], strict=True)]
    rows = rows[same]
    table = rows.assign(log=np.log(rows["train_s"])).pivot_table(index="unit", columns="activation", values="log")
    return table.reindex(index=scores.values.index, columns=scores.values.columns)


def often(scores: Scores, times: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Share of :data:`RESAMPLES` draws of the units, with replacement, in which each activation is on the front of mean
    score and geometric mean time; over those units that every activation with a score and a time has. nan with fewer
    than :data:`LEAST_SPLITS` of them, and for activations that lack either."""
    gain, cost = scores.values.dropna(axis="columns", how="all"), times.dropna(axis="columns", how="all")
    labels = [label for label in gain if label in cost]
    both = pd.concat([gain[labels], cost[labels]], axis="columns", keys=["gain", "cost"]).dropna()
    share = pd.Series(math.nan, index=scores.values.columns, dtype=float)
    if len(both) < LEAST_SPLITS:
        return share
    values, logs = scores.metric.sign * both["gain"].to_numpy(float), both["cost"].to_numpy(float)
    draws = rng.integers(0, len(both), size=(RESAMPLES, len(both)))
    on = np.array([front(values[draw].mean(axis=0), logs[draw].mean(axis=0)) for draw in draws])
    share.update(pd.Series(on.mean(axis=0), index=labels))
    return share


def settings(cube: pd.DataFrame, timed: pd.DataFrame, column: str, *, sign: int) -> pd.DataFrame:
    """The settings that searches tried: activation, trial, score (mean over folds of ``column``), epoch_s (mean over
    folds of each one's median epoch), folds, front among the settings of their activation, and kind: the kind of device
    on which most of that activation's runs were, and whose times alone count. ``timed``: from
    :func:`analysis.statistics.timing.runs` on the same runs; a setting with a fold without a time there has none."""
    columns = pd.Index(["activation", "trial", "score", "epoch_s", "folds", "front", "kind"])
    rows = cube[(cube["phase"] == "search") & cube["status"].isin(SCORED)]
    if rows.empty or column not in rows:
        return pd.DataFrame(columns=columns)
    timed = timed if "kind" in timed else timed.assign(kind="")
    rows = rows.drop(columns="kind", errors="ignore").merge(
        timed[["run_id", "epoch_s", "kind"]], on="run_id", how="left"
    )
    most = rows.groupby("activation")["kind"].agg(lambda kinds: kinds.mode().iloc[0] if kinds.notna().any() else "")
    rows["epoch_s"] = rows["epoch_s"].where(rows["kind"] == rows["activation"].map(most))
    table = rows.groupby(["activation", "trial"], sort=False).agg(
        score=(column, "mean"),
        epoch_s=("epoch_s", lambda seconds: seconds.mean(skipna=False)),
        folds=(column, "size"),
    )
    table = table.reset_index()
    table["front"], table["kind"] = False, table["activation"].map(most)
    for _, mine in table.groupby("activation", sort=False):
        on = front(sign * mine["score"].to_numpy(float), mine["epoch_s"].to_numpy(float))
        table.loc[mine.index, "front"] = on
    return table[columns]
