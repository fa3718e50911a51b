"""Checks of the data that run before every report and are shown in it.

They ask whether the numbers can be what they are said to be: whole numbers of items, folds in no order, the same splits
and budget for everyone, no run counted twice, scores above what knowing nothing scores, and a run behind every number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.runs.granularity import DIGITS, items_of
from analysis.runs.metric import Metric, counting
from analysis.runs.plan import Plan
from analysis.runs.schema import PARTS, SCORED, TRAINING_PARAM, Status
from analysis.runs.wording import counted

COLUMNS = ["check", "dataset", "status", "note"]


class Outcome(StrEnum):
    """What a check came to. Frames hold the plain text."""

    PASS = "pass"  # noqa: S105  # no password
    WARN = "warn"
    FAIL = "fail"


Found = list[tuple[Outcome, str]]
SAME_BY_NAME = ("device_name", "model", "code")
NOT_BUDGET = frozenset({"seed", "threads"})


def checks(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Every check on every data set: columns check, dataset, status (pass, warn, fail) and note.

    ``cube`` holds the rows the claims rest on. Checks of single items look at the metric that is a share of items,
    where the plan has one, else at the declared one.
    """
    looked = counting(plan.metrics, plan.declaration.metric)
    named: dict[str, Callable[[pd.DataFrame], Found]] = {
        "complete": complete,
        "granularity": lambda rows: granularity(rows, looked),
        "order": lambda rows: order(rows, plan.metrics),
        "equal splits": equal_splits,
        "equal budget": lambda rows: equal_budget(rows, plan),
        "duplicates": lambda rows: duplicates(rows, plan.metrics, looked),
        "better than knowing nothing": lambda rows: above_reference(rows, looked),
        "parts differ": lambda rows: parts_differ(rows, looked),
        "verifiable": verifiable,
    }
    rows: list[dict[str, str]] = []
    for dataset, of_set in cube.groupby("dataset", sort=False):
        for name, check in named.items():
            for status, note in check(of_set) or [(Outcome.PASS, "")]:
                rows.append({"check": name, "dataset": str(dataset), "status": status.value, "note": note})
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def complete(rows: pd.DataFrame) -> Found:
    """Planned runs that did not finish, by status."""
    counts = rows["status"].value_counts()
    lost = {str(name): int(counts[name]) for name in counts.index if name not in SCORED}
    if not lost:
        imported = (rows["status"] == Status.IMPORTED).all()
        what = f"{counted(len(rows), 'row')} imported" if imported else f"{counted(len(rows), 'run')} finished"
        return [(Outcome.PASS, f"{len(rows)} of {what}.")]
    said = ", ".join(f"{count} {name}" for name, count in sorted(lost.items()))
    return [(Outcome.WARN, f"{len(rows) - sum(lost.values())} of {counted(len(rows), 'run')} finished; {said}.")]


def granularity(rows: pd.DataFrame, metric: Metric) -> Found:
    """Scores that are shares of items must be whole numbers of held-out items."""
    done = rows[rows["status"].isin(SCORED)]
    column = f"heldout/{metric.name}"
    if not metric.share_of_items or column not in done or done[column].dropna().empty:
        return []
    done = done[np.isfinite(done[column].astype(float))]
    measured = done[done["status"] == Status.FINISHED]
    sized = measured[measured["n_heldout"] > 0] if "n_heldout" in measured else measured.iloc[:0]
    result: Found = []
    if len(sized):
        n = sized["n_heldout"].to_numpy(dtype=float)
        hits = sized[column].to_numpy(dtype=float) * n
        bad = np.abs(hits - np.rint(hits)) > np.maximum(1e-3, 1e-6 * n)
        if bad.any():
            who = ", ".join(sorted(set(sized["activation"][bad])))
            result.append(
                (Outcome.FAIL, f"{counted(bad.sum(), 'score')} not a whole number of held-out items ({who}).")
            )
    typed = done[done["status"] == Status.IMPORTED]
    if len(typed):
        n_items = items_of(typed[column].to_numpy(dtype=float))
        folds = typed["fold"].nunique()
        if n_items is None:
            result.append((Outcome.WARN, "Sizes are not recorded, and no number of held-out items fits the scores."))
        else:
            result.append(
                (
                    Outcome.WARN,
                    f"Sizes are not recorded; those of {counted(folds, 'row')} fit one part of {n_items:,} items.",
                )
            )
    return result


