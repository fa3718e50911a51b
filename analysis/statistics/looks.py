"""What checks of the data look at, each in one data set's runs; what follows is said in ``integrity.CHECKS``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.runs.granularity import DIGITS, items_of
from analysis.runs.metric import Metric
from analysis.runs.plan import Plan
from analysis.runs.schema import PARTS, SCORED, TRAINING_PARAM, Status
from analysis.runs.wording import counted
from analysis.statistics.course import ended, ruled
from analysis.statistics.finding import Runs, Seen, fail, passed, warn

SAME_BY_NAME = ("device_name", "model", "code")
NOT_BUDGET = frozenset({"seed", "threads"})


def complete(runs: Runs) -> Seen:
    """Planned runs that did not finish, by status."""
    rows = runs.rows
    counts = rows["status"].value_counts()
    lost = {str(name): int(counts[name]) for name in counts.index if name not in SCORED}
    if not lost:
        imported = (rows["status"] == Status.IMPORTED).all()
        what = f"{counted(len(rows), 'row')} imported" if imported else f"{counted(len(rows), 'run')} finished"
        return [passed(f"{len(rows)} of {what}.")]
    said = ", ".join(f"{count} {name}" for name, count in sorted(lost.items()))
    return [warn(f"{len(rows) - sum(lost.values())} of {counted(len(rows), 'run')} finished; {said}.")]


def by_rule(runs: Runs) -> Seen:
    """Of a study that repeats until its comparisons are decided: whether each activation has the repeats that the rule
    gives it by these numbers."""
    assert runs.course is not None
    rule, standings = ruled(runs.plan), runs.course.standings
    result: Seen = []
    for label in runs.plan.activations:
        mine = {pair: standing for pair, standing in standings.items() if label in pair}
        asked = max((one.repeats if one.decided else rule.looks[-1] for one in mine.values()), default=0)
        has = ended(runs.rows, runs.plan, label)
        if mine and has > asked:
            said = f"{label} has {counted(has, 'repeat')}, where its comparisons were decided after {asked}."
            result.append(warn(said, frozenset({label})))
    short: dict[int, list[str]] = {}
    for pair in runs.course.open:
        if standings[pair].trained < rule.looks[-1]:
            short.setdefault(standings[pair].trained, []).append(pair[0])
    for repeats, labels in short.items():
        said = f"{', '.join(labels)}: open after {repeats} of at most {counted(rule.looks[-1], 'repeat')}."
        result.append(warn(said, frozenset(labels) - {runs.plan.declaration.control}))
    if not result:
        return [passed(f"Each activation has the repeats that the rule gives it, of at most {rule.looks[-1]}.")]
    return result


def granularity(runs: Runs) -> Seen:
    """Scores that are shares of items must be whole numbers of held-out items."""
    rows, metric = runs.rows, runs.looked
    done = rows[rows["status"].isin(SCORED)]
    column = f"heldout/{metric.name}"
    if not metric.share_of_items or column not in done or done[column].dropna().empty:
        return []
    done = done[np.isfinite(done[column].astype(float))]
    measured = done[done["status"] == Status.FINISHED]
    sized = measured[measured["n_heldout"] > 0] if "n_heldout" in measured else measured.iloc[:0]
    result: Seen = []
    if len(sized):
        n = sized["n_heldout"].to_numpy(dtype=float)
        hits = sized[column].to_numpy(dtype=float) * n
        bad = np.abs(hits - np.rint(hits)) > np.maximum(1e-3, 1e-6 * n)
        if bad.any():
            who = frozenset(sized["activation"][bad])
            said = f"{counted(bad.sum(), 'score')} not a whole number of held-out items ({', '.join(sorted(who))})."
            result.append(fail(said, who))
    typed = done[done["status"] == Status.IMPORTED]
    if len(typed):
        n_items = items_of(typed[column].to_numpy(dtype=float))
        folds = typed["fold"].nunique()
        if n_items is None:
            result.append(warn("Sizes are not recorded, and no number of held-out items fits the scores."))
        else:
            result.append(
                warn(
                    f"Sizes are not recorded; those of {counted(folds, 'row')} fit one part of {n_items:,} items.",
                )
            )
    return result


def order(runs: Runs) -> Seen:
    """Folds come in no order: scores that rise or fall over them look sorted, or like epochs of one run.

    A warning where every row has a run of its own: folds that share their splits share what is hard in them, and so
    come sorted by chance together, four of them one time in twelve.
    """
    done = runs.rows[runs.rows["status"].isin(SCORED)].sort_values(["repeat", "fold"], kind="stable")
    said = warn if has_runs(done).all() else fail
    keys = [done[name] for name in ("activation", "trial", "repeat", "seed")]
    columns = _metric_columns(done, runs.plan.metrics)
    values = done[columns].astype(float)
    steps = values.groupby(keys, sort=False, dropna=False).diff()
    least, most = (getattr(steps.groupby(keys, sort=False, dropna=False), name)() for name in ("min", "max"))
    counts = steps.groupby(keys, sort=False, dropna=False).count()
    # Four values or more; all equal says nothing of order.
    counted = (counts >= 3) & ((least != 0) | (most != 0))
    monotone = counted & ((least >= 0) | (most <= 0))
    result: Seen = []
    for column in columns:
        tried, found = int(counted[column].sum()), int(monotone[column].sum())
        if tried >= 3 and found > tried / 2:
            result.append(said(f"Rows look sorted or like epochs: {column} in {found} of {tried} columns."))
    return result


def _metric_columns(rows: pd.DataFrame, metrics: Sequence[Metric]) -> list[str]:
    return [name for part in PARTS for metric in metrics if (name := f"{part}/{metric.name}") in rows.columns]


def equal_splits(runs: Runs) -> Seen:
    """Every activation on the same splits."""
    rows = runs.rows
    done = rows[rows["status"].isin((*SCORED, Status.DIVERGED))]
    hashes = done["split_hash"].fillna("")
    result: Seen = []
    unknown = int(((hashes == "") & (done["status"] != Status.IMPORTED)).sum())
    if unknown:
        who = frozenset(done["activation"][(hashes == "") & (done["status"] != Status.IMPORTED)])
        result.append(warn(f"{counted(unknown, 'run')} without a recorded split.", who))
    known = done[hashes != ""]
    several = known.groupby(["repeat", "fold", "seed"], dropna=False)["split_hash"].nunique()
    if (several > 1).any():
        result.append(fail(f"{counted((several > 1).sum(), 'fold')} split differently for different activations."))
    if (done["status"] == Status.IMPORTED).any():
        result.append(warn("Imported rows: that they share splits is assumed, not known."))
    return result


def kept_from_search(runs: Runs) -> Seen:
    """Where settings were searched, whether what is held out took part in the search."""
    plan, rows = runs.plan, runs.rows[runs.rows["status"].isin(SCORED)]
    tuned = frozenset(label for label, count in plan.search_trials.items() if count > 1)
    if plan.claims_phase == "search" or not tuned or rows.empty:
        return []
    name = "n_heldout_searched"
    known = rows[rows[name].notna()] if name in rows else rows.iloc[:0]
    splits = known.drop_duplicates("split_hash")
    again, held = (int(splits[column].sum()) if len(splits) else 0 for column in (name, "n_heldout"))
    on = f"over {counted(len(splits), 'split')}"
    if len(known) == len(rows) and not again:
        return [passed(f"Of {held:,} items held out {on}, a search may use none.")]
    who = f"The settings of {', '.join(sorted(tuned))} were searched"
    if again:
        return [warn(f"{who} on {again:,} of {held:,} items held out {on}.", tuned)]
    return [warn(f"{who} on all items, those held out here too (dealt to other folds).", tuned)]


def equal_budget(runs: Runs) -> Seen:
    """The same training for everyone: budget, optimiser, batch, precision, device, search. What the search of every
    activation varied differs by its outcome; what is equal is then the number of settings that each could try."""
    rows, tuned = runs.rows, tuned_for_all(runs.plan)
    result: Seen = []
    imported = (rows["status"] == Status.IMPORTED).any()
    done = rows[rows["status"] == Status.FINISHED]
    fields = [name for name in done.columns if str(name).startswith(TRAINING_PARAM)]
    for name in [*fields, *(name for name in SAME_BY_NAME if name in done.columns)]:
        short = str(name).removeprefix(TRAINING_PARAM)
        if short in NOT_BUDGET or name in tuned:
            continue
        by_label = {str(label): sorted(set(map(str, of[name]))) for label, of in done.groupby("activation", sort=False)}
        each = {label: ", ".join(values) for label, values in by_label.items()}
        if len(set(each.values())) > 1:
            said = "; ".join(f"{label} {values}" for label, values in list(each.items())[:6])
            result.append(warn(f"{short} differs between activations: {said}.", groups=each))
    tried = {label: str(count) for label, count in tries(runs).items()}
    if len(set(tried.values())) > 1:
        result.append(warn(unequal_search(tries(runs)), groups=tried))
    if imported:
        result.append(warn("Imported rows: budget, optimiser, batch, precision and device are not recorded."))
    if tuned and not result:
        what = " and ".join(sorted(name.removeprefix(TRAINING_PARAM) for name in tuned))
        settings = counted(next(iter(tries(runs).values())), "setting")
        result.append(passed(f"{what} searched for every activation alike, {settings} each."))
    return result


def tuned_for_all(plan: Plan) -> frozenset[str]:
    """Training fields that the search of every activation varied."""
    varied = [set(plan.search_varies.get(label, ())) for label in plan.activations]
    return frozenset(name for name in set.intersection(*varied) if name.startswith(TRAINING_PARAM))


def unequal_search(tried: Mapping[str, int]) -> str:
    """What of the searches was equal and what was not."""
    without, counts = [label for label, count in tried.items() if not count], {*tried.values()} - {0}
    if len(counts) == 1:
        each = counted(counts.pop(), "setting")
        return f"Nothing was searched for {', '.join(without)}; the others tried {each} each."
    return f"Different numbers of settings were tried: {', '.join(f'{label} {n}' for label, n in tried.items())}."


def tries(runs: Runs) -> dict[str, int]:
    """How many settings each activation was searched over: as its runs show, else as planned."""
    searched = runs.every[runs.every["phase"] == "search"]
    if searched.empty:
        return dict(runs.plan.search_trials)
    counts = searched.groupby("activation")["trial"].nunique()
    return {label: int(counts.get(label, 0)) for label in runs.plan.activations}


def duplicates(runs: Runs) -> Seen:
    """Two runs with the same numbers to six digits are likely one run counted twice."""
    rows, metrics, looked = runs.rows, runs.plan.metrics, runs.looked
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
    said = f"Runs with the same {len(columns)} scores to {DIGITS} digits: {'; '.join(groups[:3])}{more}."
    return [warn(said, frozenset(done["activation"][twice.index]))]


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


def above_reference(runs: Runs) -> Seen:
    """A score that knowing nothing reaches means that nothing was learned."""
    rows, metric = runs.rows, runs.looked
    done = rows[rows["status"].isin(SCORED)]
    low = done[_at_reference(done, metric)]
    if low.empty:
        return []
    by_label = low.groupby("activation", sort=False)[f"heldout/{metric.name}"].agg(["size", "mean"])
    said = ", ".join(
        f"{label} ({counted(row['size'], 'run')}, mean {row['mean']:.4f})" for label, row in by_label.iterrows()
    )
    return [
        warn(
            f"Not above what knowing nothing scores: {said}.",
            frozenset(map(str, by_label.index)),
        )
    ]


def parts_differ(runs: Runs, *, margin: float = 0.05) -> Seen:
    """Validation far above training, or the held-out part scored exactly as the validation part where anything was
    learned and not all is right: a model that says always the same, and one that is never wrong, score alike on any
    two parts."""
    rows, metric = runs.rows, runs.looked
    done = rows[rows["status"].isin(SCORED)]
    result: Seen = []
    held, validation = f"heldout/{metric.name}", f"validation/{metric.name}"
    if held in done and validation in done:
        both = done[[held, validation]].dropna()
        best = metric.high if metric.sign > 0 else metric.low
        telling = both[~_at_reference(done, metric).reindex(both.index) & (both[held] != best)]
        if len(telling) >= 2 and (both[held] == both[validation]).all():
            result.append(fail("Held-out scores equal the validation scores: one part served for both."))
    train = next((name for part in ("train_clean", "train") if (name := f"{part}/{metric.name}") in done), None)
    # How far is far is known of a share alone: 0.05 of an unbounded metric says nothing.
    if metric.share_of_items and train is not None and validation in done:
        above = done[metric.sign * (done[validation] - done[train]) > margin]
        if len(above):
            who = ", ".join(dict.fromkeys(above["activation"]))
            result.append(warn(f"Validation {metric.name} is more than {margin} above training: {who}."))
    return result


def has_runs(rows: pd.DataFrame) -> pd.Series:
    """Which rows have a run behind them."""
    return rows["verifiable"].astype(bool) if "verifiable" in rows else pd.Series(True, index=rows.index)


def verifiable(runs: Runs) -> Seen:
    """Every number has a run behind it."""
    rows = runs.rows
    typed = rows[~has_runs(rows)]
    if typed.empty:
        return []
    return [warn(f"{counted(len(typed), 'imported row')} without runs behind them: not verifiable.")]
