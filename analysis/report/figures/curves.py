"""Learning curves over a data set's runs.

Runs that stop early never leave a mean: a curve is the best value so far, carried forward to the end. Where training
has stages, epochs are numbered through and the best value is that of the stage, since their losses are of different
things. Bands are pointwise 95 % ranges over runs, not simultaneous ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.report import figure_style
from analysis.report.figure_style import INK, MUTED, Plot
from analysis.report.figures.comparisons import ranged
from analysis.report.findings import Findings, shared_folds
from analysis.runs.metric import Metric
from analysis.runs.schema import LEARNING_RATE

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


def best_so_far(values: Array, metric: Metric, ends: Sequence[int] = ()) -> Array:
    """Each run's best value up to each epoch, carried forward beyond its end, anew after each of the epochs ``ends``;
    (runs, epochs)."""
    signed = np.where(np.isfinite(values), values, np.nan) * metric.sign
    filled = np.where(np.isnan(signed), -np.inf, signed)
    parts = np.split(filled, [end for end in ends if 0 < end < values.shape[1]], axis=1)
    best = np.concatenate([np.maximum.accumulate(part, axis=1) for part in parts], axis=1) if filled.size else filled
    return np.where(np.isinf(best), np.nan, best) * metric.sign


def stages(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Name and last epoch of each stage of the longest of the runs; empty where there is one stage."""
    found: list[tuple[str, int]] = []
    for text in rows["stages"].dropna().unique() if "stages" in rows else ():
        ends: list[tuple[str, int]] = []
        for part in filter(None, str(text).split(", ")):
            name, _, epochs = part.rpartition(" ")
            ends.append((name, int(epochs) + (ends[-1][1] if ends else 0)))
        found = max(found, ends, key=lambda one: one[-1][1] if one else 0)
    return found if len(found) > 1 else []


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


def at_times(
    curves: pd.DataFrame, metric: Metric, points: int = POINTS, *, part: str = "validation", ends: Sequence[int] = ()
) -> pd.DataFrame:
    """Best value of a part so far against the time of training and evaluation, median over runs: columns seconds,
    median, low, high. An epoch counts from when it has ended."""
    present = [name for name in SECONDS if name in curves]
    column = f"{part}/{metric.name}"
    if not present or column not in curves or curves.empty:
        return pd.DataFrame(columns=["seconds", "median", "low", "high"], dtype=float)
    timed = curves.assign(_elapsed=curves[present].fillna(0.0).sum(axis=1))
    elapsed = np.nancumsum(matrix(timed, "_elapsed"), axis=1)
    best = best_so_far(matrix(curves, column), metric, ends)
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


class Watched(NamedTuple):
    """What the learning curves are of."""

    part: str
    metric: Metric

    @property
    def column(self) -> str:
        return f"{self.part}/{self.metric.name}"


def watched(findings: Findings) -> Watched | None:
    """The primary metric of the validation part, or the first other one of which there are curves; where nothing was
    kept for validation, of the training part."""
    metrics = [findings.metric, *findings.metrics]
    return next(
        (
            found
            for part in ("validation", "train")
            for metric in metrics
            if (found := Watched(part, metric)).column in findings.curves
            and findings.curves[found.column].notna().any()
        ),
        None,
    )


def epochs(findings: Findings) -> list[Plot]:
    """Curves by epoch, one figure a data set."""
    seen = watched(findings)
    return [
        _epochs(findings, dataset, seen, at)
        for at, dataset in enumerate(findings.datasets)
        if seen is not None and (findings.curves["dataset"] == dataset).any()
    ]


class Panel(NamedTuple):
    """What a figure of curves by epoch shows."""

    labels: Sequence[str]
    control: str
    best: Mapping[str, pd.DataFrame]
    alive: Mapping[str, Array]
    metric: Metric
    longest: int
    stages: Sequence[tuple[str, int]]
    rate: pd.DataFrame
    """Median learning rate by epoch, columns epoch and median; empty where it was not recorded, or never moves."""


def _epochs(findings: Findings, dataset: str, seen: Watched, at: int) -> Plot:
    labels = list(findings.plan_of(dataset).activations)
    control = findings.plan_of(dataset).declaration.control
    mine = of_shared(findings.curves[findings.curves["dataset"] == dataset])
    found = stages(findings.claimed[findings.claimed["dataset"] == dataset])
    ends = [end for _, end in found]
    parts = {label: mine[mine["activation"] == label] for label in labels}
    raw = {label: matrix(parts[label], seen.column) for label in labels}
    best = {label: band(best_so_far(raw[label], seen.metric, ends)) for label in labels}
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
    together = len(labels) <= figure_style.FEW
    best = {label: broken(best[label], ends[:-1]) for label in labels}
    shown = Panel(labels, control, best, alive, seen.metric, longest, found, learning_rate(mine))
    caption = (
        f"Best {seen.column} so far{' of the stage' if found else ''}, carried forward after a run has stopped: "
        f"median and pointwise (not simultaneous) 95 % range over "
        f"{ranged(runs, 'run')}, of the folds that all have. "
        + ("Nothing was kept for validation. " if seen.part == "train" else "")
        + (f"A line where a stage ends: {', '.join(f'{name} to {end}' for name, end in found)}. " if found else "")
        + ("Below: runs still training" if together else f"Dotted: {control}. Grey: share still training")
        + (", and the learning rate." if together and len(shown.rate) else ".")
    )
    few = 3.6 + (0.7 if len(shown.rate) else 0.0)
    with figure_style.new_figure(few if together else 0.7 + 1.25 * math.ceil(len(labels) / 4)) as figure:
        (_together if together else _apart)(figure, shown)
        return figure_style.render(
            figure,
            name=f"figure-4-epochs{'' if at == 0 else f'-{at + 1}'}",
            title=f"Learning curves on {dataset}",
            caption=caption,
            data=data,
        )