def order(rows: pd.DataFrame, metrics: Sequence[Metric]) -> Found:
    """Folds come in no order: scores that rise or fall over them look sorted, or like epochs of one run."""
    done = rows[rows["status"].isin(SCORED)].sort_values(["repeat", "fold"], kind="stable")
    keys = [done[name] for name in ("activation", "trial", "repeat", "seed")]
    columns = _metric_columns(done, metrics)
    values = done[columns].astype(float)
    steps = values.groupby(keys, sort=False, dropna=False).diff()
    least, most = (getattr(steps.groupby(keys, sort=False, dropna=False), name)() for name in ("min", "max"))
    counts = steps.groupby(keys, sort=False, dropna=False).count()
    # Four values or more; all equal says nothing of order.
    counted = (counts >= 3) & ((least != 0) | (most != 0))
    runs = counted & ((least >= 0) | (most <= 0))
    result: Found = []
    for column in columns:
        tried, found = int(counted[column].sum()), int(runs[column].sum())
        if tried >= 3 and found > tried / 2:
            result.append((Outcome.FAIL, f"Rows look sorted or like epochs: {column} in {found} of {tried} columns."))
    return result


def _metric_columns(rows: pd.DataFrame, metrics: Sequence[Metric]) -> list[str]:
    return [name for part in PARTS for metric in metrics if (name := f"{part}/{metric.name}") in rows.columns]


def equal_splits(rows: pd.DataFrame) -> Found:
    """Every activation on the same splits."""
    done = rows[rows["status"].isin((*SCORED, Status.DIVERGED))]
    hashes = done["split_hash"].fillna("")
    result: Found = []
    unknown = int(((hashes == "") & (done["status"] != Status.IMPORTED)).sum())
    if unknown:
        result.append((Outcome.WARN, f"{counted(unknown, 'run')} without a recorded split."))
    known = done[hashes != ""]
    several = known.groupby(["repeat", "fold", "seed"], dropna=False)["split_hash"].nunique()
    if (several > 1).any():
        result.append(
            (Outcome.FAIL, f"{counted((several > 1).sum(), 'fold')} split differently for different activations.")
        )
    if (done["status"] == Status.IMPORTED).any():
        result.append((Outcome.WARN, "Imported rows: that they share splits is assumed, not known."))
    return result


def equal_budget(rows: pd.DataFrame, plan: Plan) -> Found:
    """The same training for everyone: budget, optimiser, batch, precision, device, search."""
    result: Found = []
    imported = (rows["status"] == Status.IMPORTED).any()
    done = rows[rows["status"] == Status.FINISHED]
    fields = [name for name in done.columns if str(name).startswith(TRAINING_PARAM)]
    for name in [*fields, *(name for name in SAME_BY_NAME if name in done.columns)]:
        short = str(name).removeprefix(TRAINING_PARAM)
        if short in NOT_BUDGET:
            continue
        by_label = {str(label): sorted(set(map(str, of[name]))) for label, of in done.groupby("activation", sort=False)}
        if len({tuple(values) for values in by_label.values()}) > 1:
            said = "; ".join(f"{label} {', '.join(values)}" for label, values in list(by_label.items())[:6])
            result.append((Outcome.WARN, f"{short} differs between activations: {said}."))
    if len(set(plan.search_trials.values())) > 1:
        said = ", ".join(f"{label} {count}" for label, count in plan.search_trials.items())
        result.append((Outcome.WARN, f"Different numbers of settings were tried: {said}."))
    if imported:
        result.append((Outcome.WARN, "Imported rows: budget, optimiser, batch, precision and device are not recorded."))
    return result


