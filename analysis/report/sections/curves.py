"""Learning curves and the generalisation gap."""

from __future__ import annotations

import pandas as pd

from analysis.report.blocks import Block, Drawn, Section, Tabled, Text
from analysis.report.figures import curves, gaps
from analysis.report.findings import Findings, shared_folds
from analysis.report.tables import Table, decimals
from analysis.runs.published import parts_of
from analysis.statistics import generalisation as gap
from analysis.statistics import multiplicity
from analysis.statistics.verdict import to_frame


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = [Drawn(plot) for plot in [*curves.epochs(findings), *curves.times(findings)]]
    return Section(anchor="curves", title="Learning curves", blocks=blocks) if blocks else None


def generalisation(findings: Findings) -> Section | None:
    """None where train and validation metrics of one checkpoint were not both recorded."""
    frame = gaps.gaps(findings)
    if frame.empty:
        return None
    blocks: list[Block] = []
    if (frame["measured"] == "running").any():
        blocks.append(
            Text(
                "Train values are the epoch's running average while weights moved, not a second pass at rest: gaps "
                "are smaller than they would be."
            )
        )
    if (frame["measured"] == "as published").any():
        blocks.append(Text("Train values are as published: how they were measured is not known."))
    blocks += [Drawn(plot) for plot in gaps.gap_figure(findings, frame)]
    blocks.append(Tabled(gap_table(findings, frame)))
    tested = gap_tests(findings)
    if tested is not None:
        blocks.append(Tabled(tested))
    return Section(anchor="generalisation", title="Generalisation", blocks=blocks)


def gap_table(findings: Findings, frame: pd.DataFrame) -> Table:
    name = findings.metric.name
    grouped = shared_folds(frame).groupby(["dataset", "activation"], sort=False)
    result = grouped.agg(
        train=("train", "mean"),
        validation=("validation", "mean"),
        gap=("gap", "mean"),
        sd=("gap", "std"),
        n=("gap", "size"),
    ).reset_index()
    digits = max(3, decimals(result["gap"]))
    return Table(
        name="table-7-gap",
        title="Gap from train to validation",
        caption=(
            f"{name}, {gaps.difference_of(findings.metric)}, {gaps.measured_at(findings)}: mean and sd over n "
            "runs, of the folds that all have; no test."
        ),
        frame=result,
        formats={**dict.fromkeys(("train", "validation", "gap", "sd"), f".{digits}f"), "n": "d"},
        heads={"dataset": "data set", "sd": "sd of the gap"},
        fold=len(result) > 30,
    )


def gap_tests(findings: Findings) -> Table | None:
    """The gap to the scored part against the control's, on the same splits; None where train was not measured."""
    name = findings.metric.name
    part = "train_clean" if f"train_clean/{name}" in findings.claimed else "train"
    if f"{part}/{name}" not in findings.claimed:
        return None
    verdicts = [
        found
        for dataset in findings.datasets
        for found in gap.compare(
            findings.claimed,
            findings.plan_of(dataset).declaration.control,
            dataset=dataset,
            metric=findings.plan_of(dataset).primary,
            activations=findings.plan_of(dataset).activations,
            alpha=findings.alpha,
        )
    ]
    frame = to_frame(multiplicity.adjust(verdicts))
    scored = parts_of(findings.claimed, name)
    columns = ["dataset", "activation", "control", "estimate", "low", "high", "p", "p_adjusted", "n", "note"]
    digits = max(3, decimals(frame["estimate"])) if len(frame) else 3
    return Table(
        name="table-7-gap-tests",
        title=f"Gap from train to {scored}, against the control's",
        caption=(
            f"{name}, {gaps.difference_of(findings.metric, scored)}: difference to the control's on n paired "
            f"{findings.unit}s, positive where the gap is smaller; corrected resampled t, two-sided, Holm over "
            f"{len(frame)}. Exploratory: a family of its own, not declared."
        ),
        frame=frame[columns],
        formats={
            **dict.fromkeys(("estimate", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("p", "p_adjusted"), "p"),
            "n": "d",
        },
        heads={"dataset": "data set", "estimate": "smaller by", "p_adjusted": "p (Holm)"},
        fold=len(frame) > 15,
    )
