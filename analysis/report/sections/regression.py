"""Errors of predicted values: in the target's units and in its standard deviations, over data sets by the latter, and
what is left over by item."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.report import figure_style, items
from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled
from analysis.report.figure_style import FAINT, PALETTE, Plot
from analysis.report.findings import Findings
from analysis.report.sections.robustness import measured
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import frequentist, ranks
from analysis.statistics.scores import pair

RAW, SCALED = "rmse", "nrmse"
ARRAYS = ("target", "prediction")
POINTS = 1500
"""Items of one panel at most."""
PANELS = 8
METHODS = (
    "nrmse is the root mean square error over the standard deviation of the training targets: 1 is what their mean "
    "scores. Only it can be ranked over data sets with targets of different units.",
)


def section(findings: Findings) -> Section | None:
    """None where no root mean square error was measured."""
    if not measured(findings.claimed, RAW):
        return None
    blocks: list[Block] = [Tabled(errors(findings))]
    if len(findings.datasets) > 1 and measured(findings.claimed, SCALED):
        blocks.append(Tabled(ranked(findings)))
    plots = [plot for at, name in enumerate(findings.datasets) if (plot := residuals(findings, name, at)) is not None]
    blocks += [Drawn(plot) for plot in plots]
    if not plots and items.missing(findings):
        blocks.append(Notice(items.ABSENT, tone="note"))
    return Section(anchor="regression", title="Errors of the predicted values", blocks=blocks, methods=METHODS)


def errors(findings: Findings) -> Table:
    rows = []
    for dataset in findings.datasets:
        control = findings.plan_of(dataset).declaration.control
        raw = findings.scores(dataset, f"heldout/{RAW}")
        known = f"heldout/{SCALED}" in findings.claimed
        scaled = findings.scores(dataset, f"heldout/{SCALED}").shared if known else pd.DataFrame()
        base = float(raw.shared[control].mean()) if control in raw.shared else math.nan
        for label in raw.values.columns:
            values = raw.shared[label] if label in raw.shared else pd.Series(dtype=float)
            test = frequentist.corrected_t(pair(raw, label, control), alpha=findings.alpha)
            low, high = test.interval or (math.nan, math.nan)
            rows.append(
                {
                    **{"dataset": dataset, "activation": label, "rmse": values.mean(), "sd": values.std(ddof=1)},
                    "nrmse": float(scaled[label].mean()) if label in scaled else math.nan,
                    "difference": test.estimate if label != control else math.nan,
                    **{"low": low, "high": high},
                    "percent": 100 * test.estimate / base if base > 0 and label != control else math.nan,
                    "n": len(values),
                    "note": raw.sharing if len(values) < len(raw.values) else "",
                }
            )
    frame = pd.DataFrame(rows)
    digits = decimals(frame["rmse"])
    level = f"{100 * (1 - findings.alpha):g} %"
    return Table(
        name="table-24-errors",
        main=True,
        title="Root mean square error",
        caption=(
            f"In the target's units, mean and sd over n {findings.unit}s, and over the standard deviation of the "
            f"training targets (nrmse). Difference to the control on paired {findings.unit}s with its corrected "
            f"{level} "
            "interval, positive where the error is smaller, also in per cent of the control's error. No test."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("rmse", "sd"), f".{digits}f"),
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **{"nrmse": ".4f", "percent": "+.1f", "n": "d"},
        },
        heads={"dataset": "data set", "low": f"{level} from", "high": "to", "percent": "difference, %"},
        fold=len(frame) > 40,
    )


def ranked(findings: Findings) -> Table:
    """Over data sets, by the error that has no unit."""
    tables = [findings.scores(dataset, f"heldout/{SCALED}") for dataset in findings.datasets]
    frame = ranks.means(tables)
    found = ranks.mean_ranks(frame)
    complete = frame.dropna()
    first = complete.rank(axis="columns", ascending=False).eq(1).sum()
    result = pd.DataFrame(
        {
            "activation": found.index.astype(str),
            "rank": found.to_numpy(),
            "nrmse": [-float(complete[label].mean()) for label in found.index],
            "first": [int(first.get(label, 0)) for label in found.index],
            "n": len(complete),
        }
    )
    return Table(
        name="table-24-ranks",
        title="Ranks over data sets, by nrmse",
        caption=f"Mean rank over {counted(len(complete), 'data set')}, 1 is best; mean nrmse over them. No test.",
        frame=result,
        formats={"rank": ".2f", "nrmse": ".4f", "first": "d", "n": "d"},
    )


def residuals(findings: Findings, dataset: str, at: int) -> Plot | None:
    """Prediction minus target against the target, a panel an activation, of one fold; None without predictions."""
    said = items.one_each(findings, dataset, ARRAYS)[:PANELS]
    if not said:
        return None
    frames = {str(one.row["activation"]): points(one) for one in said}
    columns = min(4, len(frames))
    rows = -(-len(frames) // columns)
    with figure_style.new_figure(0.9 + 1.75 * rows) as figure:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel in panels.flat[len(frames) :]:
            panel.set_visible(False)
        every = np.concatenate([frame["residual"].to_numpy() for frame in frames.values()])
        low, high = figure_style.limits(every)
        beyond = int(((every < low) | (every > high)).sum())
        for panel, (label, frame) in zip(panels.flat, frames.items(), strict=False):
            panel.axhline(0.0, color=FAINT, linewidth=1.0, zorder=1)
            panel.scatter(frame["target"], frame["residual"], s=6, alpha=0.5, linewidths=0, color=PALETTE[0], zorder=2)
            panel.set_title(figure_style.clip(label, 20), loc="left", fontsize=8.5)
            panel.set_ylim(low, high)
            panel.locator_params(nbins=4)
        figure.supxlabel("target", fontsize=9)
        figure.supylabel("prediction − target", fontsize=9)
        return figure_style.render(
            figure,
            name=f"figure-9-residuals{'' if at == 0 else f'-{at + 1}'}",
            title=f"What is left over on {dataset}",
            caption=(
                f"A point an item of the held-out part of {items.fold_of(said[0], cased=bool(said[0].row.get('case')))}"
                f", in the target's units; at most {POINTS} a panel, evenly taken"
                + (f"; {counted(beyond, 'point')} beyond the scale" if beyond else "")
                + "."
            ),
            data=pd.concat([frame.assign(activation=label) for label, frame in frames.items()], ignore_index=True),
        )


def points(said: items.Said) -> pd.DataFrame:
    """Of all target columns together."""
    target = np.asarray(said.items.arrays["target"], dtype=float).reshape(len(said.items.indices), -1)
    predicted = np.asarray(said.items.arrays["prediction"], dtype=float).reshape(target.shape)
    frame = pd.DataFrame(
        {
            "item": np.repeat(said.items.indices, target.shape[1]),
            "target": target.ravel(),
            "residual": (predicted - target).ravel(),
        }
    )
    return items.sampled(frame, POINTS)
