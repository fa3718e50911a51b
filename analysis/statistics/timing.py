"""What an activation costs. The unit is the run, never the epoch: a run gives one median after its warm-up.

Ratios to the control are of training time alone, of runs on the same split and one kind of device
(:mod:`analysis.statistics.kinds`): what an epoch takes beside training (evaluating, writing checkpoints, waiting for a
disk) is told apart and is no property of the activation. No mean is over several kinds, and activations without a kind
in common are not compared. Runs whose device was shared (packed) are left out: their epochs measure the neighbours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.runs.metric import Metric
from analysis.runs.schema import SECONDS_EVALUATE, SECONDS_REST, SECONDS_TRAIN, Status
from analysis.runs.wording import counted
from analysis.statistics import kinds
from analysis.statistics.scores import Array

LEAST_EPOCHS = 3
"""Fewer epochs than this after the warm-up make no statistic."""
LEAST_PAIRS = 3
"""Fewer pairs of runs than this have no interval of their ratio."""
NOISY_SPREAD, NOISY_DRIFT = 0.02, 0.03
"""Interquartile range over median, and change from first to last quarter, above which a run is flagged."""
PARTS = {"train_s": SECONDS_TRAIN, "evaluate_s": SECONDS_EVALUATE, "rest_s": SECONDS_REST}
RUN_COLUMNS = [
    *("run_id", "dataset", "activation", "split_hash", "kind", "device_name", "host", "packed", "epochs_timed"),
    *("epoch_s", "train_s", "evaluate_s", "rest_s", "total_s", "checkpoint_s", "rest_total_s"),
    *("spread", "drift", "noisy"),
]
USED = [*RUN_COLUMNS[:7], "pack_size", "best_epoch", "timed_from"]
SUMMARY = [
    *("dataset", "activation", "control", "kind", "runs", "epoch_s", "train_s", "mad_s", "evaluate_s", "rest_s"),
    *("ratio", "ratio_low", "ratio_high", "shift_s", "pairs", "total_s", "total_ratio"),
    *("checkpoint_s", "checkpoint_ratio", "rest_total_s", "noisy_runs", "packed_runs", "note"),
]


def runs(cube: pd.DataFrame, curves: pd.DataFrame, *, warmup: int = 1) -> pd.DataFrame:
    """One row a finished run: medians over its epochs after the first ``warmup``, in seconds.

    ``train_s``, ``evaluate_s``, ``rest_s`` and ``epoch_s`` (the three together) are each a median of its own, so the
    three do not sum to the fourth. ``total_s`` is training and evaluation of all epochs, ``checkpoint_s`` of those up
    to the declared checkpoint, ``rest_total_s`` what all epochs took beside. ``spread`` (IQR/median) and ``drift``
    (last quarter's median over the first's, minus 1) are of training; ``noisy`` where either passes its limit. Runs
    with fewer than three timed epochs have nan. Of a run that went on on another kind of device, the epochs on its last
    kind are timed, and it has no totals. Runs that were taken from where they had been trained already are left
    out. Empty where training time was not recorded.
    """
    finished = cube[(cube["status"] == Status.FINISHED) & ~taken(cube)]
    if finished.empty or SECONDS_TRAIN not in curves.columns:
        return pd.DataFrame(columns=pd.Index(RUN_COLUMNS))
    finished = kinds.with_kinds(finished)
    timed = _epochs(curves, finished["run_id"], [name for name in PARTS.values() if name in curves.columns])
    rows = []
    for run in finished[[name for name in USED if name in finished]].to_dict("records"):
        if str(run["run_id"]) not in timed:
            continue
        epochs = timed[str(run["run_id"])]
        row: dict[str, object] = {name: run.get(name, "") for name in RUN_COLUMNS[:7]}
        row["packed"] = bool(run.get("pack_size", 1) > 1)
        before = max(0, int(run.get("timed_from", 1)) - 1)
        totals = _totals(epochs, int(run.get("best_epoch", -1)))
        totals = dict.fromkeys(totals, math.nan) if before else totals
        rows.append(row | totals | _medians(epochs, before + warmup))
    return pd.DataFrame(rows, columns=pd.Index(RUN_COLUMNS))


def taken(cube: pd.DataFrame) -> pd.Series:
    """Which runs were taken from where they had been trained already: their times are of that place and time."""
    if "reused_from" not in cube:
        return pd.Series(False, index=cube.index)
    return cube["reused_from"].fillna("").ne("")


Epochs = dict[str, Array]
"""A run's epochs in order: column -> values (epochs,), ``epoch`` among them."""


