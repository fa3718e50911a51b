"""The figures of results: raw points, differences, and what they come to as the zone of equivalence widens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.report import figure_style
from analysis.report.figure_style import FAINT, INK, MUTED, PALETTE, Plot
from analysis.report.findings import Findings
from analysis.runs.metric import Metric
from analysis.runs.published import part_of, parts_of
from analysis.runs.wording import counted
from analysis.statistics import bayes
from analysis.statistics.verdict import Verdict, Word

BLUE, VERMILION, GREEN = PALETTE[:3]
WORD_COLOURS: dict[str, str] = {
    Word.BETTER: BLUE,
    Word.WORSE: VERMILION,
    Word.EQUIVALENT: GREEN,
    Word.UNDECIDED: MUTED,
    Word.CANNOT_TELL: MUTED,
    Word.DESCRIPTIVE: MUTED,
}
WORD_MARKERS: dict[str, str] = {
    Word.BETTER: ">",
    Word.WORSE: "<",
    Word.EQUIVALENT: "D",
    Word.UNDECIDED: "o",
    Word.CANNOT_TELL: "x",
    Word.DESCRIPTIVE: "s",
}


def suffix(at: int) -> str:
    return "" if at == 0 else f"-{at + 1}"


def points(findings: Findings, datasets: Sequence[str]) -> list[Plot]:
    """Every score, one point a split; lines join the points of one split; the mean with its corrected interval."""
    plots = []
    name = findings.metric.name
    for at, group in enumerate(figure_style.groups(datasets)):
        labels = [label for label in findings.labels if any(label in findings.plan_of(d).activations for d in group)]
        rows: list[pd.DataFrame] = []
        counts: set[int] = set()
        off = False
        with figure_style.new_figure(figure_style.row_height(len(labels))) as figure:
            panels = figure_style.columns(figure, group)[0]
            for panel, dataset in zip(panels, group, strict=True):
                table = findings.scores(dataset)
                shared = table.shared
                values = table.values.reindex(columns=labels).to_numpy(dtype=float)
                place = np.arange(len(labels))
                alpha = float(np.clip(3 / max(len(values), 1), 0.08, 0.5))
                for line in values:
                    panel.plot(line, place, color=MUTED, linewidth=0.6, alpha=alpha, zorder=1)
                grid = np.broadcast_to(place, values.shape)
                means: list[tuple[float, float]] = []
                panel.scatter(values.ravel(), grid.ravel(), s=9, color=BLUE, alpha=0.55, linewidths=0, zorder=2)
                for row in range(len(labels)):
                    if labels[row] not in shared or shared.empty:
                        continue
                    column = shared[labels[row]].to_numpy(dtype=float)
                    low, high = mean_interval(column, table.ratio, 1 - findings.alpha, table.metric)
                    panel.plot([low, high], [row + 0.28] * 2, color=INK, linewidth=1.2, zorder=3)
                    means += [(value, row + 0.28) for value in (low, column.mean(), high)]
                    panel.plot([column.mean()], [row + 0.28], "D", color=INK, markersize=3.5, zorder=4)
                    counts.add(len(column))
                xs, ys = (
                    np.r_[a.ravel(), b] for a, b in zip((values, grid), np.reshape(means, (-1, 2)).T, strict=True)
                )
                off |= figure_style.mark_off_scale(
                    panel, xs, ys, figure_style.limits(xs, least=findings.metric.low, most=findings.metric.high)
                )
                long = table.values.rename_axis("split").reset_index().melt("split", var_name="activation")
                rows.append(long.assign(dataset=dataset))
                figure_style.label_rows(panel, labels)
                part = part_of(findings.claimed[findings.claimed["dataset"] == dataset], name)
                panel.set_xlabel(f"{part} {findings.metric.label}")
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-1-points{suffix(at)}",
                    title=f"{parts_of(findings.claimed, name).capitalize()} {name} of every split",
                    caption=(
                        f"A point a split, a line joins one split, a diamond is the mean over the {ranged(counts)} "
                        f"splits that all have, with its {100 * (1 - findings.alpha):g} % interval."
                        + (figure_style.OFF_SCALE if off else "")
                    ),
                    data=pd.concat(rows, ignore_index=True),
                )
            )
    return plots


def mean_interval(values: Any, ratio: float, level: float, metric: Metric) -> tuple[float, float]:
    """Corrected interval of one activation's mean, cut where the metric ends; of no width where it cannot be known."""
    n = len(values)
    middle = float(np.mean(values))
    if n < 3 or not math.isfinite(ratio):
        return middle, middle
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * float(np.std(values, ddof=1)) * math.sqrt(1 / n + ratio)
    low, high = middle - half, middle + half
    return low if metric.low is None else max(low, metric.low), high if metric.high is None else min(high, metric.high)


