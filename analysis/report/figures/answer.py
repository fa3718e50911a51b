"""The figures of the first screen: differences to the control, and beside or below them the scores of every split."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.report import amounts, figure_style, floors
from analysis.report.figure_style import FAINT, INK, MUTED, PALETTE, Plot
from analysis.report.figures import floors as lines
from analysis.report.figures.comparisons import WORD_COLOURS, WORD_MARKERS, difference, ranged, suffix
from analysis.report.findings import Findings
from analysis.runs.published import parts_of
from analysis.runs.wording import counted
from analysis.statistics.floors import Floor
from analysis.statistics.verdict import Verdict, Word

NAME = "figure-1-answer"
MOST_SETS = 5
"""Data sets that are drawn on the first screen."""
TWO_ROWS = 8
"""Up to as many activations, the scores of several data sets are drawn below the differences."""
ROW_IN = (0.165, 0.3)
"""Least and most height of a row: together they take what room there is."""
ROOM_IN = 2.4
LEGEND_IN = 0.29
ZONE_ROOM = 1.06
OFF = "; a triangle at an edge carries what lies beyond it"


class Shown(NamedTuple):
    """What of the findings the first screen draws."""

    datasets: list[str]
    labels: list[str]
    """The one that is furthest ahead on top."""
    scores: bool


def shown(findings: Findings) -> Shown:
    """Nothing where nothing is compared."""
    compared = [name for name in findings.datasets if any(found.dataset == name for found in findings.verdicts)]
    sets = compared[:MOST_SETS]
    labels = ranked(findings, sets)
    return Shown(sets, labels, len(sets) == 1 or len(labels) <= TWO_ROWS)


def ranked(findings: Findings, datasets: list[str]) -> list[str]:
    """The activations of those data sets, the one that is furthest ahead first."""
    labels = [label for label in findings.labels if any(label in findings.plan_of(d).activations for d in datasets)]
    place = {label: standing(findings, label, datasets) for label in labels}
    return sorted(labels, key=lambda label: -place[label])


def further(findings: Findings) -> tuple[list[Plot], list[Plot]]:
    """Differences, and scores, of the data sets for which the first screen has no room."""
    first = shown(findings)
    groups: list[list[Plot]] = [[], []]
    rests = (
        [name for name in findings.datasets if name not in first.datasets] if findings.verdicts else [],
        [name for name in findings.datasets if not first.scores or name not in first.datasets],
    )
    for plots, rest, draw, name in zip(
        groups, rests, (difference_figure, score_figure), ("figure-2-differences", "figure-1-points"), strict=True
    ):
        for at in range(0, len(rest), MOST_SETS):
            sets = rest[at : at + MOST_SETS]
            plots.append(draw(findings, Shown(sets, ranked(findings, sets), False), f"{name}{suffix(len(plots))}"))
    return groups[0], groups[1]


def standing(findings: Findings, label: str, datasets: list[str]) -> float:
    """Mean difference to the control; that of one which was not compared lies below all."""
    verdicts = [findings.verdict(dataset, label) for dataset in datasets]
    known = [found.estimate for found in verdicts if found is not None and math.isfinite(found.estimate)]
    if label == findings.control:
        return 0.0
    return float(np.mean(known)) if known else -math.inf


def drawn(findings: Findings) -> list[Plot]:
    """The differences, then the scores where there is room; of one data set each of half the width, so that they stand
    beside each other and below each other on a narrow screen. Nothing where nothing is compared."""
    if not findings.verdicts:
        return []
    place = shown(findings)
    plots = [difference_figure(findings, place, NAME)]
    return [*plots, score_figure(findings, place, f"{NAME}-splits")] if place.scores else plots


def height_of(place: Shown) -> float:
    """Inches of the rows."""
    rows = 2 if place.scores and len(place.datasets) > 1 else 1
    return (len(place.labels) + 0.2) * row_of(rows * len(place.labels))


def row_of(rows: int) -> float:
    return float(np.clip(ROOM_IN / rows, *ROW_IN))


def panels_of(figure: Any, place: Shown, *, titled: bool) -> Any:
    """One panel a data set, with the activations on its rows."""
    panels = figure.subplots(1, len(place.datasets), sharey=True, squeeze=False)[0]
    several = len(place.datasets) > 1
    small = height_of(place) < 0.2 * len(place.labels)
    for panel, dataset in zip(panels, place.datasets, strict=True):
        figure_style.label_rows(panel, place.labels, longest=24 if several else 16)
        panel.tick_params(axis="y", labelsize=7.5 if small else 8.5)
        if several and titled:
            panel.set_title(figure_style.clip(dataset, max(10, 78 // len(panels))), loc="left", fontsize=8.5)
    return panels


def name_axis(panels: Any, text: str) -> None:
    """One name for the axes of all panels, below the middle one."""
    panels[len(panels) // 2].set_xlabel(text)
    for panel in panels:
        panel.locator_params(axis="x", nbins=5 if len(panels) == 1 else 3)


def difference_figure(findings: Findings, place: Shown, name: str) -> Plot:
    sets, labels, _ = place
    unit = amounts.unit(findings.metric)
    controls = {findings.plan_of(dataset).declaration.control for dataset in sets}
    control = figure_style.clip(controls.pop(), 12) if len(controls) == 1 else "the control"
    used: dict[str, Any] = {}
    off = False
    below = lines.Lines.of(floors.primary(findings), sets)
    named = not place.scores  # else the figure beside it names them
    height = 0.62 + LEGEND_IN + height_of(place) + (below.height_in if named else 0.0)
    with figure_style.new_figure(height, width_of(sets)) as figure:
        panels = panels_of(figure, place, titled=True)
        for panel, dataset in zip(panels, sets, strict=True):
            mine = [found for label in labels if (found := findings.verdict(dataset, label)) is not None]
            off |= differences(findings, panel, mine, labels, used, below)
        name_axis(panels, f"difference to {control}{f' ({unit})' if unit else ''}")
        columns = 4 if len(sets) > 1 else 3
        used |= below.handles if named else {}
        figure.legend(
            list(used.values()), list(used), loc="outside lower center", ncols=columns, handlelength=1, columnspacing=1
        )
        return figure_style.render(
            figure,
            name=name,
            title="Difference to the control, right is better",
            caption=caption(findings, sets, off=off, first=name == NAME, floors=below.caption),
            data=numbers(findings, sets, labels),
        )


def score_figure(findings: Findings, place: Shown, name: str) -> Plot:
    sets, labels, _ = place
    off = False
    below = lines.Lines.of(floors.primary(findings), sets)
    with figure_style.new_figure(0.62 + height_of(place) + below.height_in, width_of(sets)) as figure:
        panels = panels_of(figure, place, titled=False)
        for panel, dataset in zip(panels, sets, strict=True):
            off |= splits(findings, panel, dataset, labels, below)
        part = parts_of(findings.claimed, findings.metric.name)
        name_axis(panels, f"{part} {amounts.label(findings.metric)}")
        if below.handles:
            figure.legend(list(below.handles.values()), list(below.handles), loc="outside lower center", ncols=1)
        long = [
            findings.scores(dataset).values.rename_axis("split").reset_index().melt("split", var_name="activation")
            for dataset in sets
        ]
        return figure_style.render(
            figure,
            name=name,
            title=f"{part.capitalize()} {findings.metric.name} of every {findings.unit}",
            caption=(
                f"A point a {findings.unit}, a line joins one {findings.unit}, a diamond is the mean over those that "
                "all have"
                f"{below.caption}{OFF if off else ''}."
            ),
            data=pd.concat(
                [frame.assign(dataset=dataset) for frame, dataset in zip(long, sets, strict=True)], ignore_index=True
            ),
        )


def width_of(sets: list[str]) -> float:
    return figure_style.WIDTH_IN / 2 if len(sets) == 1 else figure_style.WIDTH_IN


def differences(
    findings: Findings,
    panel: Any,
    verdicts: list[Verdict],
    labels: list[str],
    used: dict[str, Any],
    below: lines.Lines,
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
    # A word that rests on the zone shows where the zone ends.
    zone = max((times * float(v.extras["rope"]) for v in verdicts if v.word is Word.EQUIVALENT), default=0.0)
    scale = (min(low, -ZONE_ROOM * zone), max(high, ZONE_ROOM * zone))
    for dataset in {found.dataset for found in verdicts}:
        place = floor_places(findings, dataset)
        scale = below.widened(dataset, place, scale)
        below.draw(panel, dataset, place, scale)
    # A mean off the scale is told, rather than the end of its interval there.
    told = {row for value, row in means_at if not scale[0] <= value <= scale[1]}
    off = figure_style.mark_off_scale(panel, *transposed(means_at), scale, form="mean {:.3g}")
    rest = [(value, row) for value, row in ends_at if row not in told]
    return figure_style.mark_off_scale(panel, *transposed(rest), scale) or off


def floor_places(findings: Findings, dataset: str) -> Callable[[Floor], float]:
    """Where a floor lies among the differences: as far from the control's mean as its score is."""
    shared, control = findings.scores(dataset).shared, findings.plan_of(dataset).declaration.control
    middle = float(shared[control].mean()) if control in shared else math.nan
    times = amounts.scale(findings.metric)
    return lambda floor: times * floor.metric.sign * (floor.value - middle)