def _epochs(curves: pd.DataFrame, run_ids: pd.Series, columns: list[str]) -> dict[str, Epochs]:
    """Of each run, its epochs' numbers and the named columns."""
    mine = curves[curves["run_id"].isin(run_ids)]
    names, codes = np.unique(mine["run_id"].astype(str).to_numpy(), return_inverse=True)
    order = np.lexsort((mine["epoch"].to_numpy(dtype=float), codes))
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    split = {name: np.split(mine[name].to_numpy(dtype=float)[order], ends) for name in ("epoch", *columns)}
    return {str(run): {name: parts[at] for name, parts in split.items()} for at, run in enumerate(names)}


def _work(epochs: Epochs) -> Array:
    """Seconds of training and evaluation of each epoch, (epochs,)."""
    return np.asarray(sum(epochs[name] for name in (SECONDS_TRAIN, SECONDS_EVALUATE) if name in epochs))


def _totals(epochs: Epochs, best: int) -> dict[str, object]:
    work = _work(epochs)
    return {
        "total_s": float(work.sum()),
        "checkpoint_s": float(work[epochs["epoch"] <= best].sum()) if best > 0 else math.nan,
        "rest_total_s": float(epochs[SECONDS_REST].sum()) if SECONDS_REST in epochs else math.nan,
    }


