"""Learning curves over a data set's runs, and the gap between what was trained on and what was not.

Runs that stop early never leave a mean: a curve is the best value so far, carried forward to the end. Bands are
pointwise 95 % ranges over runs, not simultaneous ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.report import figure_style
from analysis.report.figure_style import INK, MUTED, Plot
from analysis.report.figures.comparisons import ranged
from analysis.report.findings import Findings, shared_folds
from analysis.runs.metric import Metric
from analysis.runs.schema import SCORED, Status

Array = npt.NDArray[np.float64]
SECONDS = ("seconds/train", "seconds/evaluate")
POINTS = 120
"""Points of a drawn curve at most."""


def matrix(curves: pd.DataFrame, column: str) -> Array:
    """(runs, epochs) of one metric, nan beyond a run's end; runs in order of appearance."""
    if curves.empty or column not in curves:
        return np.full((0, 0), np.nan)
    run, _ = pd.factorize(curves["run_id"])
    epoch = curves["epoch"].to_numpy(dtype=np.int64) - 1
    values = np.full((int(run.max()) + 1, int(epoch.max()) + 1), np.nan)
    kept = epoch >= 0
    values[run[kept], epoch[kept]] = curves[column].to_numpy(dtype=float)[kept]
    return values


def of_shared(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves of the folds that every activation has, so that medians are over the same splits; all where there are
    no such folds."""
    kept = shared_folds(curves)
    return curves if kept.empty else kept


def best_so_far(values: Array, metric: Metric) -> Array:
    """Each run's best value up to each epoch, carried forward beyond its end; (runs, epochs)."""
    signed = np.where(np.isfinite(values), values, np.nan) * metric.sign
    filled = np.where(np.isnan(signed), -np.inf, signed)
    best = np.maximum.accumulate(filled, axis=1) if filled.size else filled
    return np.where(np.isinf(best), np.nan, best) * metric.sign


def band(values: Array) -> pd.DataFrame:
    """Median and pointwise 95 % range over runs by epoch: columns epoch, median, low, high, runs."""
    count = np.isfinite(values).sum(axis=0) if values.size else np.zeros(0, dtype=int)
    kept = values[:, count > 0]
    low, median, high = np.nanquantile(kept, [0.025, 0.5, 0.975], axis=0) if kept.size else np.zeros((3, 0))
    return pd.DataFrame(
        {
            "epoch": np.flatnonzero(count > 0) + 1,
            "median": median,
            "low": low,
            "high": high,
            "runs": count[count > 0],
        }
    )


def at_times(curves: pd.DataFrame, metric: Metric, points: int = POINTS) -> pd.DataFrame:
    """Best validation value so far against the time of training and evaluation, median over runs: columns seconds,
    median, low, high. An epoch counts from when it has ended."""
    present = [name for name in SECONDS if name in curves]
    column = f"validation/{metric.name}"
    if not present or column not in curves or curves.empty:
        return pd.DataFrame(columns=["seconds", "median", "low", "high"], dtype=float)
    timed = curves.assign(_elapsed=curves[present].fillna(0.0).sum(axis=1))
    elapsed = np.nancumsum(matrix(timed, "_elapsed"), axis=1)
    best = best_so_far(matrix(curves, column), metric)
    grid = np.linspace(0.0, float(elapsed.max()), points)
    sampled = np.full((len(best), points), np.nan)
    for row in range(len(best)):
        at = np.searchsorted(elapsed[row], grid, side="right") - 1
        sampled[row] = np.where(at >= 0, best[row, np.maximum(at, 0)], np.nan)
    kept = np.isfinite(sampled).sum(axis=0) * 2 >= max(len(best), 1)  # from where half the runs have a first epoch
    low, median, high = (
        np.nanquantile(sampled[:, kept], [0.025, 0.5, 0.975], axis=0) if kept.any() else np.zeros((3, 0))
    )
    return pd.DataFrame({"seconds": grid[kept], "median": median, "low": low, "high": high})


def watched(findings: Findings) -> Metric | None:
    """What the learning curves are of: the primary metric, or the first other one of which there are curves."""
    metrics = [findings.metric, *findings.metrics]
    return next((metric for metric in metrics if f"validation/{metric.name}" in findings.curves), None)


def epochs(findings: Findings) -> list[Plot]:
    """Validation curves by epoch, one figure a data set."""
    metric = watched(findings)
    return [
        _epochs(findings, dataset, metric, at)
        for at, dataset in enumerate(findings.datasets)
        if metric is not None and (findings.curves["dataset"] == dataset).any()
    ]


def _epochs(findings: Findings, dataset: str, metric: Metric, at: int) -> Plot:
    labels = list(findings.plan_of(dataset).activations)
    control = findings.plan_of(dataset).declaration.control
    mine = of_shared(findings.curves[findings.curves["dataset"] == dataset])
    parts = {label: mine[mine["activation"] == label] for label in labels}
    raw = {label: matrix(parts[label], f"validation/{metric.name}") for label in labels}
    best = {label: band(best_so_far(raw[label], metric)) for label in labels}
    alive = {label: np.isfinite(raw[label]).sum(axis=0) for label in labels}
    data = pd.concat(
        [
            best[label]
            .drop(columns="runs")
            .assign(dataset=dataset, activation=label, running=alive[label][best[label]["epoch"] - 1])
            for label in labels
            if len(best[label])
        ],
        ignore_index=True,
    )
    longest = int(data["epoch"].max())
    runs = {int(raw[label].shape[0]) for label in labels if raw[label].shape[0]}
    draw = _together if len(labels) <= figure_style.FEW else _apart
    caption = (
        f"Best validation/{metric.name} so far on the validation part, carried forward after a run has stopped: "
        f"median and pointwise (not simultaneous) 95 % range over "
        f"{ranged(runs, 'run')}, of the folds that all have. "
        + ("Below: runs still training." if draw is _together else f"Dotted: {control}. Grey: share still training.")
    )
    with figure_style.new_figure(3.6 if draw is _together else 0.7 + 1.25 * math.ceil(len(labels) / 4)) as figure:
        draw(figure, labels, control, best, alive, metric, longest)
        return figure_style.render(
            figure,
            name=f"figure-4-epochs{'' if at == 0 else f'-{at + 1}'}",
            title=f"Learning curves on {dataset}",
            caption=caption,
            data=data,
        )


def _together(
    figure: Any,
    labels: Sequence[str],
    control: str,
    best: dict[str, pd.DataFrame],
    alive: dict[str, Array],
    metric: Metric,
    longest: int,
) -> None:
    colours = figure_style.colours(labels, control)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    for label in labels:
        frame, colour = best[label], colours[label]
        upper.fill_between(frame["epoch"], frame["low"], frame["high"], color=colour, alpha=0.12, linewidth=0)
        upper.plot(frame["epoch"], frame["median"], color=colour, label=figure_style.clip(label))
        lower.step(np.arange(1, len(alive[label]) + 1), alive[label], where="mid", color=colour, linewidth=1.0)
    upper.set_ylabel(f"best {metric.label}")
    upper.set_xlim(1, max(longest, 2))
    figure_style.stop_at_bounds(upper, metric)
    lower.set_ylim(bottom=0)
    lower.set_ylabel("running")
    lower.set_xlabel("epoch")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _apart(
    figure: Any,
    labels: Sequence[str],
    control: str,
    best: dict[str, pd.DataFrame],
    alive: dict[str, Array],
    metric: Metric,
    longest: int,
) -> None:
    panels = figure.subplots(math.ceil(len(labels) / 4), 4, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(labels) :]:
        panel.set_visible(False)
    for panel, label in zip(panels.flat, labels, strict=False):
        frame = best[label]
        panel.fill_between(
            frame["epoch"], frame["low"], frame["high"], color=figure_style.PALETTE[0], alpha=0.25, linewidth=0
        )
        panel.plot(best[control]["epoch"], best[control]["median"], ":", color=INK, linewidth=1.0)
        panel.plot(frame["epoch"], frame["median"], color=figure_style.PALETTE[0])
        panel.fill_between(
            np.arange(1, len(alive[label]) + 1),
            0.17 * alive[label] / max(1, int(np.max(alive[label], initial=1))),
            color=MUTED,
            alpha=0.25,
            linewidth=0,
            step="mid",
            transform=panel.get_xaxis_transform(),
        )
        panel.set_title(figure_style.clip(label, 20), loc="left", fontsize=8.5)
        panel.set_xlim(1, max(longest, 2))
    figure_style.stop_at_bounds(panels[0, 0], metric)  # the others share its axis
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(f"best {metric.label}", fontsize=9)


def times(findings: Findings) -> list[Plot]:
    """Best validation value so far against training time."""
    metric = watched(findings)
    plots: list[Plot] = []
    if metric is None:
        return plots
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        labels = [label for label in findings.labels if any(label in findings.plan_of(d).activations for d in group)]
        colours, dashes = figure_style.colours(labels, findings.control), figure_style.dashes(labels, findings.control)
        rows: list[pd.DataFrame] = []
        with figure_style.new_figure(3.0 + 0.17 * math.ceil(len(labels) / 4)) as figure:
            panels = figure_style.columns(figure, group, sharey=False)[0]
            handles: dict[str, Any] = {}
            for panel, dataset in zip(panels, group, strict=True):
                mine = of_shared(findings.curves[findings.curves["dataset"] == dataset])
                for label in labels:
                    frame = at_times(mine[mine["activation"] == label], metric)
                    if frame.empty:
                        continue
                    (handles[figure_style.clip(label)],) = panel.plot(
                        frame["seconds"],
                        frame["median"],
                        linestyle=dashes[label],
                        color=colours[label],
                        linewidth=1.2,
                    )
                    rows.append(frame.assign(dataset=dataset, activation=label))
                panel.set_xlabel("seconds of training")
                panel.set_xlim(left=0)
                figure_style.stop_at_bounds(panel, metric)
            panels[0].set_ylabel(f"best {metric.label}")
            if not rows:
                continue
            figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4)
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-4-times{'' if at == 0 else f'-{at + 1}'}",
                    title="Learning curves against training time",
                    caption=(
                        f"Best validation/{metric.name} so far against the run's own seconds of training and "
                        "evaluation; median over runs of the folds that all have, a stopped run carried forward. A "
                        f"curve that is {metric.better} at the same time learns faster on this machine."
                    ),
                    data=pd.concat(rows, ignore_index=True),
                )
            )
    return plots