def duplicates(rows: pd.DataFrame, metrics: Sequence[Metric], looked: Metric) -> Found:
    """Two runs with the same numbers to six digits are likely one run counted twice."""
    done = rows[rows["status"].isin(SCORED)]
    columns = [name for name in _metric_columns(done, metrics) if name.startswith("heldout/")]
    if len(columns) < 2:
        return []
    values = done[columns].round(DIGITS).dropna()
    # Where nothing was learned, equal numbers are what one expects.
    values = values[~_at_reference(done, looked).reindex(values.index)]
    twice = values[values.duplicated(keep=False)]
    if twice.empty:
        return []
    named = {
        i: f"{label} {repeat}-{fold}"
        for i, label, repeat, fold in zip(done.index, done["activation"], done["repeat"], done["fold"], strict=True)
    }
    groups = [" = ".join(named[i] for i in group.index) for _, group in twice.groupby(columns, sort=False)]
    more = f"; and {len(groups) - 3} more" if len(groups) > 3 else ""
    return [
        (Outcome.WARN, f"Runs with the same {len(columns)} scores to {DIGITS} digits: {'; '.join(groups[:3])}{more}.")
    ]


def _at_reference(rows: pd.DataFrame, metric: Metric) -> pd.Series:
    """Which scores are no better than what knowing nothing scores; for a share of items within two standard errors
    of it."""
    column = f"heldout/{metric.name}"
    if column not in rows or metric.reference_column not in rows:
        return pd.Series(False, index=rows.index)
    reference = rows[metric.reference_column].astype(float)
    noise = pd.Series(0.0, index=rows.index)
    if metric.share_of_items:
        n = rows["n_heldout"].astype(float) if "n_heldout" in rows else pd.Series(math.nan, index=rows.index)
        noise = (2 * (reference * (1 - reference) / n.where(n > 0)) ** 0.5).fillna(0.0)
    signed = metric.sign * rows[column].astype(float)
    low: pd.Series = (signed <= metric.sign * reference + noise) & reference.notna()
    return low


def above_reference(rows: pd.DataFrame, metric: Metric) -> Found:
    """A score that knowing nothing reaches means that nothing was learned."""
    done = rows[rows["status"].isin(SCORED)]
    low = done[_at_reference(done, metric)]
    if low.empty:
        return []
    by_label = low.groupby("activation", sort=False)[f"heldout/{metric.name}"].agg(["size", "mean"])
    said = ", ".join(
        f"{label} ({counted(row['size'], 'run')}, mean {row['mean']:.4f})" for label, row in by_label.iterrows()
    )
    return [(Outcome.WARN, f"Not above what knowing nothing scores, did not train: {said}.")]


def parts_differ(rows: pd.DataFrame, metric: Metric, *, margin: float = 0.05) -> Found:
    """Validation far above training, or the held-out part scored exactly as the validation part where anything was
    learned and not all is right: a model that says always the same, and one that is never wrong, score alike on any
    two parts."""
    done = rows[rows["status"].isin(SCORED)]
    result: Found = []
    held, validation = f"heldout/{metric.name}", f"validation/{metric.name}"
    if held in done and validation in done:
        both = done[[held, validation]].dropna()
        best = metric.high if metric.sign > 0 else metric.low
        telling = both[~_at_reference(done, metric).reindex(both.index) & (both[held] != best)]
        if len(telling) >= 2 and (both[held] == both[validation]).all():
            result.append((Outcome.FAIL, "Held-out scores equal the validation scores: one part served for both."))
    train = next((name for part in ("train_clean", "train") if (name := f"{part}/{metric.name}") in done), None)
    # How far is far is known of a share alone: 0.05 of an unbounded metric says nothing.
    if metric.share_of_items and train is not None and validation in done:
        above = done[metric.sign * (done[validation] - done[train]) > margin]
        if len(above):
            who = ", ".join(dict.fromkeys(above["activation"]))
            result.append((Outcome.WARN, f"Validation {metric.name} is more than {margin} above training: {who}."))
    return result


def verifiable(rows: pd.DataFrame) -> Found:
    """Every number has a run behind it."""
    typed = rows[~rows["verifiable"].astype(bool)] if "verifiable" in rows else rows.iloc[:0]
    if typed.empty:
        return []
    return [(Outcome.WARN, f"{counted(len(typed), 'imported row')} without runs behind them: not verifiable.")]
