"""What an activation costs. The unit is the run, never the epoch: a run gives one median after its warm-up.

Ratios to the control are of runs on the same split and the same model of device. Runs whose device was shared (packed)
are left out: their epochs measure the neighbours, too.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.runs.metric import Metric
from analysis.runs.schema import SECONDS_EVALUATE, SECONDS_REST, SECONDS_TRAIN, Status
from analysis.runs.wording import counted
from analysis.statistics.aggregate import percentiles, resample
from analysis.statistics.scores import Array

LEAST_EPOCHS = 3
"""Fewer epochs than this after the warm-up make no statistic."""
NOISY_SPREAD, NOISY_DRIFT = 0.02, 0.03
"""Interquartile range over median, and change from first to last quarter, above which a run is flagged."""
RUN_COLUMNS = [
    *("run_id", "dataset", "activation", "split_hash", "device_name", "host", "packed", "epochs_timed"),
    *("epoch_s", "train_s", "evaluate_s", "rest_s", "total_s", "checkpoint_s", "spread", "drift", "noisy"),
]
USED = [*RUN_COLUMNS[:6], "pack_size", "best_epoch"]
SUMMARY = [
    *("dataset", "activation", "control", "runs", "epoch_s", "mad_s", "train_s", "evaluate_s", "rest_s"),
    *("ratio", "ratio_low", "ratio_high", "shift_s", "pairs", "total_s", "total_ratio"),
    *("checkpoint_s", "checkpoint_ratio", "noisy_runs", "packed_runs", "note"),
]


def runs(cube: pd.DataFrame, curves: pd.DataFrame, *, warmup: int = 1) -> pd.DataFrame:
    """One row a finished run: medians over its epochs after the first ``warmup``, in seconds.

    ``epoch_s`` is training, evaluation and rest together; ``total_s`` all epochs; ``checkpoint_s`` those up to the
    declared checkpoint; ``spread`` IQR/median; ``drift`` last quarter's median over the first's, minus 1; ``noisy``
    where either passes its limit. Runs with fewer than three timed epochs have nan.
    """
    finished = cube[cube["status"] == Status.FINISHED]
    parts = [name for name in (SECONDS_TRAIN, SECONDS_EVALUATE, SECONDS_REST) if name in curves.columns]
    if finished.empty or not parts:
        return pd.DataFrame(columns=pd.Index(RUN_COLUMNS))
    timed = _epochs(curves, finished["run_id"], parts)
    rows = []
    for run in finished[[name for name in USED if name in finished]].to_dict("records"):
        if str(run["run_id"]) not in timed:
            continue
        number, seconds = timed[str(run["run_id"])]
        whole = seconds.sum(axis=1)
        kept = number > warmup
        row: dict[str, object] = {name: run.get(name, "") for name in RUN_COLUMNS[:6]}
        row |= {"packed": bool(run.get("pack_size", 1) > 1), "epochs_timed": int(kept.sum())}
        row["total_s"] = float(whole.sum())
        best = int(run.get("best_epoch", -1))
        row["checkpoint_s"] = float(whole[number <= best].sum()) if best > 0 else math.nan
        row |= _medians(seconds[kept], parts)
        rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(RUN_COLUMNS))


def _epochs(curves: pd.DataFrame, run_ids: pd.Series, columns: list[str]) -> dict[str, tuple[Array, Array]]:
    """Epoch numbers (epochs,) and the named columns (epochs, columns) of each run, in order."""
    mine = curves[curves["run_id"].isin(run_ids)]
    names, codes = np.unique(mine["run_id"].astype(str).to_numpy(), return_inverse=True)
    number = mine["epoch"].to_numpy(dtype=float)
    order = np.lexsort((number, codes))
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    values = mine[columns].to_numpy(dtype=float)[order]
    return {
        str(name): (epochs, of_run)
        for name, epochs, of_run in zip(names, np.split(number[order], ends), np.split(values, ends), strict=True)
    }


def _medians(seconds: Array, parts: list[str]) -> dict[str, object]:
    """Statistics of one run's timed epochs (epochs, parts)."""
    names = {SECONDS_TRAIN: "train_s", SECONDS_EVALUATE: "evaluate_s", SECONDS_REST: "rest_s"}
    if len(seconds) < LEAST_EPOCHS or not np.isfinite(seconds).all():
        nothing = [*names.values(), "epoch_s", "spread", "drift"]
        return {**dict.fromkeys(nothing, math.nan), "noisy": False}
    whole = seconds.sum(axis=1)
    low, middle, high = np.percentile(whole, [25, 50, 75])
    quarter = max(1, len(whole) // 4)
    spread = float((high - low) / middle) if middle > 0 else math.nan
    drift = float(np.median(whole[-quarter:]) / np.median(whole[:quarter]) - 1) if middle > 0 else math.nan
    row: dict[str, object] = {names[part]: float(np.median(seconds[:, i])) for i, part in enumerate(parts)}
    row |= {name: math.nan for name in names.values() if name not in row}
    noisy = spread > NOISY_SPREAD or abs(drift) > NOISY_DRIFT
    return row | {"epoch_s": float(middle), "spread": spread, "drift": drift, "noisy": bool(noisy)}


def summary(
    timed: pd.DataFrame, control: str, rng: np.random.Generator, *, level: float = 0.95, draws: int = 4999
) -> pd.DataFrame:
    """One row a data set and activation, from :func:`runs`; columns ``SUMMARY``.

    ``epoch_s`` is the median of run medians and ``mad_s`` their median absolute deviation. ``ratio`` is
    exp(median log ratio) to the control over runs paired by split and device model, with a bootstrap interval over
    those pairs; ``shift_s`` the Hodges-Lehmann shift in seconds. One pair gives no interval.
    """
    rows = []
    for dataset, of_set in timed.groupby("dataset", sort=False):
        usable = of_set[~of_set["packed"].astype(bool)].dropna(subset=["epoch_s"])
        base = usable[usable["activation"] == control]
        for label in dict.fromkeys(of_set["activation"]):
            mine = usable[usable["activation"] == label]
            packed = int(of_set.loc[of_set["activation"] == label, "packed"].astype(bool).sum())
            row: dict[str, object] = {"dataset": dataset, "activation": label, "control": control}
            row |= {"runs": len(mine), "packed_runs": packed, "noisy_runs": int(mine["noisy"].astype(bool).sum())}
            notes = [f"{counted(packed, 'run')} left out: the device was shared."] if packed else []
            for name in ("epoch_s", "train_s", "evaluate_s", "rest_s", "total_s", "checkpoint_s"):
                values = mine[name].to_numpy(dtype=float)
                row[name] = float(np.nanmedian(values)) if np.isfinite(values).any() else math.nan
            row["mad_s"] = float(stats.median_abs_deviation(mine["epoch_s"])) if len(mine) > 1 else math.nan
            if mine.empty:
                notes.append(f"No run with {LEAST_EPOCHS} timed epochs on a device of its own.")
            both = mine.merge(base, on=["split_hash", "device_name"], suffixes=("", "_control"))
            row["pairs"] = len(both)
            if len(both):
                log = np.log(both["epoch_s"].to_numpy(dtype=float) / both["epoch_s_control"].to_numpy(dtype=float))
                row["ratio"] = math.exp(float(np.median(log)))
                d = (both["epoch_s"] - both["epoch_s_control"]).to_numpy(dtype=float)
                row["shift_s"] = float(np.median((d[:, None] + d[None, :])[np.triu_indices(len(d))] / 2))
                for name in ("total", "checkpoint"):
                    shares = np.log((both[f"{name}_s"] / both[f"{name}_s_control"]).to_numpy(dtype=float))
                    shares = shares[np.isfinite(shares)]
                    row[f"{name}_ratio"] = math.exp(float(np.median(shares))) if len(shares) else math.nan
                if label == control:
                    row |= {"ratio_low": 1.0, "ratio_high": 1.0}
                elif len(both) > 1:
                    drawn = resample([log], lambda sample: np.median(sample, axis=-1), rng, draws=draws)
                    low, high = percentiles(drawn, level)
                    row |= {"ratio_low": math.exp(low), "ratio_high": math.exp(high)}
                else:
                    notes.append("One pair of runs: no interval.")
            elif len(mine) and label != control:
                notes.append("No run of the control on the same split and device model: no ratio.")
            rows.append(row | {"note": " ".join(notes)})
    return pd.DataFrame(rows, columns=pd.Index(SUMMARY))


def equal_time(
    cube: pd.DataFrame,
    curves: pd.DataFrame,
    *,
    dataset: str,
    metric: Metric,
    points: int = 60,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Best validation score so far at equal wall time.

    The first frame has columns activation, seconds, value (median over runs of the best so far, carried on after a run
    has stopped), low, high (quartiles) and running (runs still training then). The second, a row an activation: area
    (mean of that curve up to the shortest activation's median training time), at_end (its value there), seconds (that
    time), runs. Packed runs are left out.
    """
    column = f"validation/{metric.name}"
    rows = cube[(cube["dataset"] == dataset) & (cube["status"] == Status.FINISHED)]
    if "pack_size" in rows:
        rows = rows[rows["pack_size"] <= 1]
    parts = [name for name in (SECONDS_TRAIN, SECONDS_EVALUATE, SECONDS_REST) if name in curves.columns]
    columns = pd.Index(["activation", "seconds", "value", "low", "high", "running"])
    areas = pd.Index(["activation", "area", "at_end", "seconds", "runs"])
    if rows.empty or not parts or column not in curves:
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=areas)
    timed = _epochs(curves, rows["run_id"], [*parts, column])
    found: dict[str, list[tuple[Array, Array]]] = {}
    for run_id, label in zip(rows["run_id"].astype(str), rows["activation"], strict=True):
        if run_id not in timed:
            continue
        _, values = timed[run_id]
        clock = np.cumsum(values[:, :-1].sum(axis=1))
        best = np.fmin.accumulate(values[:, -1]) if metric.better == "lower" else np.fmax.accumulate(values[:, -1])
        found.setdefault(str(label), []).append((clock, best))
    if not found:
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=areas)
    end = max(clock[-1] for of_label in found.values() for clock, _ in of_label)
    limit = min(float(np.median([clock[-1] for clock, _ in of_label])) for of_label in found.values())
    grid = np.unique(np.append(np.linspace(0, end, points), limit))
    frames, totals = [], []
    for label, of_label in found.items():
        table = np.full((len(of_label), len(grid)), math.nan)
        for i, (clock, best) in enumerate(of_label):
            at = np.searchsorted(clock, grid, side="right") - 1
            table[i, at >= 0] = best[at[at >= 0]]
        started = np.isfinite(table).any(axis=0)
        low, middle, high = np.full((3, len(grid)), math.nan)
        low[started], middle[started], high[started] = np.nanpercentile(table[:, started], [25, 50, 75], axis=0)
        running = np.sum([clock[-1] > grid for clock, _ in of_label], axis=0)
        curve = {"seconds": grid, "value": middle, "low": low, "high": high, "running": running}
        frames.append(pd.DataFrame(curve).assign(activation=label))
        within = started & (grid <= limit)
        width = float(np.ptp(grid[within])) if within.any() else 0.0
        area = float(np.trapezoid(middle[within], grid[within])) / width if width > 0 else math.nan
        at_end = float(middle[grid == limit][0])
        totals.append([label, area, at_end, limit, len(of_label)])
    return pd.concat(frames, ignore_index=True)[columns], pd.DataFrame(totals, columns=areas)