def gaps(findings: Findings) -> pd.DataFrame:
    """How much better the training part does than the validation part at the declared checkpoint, by run: dataset,
    activation, repeat, fold, train, validation, gap (positive: better on the training part, for a loss lower there),
    measured (``at rest`` in evaluation mode, ``running``: the epoch's average while weights moved, or ``as
    published``)."""
    name = findings.plan.declaration.metric
    columns = ["dataset", "activation", "repeat", "fold", "run_id", "best_epoch"]
    done = findings.claimed[findings.claimed["status"].isin(SCORED)]
    frame = done[columns].copy()
    if f"validation/{name}" not in done:
        return frame.iloc[:0].assign(train=np.nan, validation=np.nan, gap=np.nan, measured="")
    frame["validation"] = done[f"validation/{name}"].astype(float)
    rest = f"train_clean/{name}"
    frame["train"] = done[rest].astype(float) if rest in done else np.nan
    frame["measured"] = np.where(frame["train"].notna(), "at rest", "running")
    if (done["status"] == Status.IMPORTED).any() and f"train/{name}" in done:
        typed = (done["status"] == Status.IMPORTED) & frame["train"].isna()
        frame.loc[typed, "train"] = done.loc[typed, f"train/{name}"].astype(float)
        frame.loc[typed, "measured"] = "as published"
    if frame["train"].isna().any() and f"train/{name}" in findings.curves:
        moving = findings.curves.loc[
            findings.curves["epoch"] == findings.curves["best_epoch"], ["run_id", f"train/{name}"]
        ].set_index("run_id")[f"train/{name}"]
        frame["train"] = frame["train"].fillna(frame["run_id"].map(moving))
    frame["gap"] = findings.metric.sign * (frame["train"] - frame["validation"])
    return frame.dropna(subset=["gap"]).reset_index(drop=True)


