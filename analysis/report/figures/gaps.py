"""The gap between what was trained on and what was not, against how well the former is fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.figure_style import Plot
from analysis.report.findings import Findings
from analysis.runs.metric import Metric
from analysis.runs.schema import SCORED, Status


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