def transposed(places: list[tuple[float, int]]) -> tuple[Any, Any]:
    values, rows = np.reshape(places, (-1, 2)).T
    return values, rows


def splits(findings: Findings, panel: Any, dataset: str, labels: list[str], below: lines.Lines) -> bool:
    """A point a split, thin lines through the points of one, a diamond for the mean; whether any lies off the
    scale."""
    metric = findings.plan_of(dataset).primary
    times = amounts.scale(metric)
    table = findings.scores(dataset)
    values = times * table.values.reindex(columns=labels).to_numpy(dtype=float)
    rows = np.arange(len(labels))
    strength = float(np.clip(3 / max(len(values), 1), 0.08, 0.5))
    for line in values:
        panel.plot(line, rows, color=MUTED, linewidth=0.6, alpha=strength, zorder=1)
    grid = np.broadcast_to(rows, values.shape)
    panel.scatter(values.ravel(), grid.ravel(), s=9, color=PALETTE[0], alpha=0.6, linewidths=0, zorder=2)
    means = times * table.shared.mean().reindex(labels).to_numpy(dtype=float)
    panel.plot(means, rows, "D", color=INK, markersize=3.2, zorder=4)
    ends = figure_style.limits(
        values,
        least=None if metric.low is None else times * metric.low,
        most=None if metric.high is None else times * metric.high,
    )
    ends = below.widened(dataset, lambda floor: times * floor.value, ends)
    below.draw(panel, dataset, lambda floor: times * floor.value, ends)
    return figure_style.mark_off_scale(panel, values.ravel(), grid.ravel(), ends)


def caption(findings: Findings, sets: list[str], *, off: bool, first: bool, floors: str) -> str:
    verdicts = [found for found in findings.verdicts if found.dataset in sets]
    band = any(math.isfinite(float(found.extras.get("rope", math.nan))) for found in verdicts)
    more = len(findings.datasets) - len(sets) if first else 0
    return (
        f"Mean difference over n = {ranged({found.n for found in verdicts}, f'paired {findings.unit}')} with its "
        f"{100 * (1 - findings.alpha):g} % interval, right is better"
        + ("; grey: zone of practical equivalence" if band else "")
        + (f"; {counted(more, 'more data set', 'more data sets')} under Differences and means" if more else "")
        + floors
        + (OFF if off else "")
        + "."
    )


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
