"""Scores on one scale over the data sets: their middle, their profile, and how often each beats the control."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.blocks import Block, Drawn, Notice, Tabled
from analysis.report.figure_style import FAINT, Plot
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.wording import counted
from analysis.statistics import aggregate
from analysis.statistics.verdict import Verdict

DRAWS = 500
"""Resamples of every interval of the normalised scores."""


def blocks(findings: Findings) -> list[Block]:
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    scores = aggregate.normalise(tables)
    if scores["score"].notna().sum() == 0:
        return [
            Notice(
                "What knowing nothing scores is not recorded, so scores of different data sets cannot be put on one "
                "scale.",
                tone="note",
            )
        ]
    rng = np.random.Generator(np.random.PCG64(findings.seed))
    summary = aggregate.summary(scores, rng, draws=DRAWS, level=1 - findings.alpha)
    profile = aggregate.profile(scores, rng, level=1 - findings.alpha)
    improved = [
        aggregate.probability_of_improvement(tables, label, findings.control, level=1 - findings.alpha)
        for label in findings.common
        if label != findings.control and findings.control in findings.common
    ]
    level = f"{100 * (1 - findings.alpha):g} %"
    shown: list[Block] = [
        Tabled(
            Table(
                name="table-10-normalised",
                title="Normalised scores",
                caption=(
                    "What knowing nothing scores is 0, the best activation's mean on that data set 1. "
                    f"{level} intervals, too narrow since folds overlap; no test."
                ),
                frame=summary.drop(columns="note"),
                formats={
                    **dict.fromkeys(("value", "low", "high", "low_sets", "high_sets"), ".3f"),
                    **dict.fromkeys(("n", "datasets"), "d"),
                },
                heads={
                    "low": f"{level} from",
                    "high": "to",
                    "low_sets": "with data sets from",
                    "high_sets": "with data sets to",
                    "datasets": "data sets",
                },
                fold=True,
            )
        ),
        Drawn(profile_figure(profile, scores, findings)),
    ]
    if improved:
        shown.append(Tabled(improvement_table(improved, level)))
    return shown


METHODS = (
    f"Intervals of normalised scores are from {DRAWS} resamples of whole splits within data sets, then of data sets, "
    "too; they ignore that folds overlap. iqm is the mean of the middle half; the median is of all runs, not of the "
    "data sets' means as in rliable.",
    "The probability of improvement is the share of splits on which an activation beats the control, ties for half, "
    "mean over data sets, with Wilson's interval. Meaningful is above 0.75 with a low end above 0.5 on at least "
    f"{aggregate.PAIRS_NEEDED} independent pairs; splits of one data set are not independent.",
)


def improvement_table(found: list[Verdict], level: str) -> Table:
    frame = pd.DataFrame(
        [
            {
                "activation": one.activation,
                "control": one.control,
                "probability": one.estimate,
                "low": one.interval.low if one.interval else math.nan,
                "high": one.interval.high if one.interval else math.nan,
                "n": one.n,
                "meaningful": bool(one.extras.get("meaningful", False)),
                "note": one.note,
            }
            for one in found
        ]
    )
    return Table(
        name="table-11-improvement",
        title="Probability of improvement",
        caption=(
            f"Share of splits on which it beats the control, mean over data sets, with Wilson's {level} interval. "
            "Descriptive; no test."
        ),
        frame=frame,
        formats={**dict.fromkeys(("probability", "low", "high"), ".2f"), "n": "d"},
        heads={"low": f"{level} from", "high": "to"},
        fold=len(frame) > 15,
    )


def profile_figure(profile: pd.DataFrame, scores: pd.DataFrame, findings: Findings) -> Plot:
    labels = list(dict.fromkeys(str(label) for label in profile["activation"]))
    colours, dashes = figure_style.colours(labels, findings.control), figure_style.dashes(labels, findings.control)
    few = len(labels) <= figure_style.FEW
    with figure_style.new_figure(2.8 + 0.17 * math.ceil(len(labels) / 4)) as figure:
        panel = figure.subplots()
        for label in labels:
            part = profile[profile["activation"] == label]
            if few:
                panel.fill_between(
                    part["tau"], part["low"], part["high"], color=colours[label], alpha=0.1, linewidth=0, step="post"
                )
            panel.plot(
                part["tau"],
                part["share"],
                color=colours[label],
                linestyle=dashes[label],
                label=figure_style.clip(label),
                linewidth=1.2,
                drawstyle="steps-post",
            )
        ends = figure_style.limits(scores["score"])
        known = scores["score"].dropna()
        outside = int((~known.between(*ends)).sum())
        panel.set_xlim(*ends)
        panel.axvline(1.0, color=FAINT, linewidth=1)
        panel.set_xlabel("normalised score τ")
        panel.set_ylabel("share of runs above τ")
        figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return figure_style.render(
            figure,
            name="figure-6-profile",
            title="Performance profiles",
            caption=(
                "Share of runs above a normalised score, data sets weighing alike; higher is better"
                + ("; bands are pointwise, too narrow since folds overlap" if few else "")
                + "."
                + (f" Outside the drawn range: {outside} of {counted(len(known), 'run')}." if outside else "")
            ),
            data=profile,
        )