def ranged(counts: set[int], thing: str = "") -> str:
    """``5`` or ``3 to 5``, with what is counted where that is given."""
    least, most = min(counts, default=0), max(counts, default=0)
    said = counted(most, thing) if thing else str(most)
    return said if least == most else f"{least} to {said}"


def rivals(findings: Findings, group: Sequence[str]) -> list[str]:
    controls = {findings.plan_of(dataset).declaration.control for dataset in group}
    alone = controls.pop() if len(controls) == 1 else None
    return [label for label in findings.labels if label != alone]


def against_control(findings: Findings, group: Sequence[str]) -> list[Verdict]:
    return [
        found
        for dataset in group
        for label in findings.labels
        if (found := findings.verdict(dataset, label)) is not None
    ]


def forest(findings: Findings, datasets: Sequence[str]) -> list[Plot]:
    """Differences to the control with their intervals and the region of practical equivalence."""
    plots = []
    for at, group in enumerate(figure_style.groups(datasets)):
        labels = rivals(findings, group)
        shown = against_control(findings, group)
        if not shown:
            continue
        off = False
        with figure_style.new_figure(figure_style.row_height(len(labels)) + 0.35) as figure:
            panels = figure_style.columns(figure, group)[0]
            used: dict[str, Any] = {}
            for panel, dataset in zip(panels, group, strict=True):
                panel.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
                mine = [verdict for verdict in shown if verdict.dataset == dataset]
                off |= set_scale(panel, mine, labels, findings.metric)
                used |= draw_differences(panel, mine, labels)
                figure_style.label_rows(panel, labels)
                control = figure_style.clip(findings.plan_of(dataset).declaration.control, 14)
                panel.set_xlabel(f"Δ {findings.metric.label} to {control}")
            figure.legend(
                list(used.values()),
                list(used),
                loc="outside lower center",
                ncols=min(len(used), 4) or 1,
                handlelength=1,
            )
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-2-differences{suffix(at)}",
                    title="Differences to the control, positive is better",
                    caption=(
                        f"Mean paired difference over {ranged({v.n for v in shown}, 'split')} with its "
                        f"{100 * (1 - findings.alpha):g} % interval{banded(shown)}."
                        + (figure_style.OFF_SCALE if off else "")
                    ),
                    data=pd.DataFrame([difference(found) for found in shown]),
                )
            )
    return plots


def draw_differences(panel: Any, verdicts: Sequence[Verdict], labels: Sequence[str]) -> dict[str, Any]:
    """One row a verdict: estimate, interval and region of practical equivalence. Gives a handle for each word."""
    used: dict[str, Any] = {}
    for found in verdicts:
        row = labels.index(found.activation)
        colour = WORD_COLOURS[found.word]
        rope = float(found.extras.get("rope", math.nan))
        if math.isfinite(rope):
            panel.fill_betweenx([row - 0.5, row + 0.5], -rope, rope, color=FAINT, linewidth=0, zorder=0)
        if found.interval is not None:
            panel.plot(found.interval, [row, row], color=colour, linewidth=1.6, zorder=2)
        if math.isfinite(found.estimate):
            (used[str(found.word)],) = panel.plot(
                [found.estimate],
                [row],
                WORD_MARKERS[found.word],
                color=colour,
                markersize=5.5,
                linestyle="none",
                zorder=3,
            )
    return used


