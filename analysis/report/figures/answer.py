"""The figure of the first screen: differences to the control, and beside or below them the scores of every split."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.report import amounts, figure_style
from analysis.report.figure_style import FAINT, INK, MUTED, PALETTE, Plot
from analysis.report.figures.comparisons import WORD_COLOURS, WORD_MARKERS, difference, ranged
from analysis.report.findings import Findings
from analysis.statistics.verdict import Verdict

NAME = "figure-1-answer"
MOST_SETS = 5
"""Data sets that are drawn on the first screen."""
TWO_ROWS = 8
"""Up to as many activations, the scores of several data sets are drawn below the differences."""
ROW_IN = (0.165, 0.3)
"""Least and most height of a row: together they take what room there is."""
ROOM_IN = 2.4


class Shown(NamedTuple):
    """What of the findings the first screen draws."""

    datasets: list[str]
    labels: list[str]
    """The one that is furthest ahead on top."""
    scores: bool


def shown(findings: Findings) -> Shown:
    compared = [name for name in findings.datasets if any(found.dataset == name for found in findings.verdicts)]
    sets = (compared or findings.datasets)[:MOST_SETS]
    labels = [label for label in findings.labels if any(label in findings.plan_of(name).activations for name in sets)]
    place = {label: standing(findings, label, sets) for label in labels}
    ranked = sorted(labels, key=lambda label: -place[label])
    return Shown(sets, ranked, len(sets) == 1 or len(labels) <= TWO_ROWS)


def standing(findings: Findings, label: str, datasets: list[str]) -> float:
    """Mean difference to the control; that of one which was not compared lies below all."""
    verdicts = [findings.verdict(dataset, label) for dataset in datasets]
    known = [found.estimate for found in verdicts if found is not None and math.isfinite(found.estimate)]
    if label == findings.control:
        return 0.0
    return float(np.mean(known)) if known else -math.inf


def drawn(findings: Findings) -> Plot | None:
    """None where nothing is compared."""
    if not findings.verdicts:
        return None
    sets, labels, scores = shown(findings)
    rows = 2 if scores and len(sets) > 1 else 1
    size = float(np.clip(ROOM_IN / (rows * len(labels)), *ROW_IN))
    height = size * (len(labels) + 0.2)
    used: dict[str, Any] = {}
    off = False
    with figure_style.new_figure(0.85 + 0.42 * (rows - 1) + rows * height) as figure:
        above, below = panels_of(figure, sets, scores)
        for at, dataset in enumerate(sets):
            mine = [found for label in labels if (found := findings.verdict(dataset, label)) is not None]
            off |= differences(findings, above[at], mine, labels, used)
            if below is not None:
                off |= splits(findings, below[at], dataset, labels)
        for panel in (*above, *(below if below is not None else ())):
            figure_style.label_rows(panel, labels)
            panel.tick_params(axis="y", labelsize=7.5 if size < 0.2 else 8.5)
        name_axes(figure, findings, above, below, sets)
        legend = list(used.values())
        figure.legend(legend, list(used), loc="outside lower center", ncols=min(len(used), 4) or 1, handlelength=1)
        return figure_style.render(
            figure,
            name=NAME,
            title="Difference to the control, and the scores of every split" if scores else "Difference to the control",
            caption=caption(findings, sets, scores=scores, off=off),
            data=numbers(findings, sets, labels),
        )


def panels_of(figure: Any, sets: list[str], scores: bool) -> tuple[Any, Any]:
    """Panels of the differences, one a data set, and of the scores: beside for one data set, else below."""
    if len(sets) == 1 and scores:
        both = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
        return both[:1], both[1:]
    grid = figure.subplots(2 if scores else 1, len(sets), sharey=True, squeeze=False)
    for panel, dataset in zip(grid[0], sets, strict=True):
        panel.set_title(figure_style.clip(dataset, max(10, 78 // len(sets))), loc="left", fontsize=8.5)
    return grid[0], grid[1] if scores else None


def name_axes(figure: Any, findings: Findings, above: Any, below: Any, sets: list[str]) -> None:
    unit = amounts.unit(findings.metric)
    controls = {findings.plan_of(dataset).declaration.control for dataset in sets}
    control = figure_style.clip(controls.pop(), 20) if len(controls) == 1 else "the control"
    lead = f"difference to {control}{f' ({unit})' if unit else ''}, right is better"
    for panel in (*above, *(below if below is not None else ())):
        panel.locator_params(axis="x", nbins=6 if len(sets) == 1 else 3)
    if len(sets) == 1:
        above[0].set_xlabel(lead)
        below[0].set_xlabel(f"{amounts.label(findings.metric)} of each split")
        return
    middle = len(sets) // 2
    above[middle].set_xlabel(lead)
    if below is not None:
        below[middle].set_xlabel(f"{amounts.label(findings.metric)} of each split")


def differences(
    findings: Findings, panel: Any, verdicts: list[Verdict], labels: list[str], used: dict[str, Any]
) -> bool:
    """A row a verdict: difference, interval and zone of practical equivalence; whether any lies off the scale."""
    times = amounts.scale(findings.metric)
    ends_at: list[tuple[float, int]] = []
    means_at: list[tuple[float, int]] = []
    panel.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    for found in verdicts:
        row, colour = labels.index(found.activation), WORD_COLOURS[found.word]
        rope = times * float(found.extras.get("rope", math.nan))
        if math.isfinite(rope):
            panel.fill_betweenx([row - 0.5, row + 0.5], -rope, rope, color=FAINT, linewidth=0, zorder=0)
        interval = findings.possible(found)
        if interval is not None:
            ends = [times * end for end in interval]
            panel.plot(ends, [row, row], color=colour, linewidth=1.8, zorder=2, solid_capstyle="butt")
            ends_at += [(end, row) for end in ends]
        if math.isfinite(found.estimate):
            at = times * found.estimate
            (used[str(found.word)],) = panel.plot(
                [at], [row], WORD_MARKERS[found.word], color=colour, markersize=5, linestyle="none", zorder=3
            )
            means_at.append((at, row))
    reach = [times * end for found in verdicts if math.isfinite(found.estimate) for end in findings.reach(found)]
    values = [value for value, _ in (*means_at, *ends_at)]
    low, high = figure_style.limits([*values, 0.0], least=min(reach, default=None), most=max(reach, default=None))
    scale = (min(low, 0.0), max(high, 0.0))
    # A mean off the scale is told, rather than the end of its interval there.
    told = {row for value, row in means_at if not scale[0] <= value <= scale[1]}
    off = figure_style.mark_off_scale(panel, *transposed(means_at), scale, form="mean {:.3g}")
    rest = [(value, row) for value, row in ends_at if row not in told]
    return figure_style.mark_off_scale(panel, *transposed(rest), scale) or off


def transposed(places: list[tuple[float, int]]) -> tuple[Any, Any]:
    values, rows = np.reshape(places, (-1, 2)).T
    return values, rows


def splits(findings: Findings, panel: Any, dataset: str, labels: list[str]) -> bool:
    """A point a split, thin lines through the points of one, a diamond for the mean; whether any lies off the
    scale."""
    metric = findings.plan_of(dataset).primary
    times = amounts.scale(metric)
    values = times * findings.scores(dataset).values.reindex(columns=labels).to_numpy(dtype=float)
    rows = np.arange(len(labels))
    strength = float(np.clip(3 / max(len(values), 1), 0.08, 0.5))
    for line in values:
        panel.plot(line, rows, color=MUTED, linewidth=0.6, alpha=strength, zorder=1)
    grid = np.broadcast_to(rows, values.shape)
    panel.scatter(values.ravel(), grid.ravel(), s=9, color=PALETTE[0], alpha=0.6, linewidths=0, zorder=2)
    for row in rows:
        column = values[:, row][np.isfinite(values[:, row])]
        if len(column):
            panel.plot([column.mean()], [row], "D", color=INK, markersize=3.2, zorder=4)
    ends = figure_style.limits(
        values,
        least=None if metric.low is None else times * metric.low,
        most=None if metric.high is None else times * metric.high,
    )
    return figure_style.mark_off_scale(panel, values.ravel(), grid.ravel(), ends)


def caption(findings: Findings, sets: list[str], *, scores: bool, off: bool) -> str:
    verdicts = [found for found in findings.verdicts if found.dataset in sets]
    band = any(math.isfinite(float(found.extras.get("rope", math.nan))) for found in verdicts)
    first = (
        f"Mean difference over n = {ranged({found.n for found in verdicts}, 'paired split')} with its "
        f"{100 * (1 - findings.alpha):g} % interval"
    )
    first += "; grey: zone of practical equivalence" if band else ""
    more = len(findings.datasets) - len(sets)
    first += f"; {more} more data sets under Differences and means" if more else ""
    second = "Scores: a point a split, lines join one split, diamonds are means" if scores else ""
    if off:
        second = f"{second}; a triangle at an edge carries the value that lies beyond it".removeprefix("; ")
        second = second[0].upper() + second[1:]
    return f"{first}. {second}." if second else f"{first}."


def numbers(findings: Findings, sets: list[str], labels: list[str]) -> pd.DataFrame:
    """What is drawn, in the metric's own units."""
    rows = []
    for dataset in sets:
        for label in labels:
            found = findings.verdict(dataset, label)
            if found is None:
                continue
            low, high = findings.possible(found) or (math.nan, math.nan)
            rows.append(difference(found) | {"low": low, "high": high})
    return pd.DataFrame(rows)