def _medians(epochs: Epochs, warmup: int) -> dict[str, object]:
    """Statistics of one run's epochs after its ``warmup``."""
    timed = epochs["epoch"] > warmup
    seconds = {name: epochs[column][timed] for name, column in PARTS.items() if column in epochs}
    whole = np.sum(list(seconds.values()), axis=0)
    row: dict[str, object] = {**dict.fromkeys([*PARTS, "epoch_s", "spread", "drift"], math.nan)}
    row |= {"epochs_timed": len(whole), "noisy": False}
    if len(whole) < LEAST_EPOCHS or not np.isfinite(whole).all():
        return row
    row |= {name: float(np.median(values)) for name, values in seconds.items()}
    row["epoch_s"] = float(np.median(whole))
    training = seconds["train_s"]
    low, middle, high = np.percentile(training, [25, 50, 75])
    if middle > 0:
        quarter = max(1, len(training) // 4)
        spread = float((high - low) / middle)
        drift = float(np.median(training[-quarter:]) / np.median(training[:quarter]) - 1)
        row |= {"spread": spread, "drift": drift, "noisy": spread > NOISY_SPREAD or abs(drift) > NOISY_DRIFT}
    return row


class Ratio(NamedTuple):
    """Geometric mean of paired ratios, with its interval."""

    value: float
    low: float
    high: float


def ratio(mine: Array, control: Array, *, level: float = 0.95) -> Ratio:
    """exp(mean log ratio) of paired times, each (pairs,), with Student's t interval of the logarithms.

    Where both activations' runs are slowed alike, now and then, their logarithms differ symmetrically, and the 95 %
    interval covers 95 to 98 % from three pairs on; where only one's are, 88 to 92 %
    (``tests/bench/bench_time_ratio.py``). With fewer pairs there is none. Pairs with a time that is not positive and
    finite are left out.
    """
    good = (mine > 0) & (control > 0) & np.isfinite(mine) & np.isfinite(control)
    log = np.log(mine[good] / control[good])
    n = len(log)
    if not n:
        return Ratio(math.nan, math.nan, math.nan)
    middle = float(log.mean())
    if n < LEAST_PAIRS:
        return Ratio(math.exp(middle), math.nan, math.nan)
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * float(log.std(ddof=1)) / math.sqrt(n)
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def summary(timed: pd.DataFrame, control: str, *, level: float = 0.95) -> pd.DataFrame:
    """One row a data set, device kind and activation, from :func:`runs`; columns ``SUMMARY``. Kinds with the most
    activations come first; an activation without a usable run has one row, of no kind.

    ``train_s`` and its like are medians of the runs' own, ``mad_s`` the median absolute deviation of ``train_s``.
    ``ratio`` is that of training time to the control's over runs paired by split on this kind, see :func:`ratio`;
    ``shift_s`` the Hodges-Lehmann shift of training time in seconds. ``total_ratio`` and ``checkpoint_ratio`` are of
    ``total_s`` and ``checkpoint_s``.
    """
    rows = []
    for dataset, of_set in timed.groupby("dataset", sort=False):
        usable = of_set[~of_set["packed"].astype(bool)].dropna(subset=["train_s"])
        labels = list(dict.fromkeys(of_set["activation"]))
        for at, kind in enumerate(kinds.by_size(usable) or [""]):
            here = usable[usable["kind"] == kind]
            for label in labels:
                mine = here[here["activation"] == label]
                if mine.empty and (at > 0 or (usable["activation"] == label).any()):
                    continue
                packed = int(of_set.loc[of_set["activation"] == label, "packed"].astype(bool).sum())
                row: dict[str, object] = {"dataset": dataset, "activation": label, "control": control}
                row |= {"kind": kind if len(mine) else ""} | _seconds(mine) | {"packed_runs": packed}
                both = mine.merge(here[here["activation"] == control], on="split_hash", suffixes=("", "_control"))
                row |= _against(both, level=level, itself=label == control)
                notes = [f"{counted(packed, 'run')} left out: the device was shared."] if packed else []
                if mine.empty:
                    notes.append(f"No run with {LEAST_EPOCHS} timed epochs on a device of its own.")
                elif label != control:
                    notes += _why_not(usable, label, control, kind, len(both))
                rows.append(row | {"note": " ".join(notes)})
    return pd.DataFrame(rows, columns=pd.Index(SUMMARY))


def _seconds(mine: pd.DataFrame) -> dict[str, object]:
    """Medians over one activation's runs on one kind."""
    row: dict[str, object] = {"runs": len(mine), "noisy_runs": int(mine["noisy"].astype(bool).sum())}
    for name in ("epoch_s", *PARTS, "total_s", "checkpoint_s", "rest_total_s"):
        values = mine[name].to_numpy(dtype=float)
        row[name] = float(np.nanmedian(values)) if np.isfinite(values).any() else math.nan
    return row | {"mad_s": float(stats.median_abs_deviation(mine["train_s"])) if len(mine) > 1 else math.nan}


def _why_not(usable: pd.DataFrame, label: str, control: str, kind: str, pairs: int) -> list[str]:
    """What keeps an activation from a ratio, or its ratio from an interval, on this kind."""
    if pairs:
        few = f"{counted(pairs, 'pair')} of runs: no interval with fewer than {LEAST_PAIRS}."
        return [few] if pairs < LEAST_PAIRS else []
    mine, base = usable[usable["activation"] == label], usable[usable["activation"] == control]
    if kind in set(base["kind"]):
        return ["No run of the control on the same split and kind of device: no ratio."]
    if set(mine["kind"]) & set(base["kind"]):
        return ["No run of the control on this kind of device."]
    if base.empty:
        return ["No run of the control with a time: no ratio."]
    return [f"Not compared: trained on different devices, {kinds.spread(mine)}; {control} {kinds.spread(base)}."]


def chosen_kind(summary: pd.DataFrame) -> str:
    """Of one data set's summary, the kind on which the most activations have a ratio to the control, then the one with
    the most pairs: where one number an activation is needed. "" where none has a ratio."""
    found = summary[summary["ratio"].notna() & (summary["activation"] != summary["control"])]
    if found.empty:
        found = summary[summary["ratio"].notna()]
    known = found.groupby("kind", sort=True).agg(labels=("ratio", "size"), pairs=("pairs", "sum"))
    return "" if known.empty else str(known.sort_values(["labels", "pairs"], ascending=False, kind="stable").index[0])


def _against(both: pd.DataFrame, *, level: float, itself: bool) -> dict[str, object]:
    """Ratios over pairs of runs, the control's times in columns that end in ``_control``."""
    row: dict[str, object] = {"pairs": len(both)}
    if both.empty:
        return row

    def of(name: str) -> Ratio:
        return ratio(both[name].to_numpy(float), both[f"{name}_control"].to_numpy(float), level=level)

    found = of("train_s")
    row |= {"ratio": found.value, "ratio_low": found.low, "ratio_high": found.high}
    if itself:
        row |= {"ratio_low": 1.0, "ratio_high": 1.0}
    d = (both["train_s"] - both["train_s_control"]).to_numpy(dtype=float)
    row["shift_s"] = float(np.median((d[:, None] + d[None, :])[np.triu_indices(len(d))] / 2))
    return row | {"total_ratio": of("total_s").value, "checkpoint_ratio": of("checkpoint_s").value}


def equal_time(
    cube: pd.DataFrame,
    curves: pd.DataFrame,
    *,
    dataset: str,
    metric: Metric,
    points: int = 60,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Best validation score so far at equal time of training and evaluation, what a disk took left out.

    An epoch counts once it has ended. The first frame has columns activation, seconds, value (median over runs of the
    best so far, carried on after a run has stopped; nan until every run has a score), low, high (quartiles) and
    running (runs still training then). The second, a row an activation: area (mean of that curve over the time in
    which every activation has one, up to the shortest activation's median training time), at_end (its value there),
    seconds (that time), runs, kind. Packed runs are left out, and so are all but those on the kind of device that the
    most activations have in common; empty where no two of several have one.
    """
    column = f"validation/{metric.name}"
    rows = cube[(cube["dataset"] == dataset) & (cube["status"] == Status.FINISHED) & ~taken(cube)]
    if "pack_size" in rows:
        rows = rows[rows["pack_size"] <= 1]
    columns = pd.Index(["activation", "seconds", "value", "low", "high", "running"])
    areas = pd.Index(["activation", "area", "at_end", "seconds", "runs", "kind"])
    rows, kind = _on_one_kind(rows)
    found: dict[str, list[tuple[Array, Array]]] = {}
    if SECONDS_TRAIN in curves and column in curves:
        parts = [name for name in (SECONDS_TRAIN, SECONDS_EVALUATE) if name in curves]
        timed = _epochs(curves, rows["run_id"], [*parts, column])
        for run_id, label in zip(rows["run_id"].astype(str), rows["activation"], strict=True):
            if run_id in timed:
                further = np.fmin if metric.better == "lower" else np.fmax
                best = further.accumulate(timed[run_id][column])
                found.setdefault(str(label), []).append((np.cumsum(_work(timed[run_id])), best))
    if not found:
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=areas)
    ends = {label: [clock[-1] for clock, _ in of_label] for label, of_label in found.items()}
    limit = min(float(np.median(of_label)) for of_label in ends.values())
    # The curves are steps, and so are their medians: their area is exact where every step is on the grid.
    steps = np.unique(np.concatenate([[limit], *(clock[clock <= limit] for one in found.values() for clock, _ in one)]))
    medians = {label: _sampled(of_label, steps)[1] for label, of_label in found.items()}
    told = np.isfinite(np.array(list(medians.values()))[:, :-1]).all(axis=0)
    widths = np.diff(steps)[told]
    grid = np.unique(np.append(np.linspace(0, max(map(max, ends.values())), points), limit))
    frames, totals = [], []
    for label, of_label in found.items():
        low, middle, high = _sampled(of_label, grid)
        running = np.sum([end > grid for end in np.array(ends[label])], axis=0)
        curve = {"seconds": grid, "value": middle, "low": low, "high": high, "running": running}
        frames.append(pd.DataFrame(curve).assign(activation=label))
        over = medians[label][:-1][told]
        area = float((over * widths).sum() / widths.sum()) if widths.sum() > 0 else math.nan
        totals.append([label, area, float(medians[label][-1]), limit, len(of_label), kind])
    return pd.concat(frames, ignore_index=True)[columns], pd.DataFrame(totals, columns=areas)


def _on_one_kind(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows on the kind that the most activations have, whole runs on it alone; none where several activations were
    trained and no two on one kind."""
    several = rows["activation"].nunique() > 1
    rows = kinds.with_kinds(rows)
    if "timed_from" in rows:
        rows = rows[rows["timed_from"] <= 1]
    for kind in kinds.by_size(rows):
        here = rows[rows["kind"] == kind]
        return (here if here["activation"].nunique() > 1 or not several else here.iloc[:0]), kind
    return rows, ""


def _sampled(of_label: list[tuple[Array, Array]], grid: Array) -> Array:
    """Quartiles over runs of the best so far at each time of ``grid``, (3, times); nan until every run has one."""
    table = np.full((len(of_label), len(grid)), math.nan)
    for i, (clock, best) in enumerate(of_label):
        ended = np.searchsorted(clock, grid, side="right")
        table[i, ended > 0] = best[ended[ended > 0] - 1]
    whole = np.isfinite(table).all(axis=0)
    found = np.full((3, len(grid)), math.nan)
    found[:, whole] = np.percentile(table[:, whole], [25, 50, 75], axis=0)
    return found