def difference_of(metric: Metric, other: str = "validation") -> str:
    """The gap in words, the way round in which positive means better on the training part."""
    return f"{other} − train" if metric.better == "lower" else f"train − {other}"


def measured_at(findings: Findings) -> str:
    return "as published" if (findings.claimed["status"] == Status.IMPORTED).all() else "at the declared checkpoint"


def gap_figure(findings: Findings, frame: pd.DataFrame) -> list[Plot]:
    plots = []
    name = findings.plan.declaration.metric
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        mine = frame[frame["dataset"].isin(group)]
        if mine.empty:
            continue
        labels = [label for label in findings.labels if (mine["activation"] == label).any()]
        colours = figure_style.colours(labels, findings.control)
        order = {label: row for row, label in enumerate(labels)}
        with figure_style.new_figure(3.0 + 0.17 * math.ceil(len(labels) / 4)) as figure:
            panels = figure_style.columns(figure, group, sharey=False)[0]
            handles: dict[str, Any] = {}
            for panel, dataset in zip(panels, group, strict=True):
                for label, part in mine[mine["dataset"] == dataset].groupby("activation", sort=False):
                    handles[str(label)] = panel.scatter(
                        part["train"],
                        part["gap"],
                        s=11,
                        alpha=0.75,
                        linewidths=0,
                        color=colours[str(label)],
                        marker=figure_style.MARKERS[
                            (order[str(label)] // len(figure_style.PALETTE)) % len(figure_style.MARKERS)
                        ],
                    )
                panel.set_xlabel(f"train {findings.metric.label}")
                figure_style.stop_at_bounds(panel, findings.metric, "x")
            panels[0].set_ylabel(difference_of(findings.metric))
            drawn = [label for label in labels if label in handles]
            figure.legend(
                [handles[label] for label in drawn],
                [figure_style.clip(label) for label in drawn],
                loc="outside lower center",
                ncols=4,
                markerscale=1.6,
            )
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-5-gap{'' if at == 0 else f'-{at + 1}'}",
                    title=f"Gap from train to validation, against train {name}",
                    caption=(
                        f"One point a run, {measured_at(findings)}. A small gap beside a "
                        f"{'high' if findings.metric.better == 'lower' else 'low'} train {name} is a model that fits "
                        "less, not one that generalises better."
                    ),
                    data=mine.drop(columns="best_epoch"),
                )
            )
    return plots
