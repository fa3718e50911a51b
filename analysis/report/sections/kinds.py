"""Anomalies by their kind, and the scores that tell them from what is normal: of what the models said of each item."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.report import figure_style, items
from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled
from analysis.report.figure_style import MUTED, PALETTE, Plot
from analysis.report.findings import Findings
from analysis.report.sections.cases import cell
from analysis.report.sections.robustness import measured
from analysis.report.tables import Table
from analysis.statistics.scores import Array

ARRAYS = ("score", "normal", "kind")
AREA = "auroc"
PANELS, BINS = 8, 30
WIDE = 20
"""Scores over more than so many times are drawn on a logarithmic scale."""
METHODS = (
    "By kind: area under the ROC curve of the anomalies of one kind against all normal items of the same held-out "
    "part, ties for half; mean and sd over runs. Kinds of few items vary much, and no test is made of them.",
)


def section(findings: Findings) -> Section | None:
    """None where nothing ranks anomalies, or no kinds of them are told apart."""
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets):
        said = items.of_dataset(findings, dataset, ARRAYS)
        if said:
            blocks += [Tabled(by_kind(findings, dataset, said, at)), Drawn(histograms(findings, dataset, at))]
    if not blocks:
        if not (measured(findings.claimed, AREA) and items.missing(findings)):
            return None
        blocks = [Notice(items.ABSENT, tone="note")]
    return Section(anchor="kinds", title="By kind of anomaly", blocks=blocks, methods=METHODS)


def area(anomalous: Array, normal: Array) -> float:
    """Probability that an anomaly scores above a normal item, ties for half (Mann and Whitney); nan without both."""
    if not len(anomalous) or not len(normal) or not np.isfinite([*anomalous, *normal]).all():
        return math.nan
    ranks = stats.rankdata(np.r_[anomalous, normal])[: len(anomalous)]
    return float((ranks.sum() - len(anomalous) * (len(anomalous) + 1) / 2) / (len(anomalous) * len(normal)))


def by_kind(findings: Findings, dataset: str, said: list[items.Said], at: int) -> Table:
    rows = []
    for one in said:
        arrays = one.items.arrays
        normal = np.asarray(arrays["normal"], dtype=bool)
        score, kind = np.asarray(arrays["score"], dtype=float), np.asarray(arrays["kind"]).astype(str)
        case = str(one.row.get("case") or "")
        for name in np.unique(kind[~normal]):
            mine = ~normal & (kind == name)
            rows.append((case, name, int(mine.sum()), str(one.row["activation"]), area(score[mine], score[normal])))
    long = pd.DataFrame(rows, columns=["case", "kind", "items", "activation", "area"])
    labels = [label for label in findings.plan_of(dataset).activations if (long["activation"] == label).any()]
    keys = ["case", "kind"] if long["case"].any() else ["kind"]
    result = []
    for names, mine in long.groupby(keys, sort=False):
        row: dict[str, object] = dict(zip(keys, names if isinstance(names, tuple) else (names,), strict=True))
        row["items"] = float(mine["items"].mean())
        for label in labels:
            found = mine.loc[mine["activation"] == label, "area"].dropna()
            row[label] = cell(float(found.mean()), float(found.std(ddof=1)), 3) if len(found) else "–"
        result.append(row)
    return Table(
        name=f"table-28-kinds{'' if at == 0 else f'-{at + 1}'}",
        main=True,
        title=f"By kind of anomaly on {dataset}",
        caption=(
            "Area under the ROC curve against all normal items, mean ± sd over runs; items: anomalies a run. No test."
        ),
        frame=pd.DataFrame(result),
        formats={"items": "d", **dict.fromkeys(labels, "text")},
        fold=len(result) > 40,
    )


def histograms(findings: Findings, dataset: str, at: int) -> Plot:
    """Scores of normal items and of anomalies, a panel an activation, of one fold."""
    said = items.one_each(findings, dataset, ARRAYS)[:PANELS]
    columns = min(4, len(said))
    rows = -(-len(said) // columns)
    frames = []
    with figure_style.new_figure(1.0 + 1.6 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        for panel in panels.flat[len(said) :]:
            panel.set_visible(False)
        for panel, one in zip(panels.flat, said, strict=False):
            normal = np.asarray(one.items.arrays["normal"], dtype=bool)
            score = np.asarray(one.items.arrays["score"], dtype=float)
            low, high = figure_style.limits(score)
            bins = np.linspace(low, high, BINS)
            if score.min() > 0 and np.quantile(score, 0.95) > WIDE * np.quantile(score, 0.05):
                low, high = score.min(), score.max()
                bins = np.geomspace(low, high, BINS)
                panel.set_xscale("log")
            for mine, colour, name in ((normal, MUTED, "normal"), (~normal, PALETTE[1], "anomaly")):
                shown = np.clip(score[mine], low, high)
                weights = np.full(len(shown), 1 / max(len(shown), 1))
                panel.hist(shown, bins, color=colour, alpha=0.6, weights=weights, label=name)
            panel.set_title(figure_style.clip(str(one.row["activation"]), 20), loc="left", fontsize=8.5)
            panel.set_yticks([])
            if panel.get_xscale() == "linear":
                panel.locator_params(axis="x", nbins=3)
            frames.append(
                pd.DataFrame(
                    {
                        **{"activation": one.row["activation"], "item": one.items.indices},
                        **{"kind": np.asarray(one.items.arrays["kind"]).astype(str), "normal": normal, "score": score},
                    }
                )
            )
        panels[-1, 0].set_xlabel("score, higher is less normal", loc="left")
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure_style.render(
            figure,
            name=f"figure-11-scores{'' if at == 0 else f'-{at + 1}'}",
            title=f"Scores of normal items and of anomalies on {dataset}",
            caption=(
                f"The held-out part of {items.fold_of(said[0], cased=bool(said[0].row.get('case')))}; each side as "
                "shares of its own, what lies far off in the last bar. Scores of two activations have no common scale."
            ),
            data=pd.concat(frames, ignore_index=True),
        )