def broken(frame: pd.DataFrame, ends: Sequence[int]) -> pd.DataFrame:
    """With a row of nothing after each of the epochs ``ends``, so that no line joins two stages."""
    gaps = pd.DataFrame({"epoch": [end + 0.5 for end in ends]}, dtype=float)
    return pd.concat([frame, gaps]).sort_values("epoch", ignore_index=True) if len(gaps) else frame


def learning_rate(curves: pd.DataFrame) -> pd.DataFrame:
    if LEARNING_RATE not in curves or curves[LEARNING_RATE].nunique() < 2:
        return pd.DataFrame(columns=["epoch", "median"])
    found = curves.dropna(subset=[LEARNING_RATE]).groupby("epoch")[LEARNING_RATE].median()
    return found.rename("median").reset_index()


def mark_stages(panel: Any, found: Sequence[tuple[str, int]], *, named: bool) -> None:
    """A line where a stage ends, and the stages' names at the top of the panel."""
    start = 0
    for name, end in found:
        if (name, end) != found[-1]:
            panel.axvline(end + 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        if named:
            middle = (start + end + 1) / 2
            panel.text(
                middle,
                1.0,
                figure_style.clip(name, 16),
                ha="center",
                va="bottom",
                fontsize=8,
                transform=panel.get_xaxis_transform(),
            )
        start = end


def _together(figure: Any, shown: Panel) -> None:
    colours = figure_style.colours(shown.labels, shown.control)
    rows = 3 if len(shown.rate) else 2
    upper, lower, *rate = figure.subplots(rows, 1, sharex=True, height_ratios=[4, 1, 1][:rows])
    for label in shown.labels:
        frame, colour, alive = shown.best[label], colours[label], shown.alive[label]
        upper.fill_between(frame["epoch"], frame["low"], frame["high"], color=colour, alpha=0.12, linewidth=0)
        upper.plot(frame["epoch"], frame["median"], color=colour, label=figure_style.clip(label))
        lower.step(np.arange(1, len(alive) + 1), alive, where="mid", color=colour, linewidth=1.0)
    for panel in rate:
        panel.step(shown.rate["epoch"], shown.rate["median"], where="mid", color=INK, linewidth=1.0)
        panel.set_yscale("log")
        panel.set_ylabel("rate")
    for panel in (upper, lower, *rate):
        mark_stages(panel, shown.stages, named=panel is upper)
    upper.set_ylabel(f"best {shown.metric.label}")
    upper.set_xlim(1, max(shown.longest, 2))
    figure_style.stop_at_bounds(upper, shown.metric)
    lower.set_ylim(bottom=0)
    lower.set_ylabel("running")
    last = rate[0] if rate else lower
    last.set_xlabel("epoch")
    last.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _apart(figure: Any, shown: Panel) -> None:
    panels = figure.subplots(math.ceil(len(shown.labels) / 4), 4, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(shown.labels) :]:
        panel.set_visible(False)
    for panel, label in zip(panels.flat, shown.labels, strict=False):
        frame, alive, control = shown.best[label], shown.alive[label], shown.best[shown.control]
        panel.fill_between(
            frame["epoch"], frame["low"], frame["high"], color=figure_style.PALETTE[0], alpha=0.25, linewidth=0
        )
        panel.plot(control["epoch"], control["median"], ":", color=INK, linewidth=1.0)
        panel.plot(frame["epoch"], frame["median"], color=figure_style.PALETTE[0])
        panel.fill_between(
            np.arange(1, len(alive) + 1),
            0.17 * alive / max(1, int(np.max(alive, initial=1))),
            color=MUTED,
            alpha=0.25,
            linewidth=0,
            step="mid",
            transform=panel.get_xaxis_transform(),
        )
        mark_stages(panel, shown.stages, named=False)
        panel.set_title(figure_style.clip(label, 20), loc="left", fontsize=8.5)
        panel.set_xlim(1, max(shown.longest, 2))
    figure_style.stop_at_bounds(panels[0, 0], shown.metric)  # the others share its axis
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(f"best {shown.metric.label}", fontsize=9)


def times(findings: Findings) -> list[Plot]:
    """Best value so far against training time."""
    seen = watched(findings)
    plots: list[Plot] = []
    if seen is None:
        return plots
    metric = seen.metric
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        labels = [label for label in findings.labels if any(label in findings.plan_of(d).activations for d in group)]
        colours, dashes = figure_style.colours(labels, findings.control), figure_style.dashes(labels, findings.control)
        rows: list[pd.DataFrame] = []
        with figure_style.new_figure(3.0 + 0.17 * math.ceil(len(labels) / 4)) as figure:
            panels = figure_style.columns(figure, group, sharey=False)[0]
            handles: dict[str, Any] = {}
            for panel, dataset in zip(panels, group, strict=True):
                mine = of_shared(findings.curves[findings.curves["dataset"] == dataset])
                ends = [end for _, end in stages(findings.claimed[findings.claimed["dataset"] == dataset])]
                for label in labels:
                    frame = at_times(mine[mine["activation"] == label], metric, part=seen.part, ends=ends)
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
                        f"Best {seen.column} so far against the run's own seconds of training and "
                        "evaluation; median over runs of the folds that all have, a stopped run carried forward. A "
                        f"curve that is {metric.better} at the same time learns faster on this machine."
                    ),
                    data=pd.concat(rows, ignore_index=True),
                )
            )
    return plots
