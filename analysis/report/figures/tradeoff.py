"""Gain against cost: the confirmed activations with their intervals, and the settings that searches tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.figure_style import FAINT, INK, MUTED, PALETTE, Plot
from analysis.report.figures.comparisons import ranged, suffix
from analysis.report.findings import Findings
from analysis.runs.wording import counted

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""As many as there are colours, so that neither alone has to tell two activations apart."""
LEGEND_LETTERS = 100
"""That stand in a line of the legend."""
PANELS = 9
"""Searches that are drawn; the table has them all."""


def look(labels: Sequence[str], control: str) -> dict[str, tuple[str, str]]:
    """A colour and a marker a label; those of the control are its alone."""
    rest = [label for label in labels if label != control]
    size = len(PALETTE)
    return {control: (INK, "*")} | {
        label: (PALETTE[at % size], MARKERS[(at + at // size) % len(MARKERS)]) for at, label in enumerate(rest)
    }


def confirmed(findings: Findings, standing: pd.DataFrame) -> list[Plot]:
    """Difference to the control against the ratio of training times, an interval each way; ``standing`` as
    :func:`analysis.report.sections.tradeoff.standing` makes it. Filled: on the front."""
    plots = []
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        mine = standing[standing["dataset"].isin(group)].dropna(subset=["difference", "ratio"])
        labels = [label for label in findings.labels if (mine["activation"] == label).any()]
        if len(labels) < 2:
            continue
        columns = max(1, min(4, LEGEND_LETTERS // (8 + max(len(_named(label)) for label in labels))))
        with figure_style.new_figure(3.4 + 0.2 * math.ceil(len(labels) / columns)) as figure:
            handles: dict[str, Any] = {}
            panels = figure_style.columns(figure, group, sharey=False)[0]
            for panel, dataset in zip(panels, group, strict=True):
                control = findings.plan_of(dataset).declaration.control
                of_set = mine[mine["dataset"] == dataset]
                handles |= _points(panel, of_set, look(findings.labels, control), control)
            panels[len(panels) // 2].set_xlabel("training time of an epoch / control's")
            panels[0].set_ylabel(f"difference of {findings.metric.name}, up is better")
            shown = [label for label in labels if label in handles]
            named = [_named(label) for label in shown]
            figure.legend([handles[label] for label in shown], named, loc="outside lower center", ncols=columns)
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-9-tradeoff{suffix(at)}",
                    title="What an activation gains, and what it costs",
                    caption=(
                        f"Held-out {findings.metric.name} against the control's over n = "
                        f"{ranged({int(n) for n in mine['n']}, f'paired {findings.unit}')} (corrected t), and the "
                        "ratio of an epoch's training time over "
                        f"{ranged({int(n) for n in mine['pairs']}, 'pair')} of runs, each with its "
                        f"{100 * (1 - findings.alpha):g} % interval where there is one, not adjusted; filled, and "
                        "joined by the dashed line: no other is at least as good in both and better in one. "
                        "Descriptive, no test."
                    ),
                    data=mine,
                )
            )
    return plots


def _named(label: str) -> str:
    return figure_style.clip(label, 26)


def _points(panel: Any, rows: pd.DataFrame, looks: dict[str, tuple[str, str]], control: str) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    panel.axhline(0.0, color=FAINT, linewidth=0.8, zorder=1)
    panel.axvline(1.0, color=FAINT, linewidth=0.8, zorder=1)
    staircase(panel, rows["ratio"], rows["difference"], rows["front"], up=True)
    for row in rows.to_dict(orient="records"):
        label = str(row["activation"])
        colour, marker = looks[label]
        x, y = float(row["ratio"]), float(row["difference"])
        if label != control:
            panel.plot([row["ratio_low"], row["ratio_high"]], [y, y], color=colour, linewidth=0.9, alpha=0.7, zorder=2)
            panel.plot([x, x], [row["low"], row["high"]], color=colour, linewidth=0.9, alpha=0.7, zorder=2)
        (handles[label],) = panel.plot(
            [x],
            [y],
            marker,
            color=colour,
            markersize=9 if label == control else 6,
            markerfacecolor=colour if row["front"] else FAINT,
            zorder=3,
            label=label,
        )
    return handles


def staircase(panel: Any, cost: Any, gain: Any, on: Any, *, up: bool) -> None:
    """The front as steps: the best that is to be had for each cost. ``up``: more gain is higher."""
    chosen = np.asarray(on, dtype=bool)
    x, y = np.asarray(cost, dtype=float)[chosen], np.asarray(gain, dtype=float)[chosen]
    order = np.lexsort((y if up else -y, x))
    panel.step(x[order], y[order], "--", where="post", color=MUTED, linewidth=0.9, zorder=1)


def searched(findings: Findings, settings: pd.DataFrame) -> Plot | None:
    """Every setting that a search tried, its score against the seconds of its epochs, a panel a search."""
    known = settings.dropna(subset=["score", "epoch_s"])
    groups = [(key, rows) for key, rows in known.groupby(["dataset", "activation"], sort=False) if len(rows) > 1]
    if not groups:
        return None
    drawn = groups[:PANELS]
    count = math.ceil(len(drawn) / 3)
    with figure_style.new_figure(0.5 + 2.0 * count) as figure:
        panels = figure.subplots(count, 3, squeeze=False)
        for panel in panels.flat[len(drawn) :]:
            panel.set_visible(False)
        for at, (panel, ((dataset, label), rows)) in enumerate(zip(panels.flat, drawn, strict=False)):
            up = bool(rows["up"].iloc[0])
            staircase(panel, rows["epoch_s"], rows["score"], rows["front"], up=up)
            for on in (False, True):
                some = rows[rows["front"] == on]
                face = PALETTE[0] if on else FAINT
                panel.plot(some["epoch_s"], some["score"], "o", color=PALETTE[0], markerfacecolor=face, markersize=3.5)
            won = rows[rows["selected"].astype(bool)]
            panel.plot(won["epoch_s"], won["score"], "o", color=PALETTE[1], markersize=8, fillstyle="none")
            where = f"{label}, {dataset}" if len(findings.datasets) > 1 else str(label)
            panel.set_title(figure_style.clip(where, 26), loc="left", fontsize=8.5)
            panel.locator_params(nbins=4)
            panel.set_xlabel("s an epoch")
            if at % 3 == 0:
                chosen_by = figure_style.clip(findings.plan_of(str(dataset)).search_selects_on, 26)
                panel.set_ylabel(f"{chosen_by}\n({'up' if up else 'down'} is better)")
        left = len(groups) - len(drawn)
        more = f"; {counted(left, 'further search', 'further searches')} in the table" if left else ""
        return figure_style.render(
            figure,
            name="figure-9-settings",
            title="The settings that the searches tried",
            caption=(
                f"Means over a setting's folds of {findings.plan.search_selects_on} and of the median seconds of an "
                "epoch, as measured, on a device of its own or not; filled, and joined by the dashed line: no other "
                "setting of the activation is at least as good in both and better in one; ringed: chosen, by "
                f"{findings.plan.search_selects_on} alone, and confirmed{more}. Descriptive, no test."
            ),
            data=known.drop(columns="up"),
        )
