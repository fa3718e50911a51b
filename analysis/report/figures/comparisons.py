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
                        f"n = {ranged({v.n for v in shown}, f'paired {findings.unit}')}, Bayesian correlated t."
                    ),
                    data=pd.concat(rows, ignore_index=True),
                )
            )
    return plots