def difference(found: Verdict) -> dict[str, Any]:
    return {
        "dataset": found.dataset,
        "activation": found.activation,
        "control": found.control,
        "estimate": found.estimate,
        "low": found.interval.low if found.interval else math.nan,
        "high": found.interval.high if found.interval else math.nan,
        "n": found.n,
        "rope": found.extras.get("rope", math.nan),
        "word": str(found.word),
    }


def banded(verdicts: Sequence[Verdict]) -> str:
    """What the grey band is, where one is drawn."""
    drawn = any(math.isfinite(float(found.extras.get("rope", math.nan))) for found in verdicts)
    return "; grey: zone of practical equivalence" if drawn else ""


def set_scale(panel: Any, verdicts: Sequence[Verdict], labels: Sequence[str], metric: Metric) -> bool:
    """An axis for the verdicts' intervals and 0, which stops at the largest difference that there can be; whether any
    reach beyond it."""
    drawn = [
        (value, labels.index(found.activation))
        for found in verdicts
        for value in (found.estimate, *(found.interval or ()))
    ]
    values, rows = np.reshape(drawn, (-1, 2)).T
    span = None if metric.low is None or metric.high is None else metric.high - metric.low
    low, high = figure_style.limits([*values, 0.0], least=None if span is None else -span, most=span)
    return figure_style.mark_off_scale(panel, values, rows, (min(low, 0.0), max(high, 0.0)))


def rope_widths(findings: Findings) -> list[Plot]:
    """The three probabilities against the half-width of the region of practical equivalence."""
    plots = []
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        labels = rivals(findings, group)
        shown = [v for v in against_control(findings, group) if "scale" in v.extras]
        if not shown:
            continue
        rows: list[pd.DataFrame] = []
        with figure_style.new_figure(figure_style.row_height(len(labels)) + 0.35) as figure:
            panels = figure_style.columns(figure, group)[0]
            handles: dict[str, Any] = {}
            for panel, dataset in zip(panels, group, strict=True):
                mine = [v for v in shown if v.dataset == dataset]
                declared = [float(v.extras["rope"]) for v in mine if math.isfinite(float(v.extras["rope"]))]
                typical = float(np.median([float(v.extras["scale"]) for v in mine])) if mine else 0.0
                widest = 3 * max([*declared, typical]) or 1.0
                for found in mine:
                    row = labels.index(found.activation)
                    frame = bayes.by_width(
                        findings.pairs(dataset, found.activation), np.linspace(0, widest, 31).tolist()
                    )
                    for column, colour, dash in (
                        ("worse", VERMILION, ":"),
                        ("same", GREEN, "--"),
                        ("better", BLUE, "-"),
                    ):
                        (handles[column],) = panel.plot(
                            frame["width"], row + 0.4 - 0.8 * frame[column], dash, color=colour, linewidth=1.2
                        )
                    panel.axhline(row + 0.5, color=FAINT, linewidth=0.5, zorder=0)
                    rows.append(frame.assign(dataset=dataset, activation=found.activation))
                for rope in sorted(set(declared)):
                    panel.axvline(rope, color=INK, linewidth=0.8, zorder=1)
                figure_style.label_rows(panel, labels)
                panel.set_xlim(0, widest)
                panel.set_xlabel("half-width of the region")
            figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-3-rope{suffix(at)}",
                    title="How the three probabilities depend on what counts as the same",
                    caption=(
                        "Each row runs from probability 0 (bottom) to 1 (top)"
                        f"{'; the vertical line is the width in use' if banded(shown) else ''}. "
                        f"n = {ranged({v.n for v in shown}, 'paired split')}, Bayesian correlated t."
                    ),
                    data=pd.concat(rows, ignore_index=True),
                )
            )
    return plots
