"""Whether the numbers can be what they are said to be: checks, the planned folds by status, what was left out."""

from __future__ import annotations

import pandas as pd

from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.report.figures import completeness
from analysis.report.findings import Findings
from analysis.report.sections import budget
from analysis.report.tables import Table
from analysis.runs.schema import SCORED, Status
from analysis.statistics.finding import Effect, Outcome


def section(findings: Findings) -> Section:
    found = findings.checks
    counts = found["status"].value_counts()
    said = ", ".join(f"{int(counts.get(name, 0))} {name}" for name in Outcome)
    blocks: list[Block] = [Text(f"Checks of the data: {said}.")]
    blocks += [
        Notice(f"{row['dataset']}: {row['note']} {row['consequence']}")
        for _, row in found.iterrows()
        if row["effect"] == Effect.WITHDRAWS
    ]
    blocks += [Notice(text) for text in budget.lacking(findings)]
    blocks.append(Tabled(table(found)))
    if not findings.claimed["status"].isin(SCORED).all():
        blocks.append(Drawn(completeness.drawn(findings)))
    dropped = lost(findings)
    if dropped is not None:
        blocks.append(Tabled(dropped))
    return Section(anchor="integrity", title="Integrity", blocks=blocks)


def table(found: pd.DataFrame) -> Table:
    quiet = bool((found["status"] == Outcome.PASS).all())
    frame = found.drop(columns="activations").rename(columns={"note": "finding"}).reset_index(drop=True)
    return Table(
        name="table-0-checks",
        title="Checks",
        caption=(
            "Run before every report on the rows that the claims rest on; none of them is a test of a difference. "
            "Effect: what a finding does to the word of each comparison that it concerns."
        ),
        frame=frame,
        heads={"dataset": "data set"},
        fold=quiet,
        main=not quiet,
        marked={(row, "status"): str(status) for row, status in enumerate(frame["status"])},
    )


def lost(findings: Findings) -> Table | None:
    """Runs whose score does not count as measured, and what became of them."""
    rows = findings.claimed[~findings.claimed["status"].isin(SCORED)]
    if rows.empty:
        return None
    frame = rows[["dataset", "activation", "repeat", "fold", "status", "reason", "run_id"]].reset_index(drop=True)
    frame["counted"] = ["as knowing nothing" if status == Status.DIVERGED else "left out" for status in frame["status"]]
    return Table(
        name="table-0-lost",
        main=True,
        title="Planned folds whose score does not count as measured",
        caption=(
            "A diverged run is the method's own doing and gets what knowing nothing scores, whatever it scored "
            "before; the others are left out and n says so."
        ),
        frame=frame,
        formats={"repeat": "d", "fold": "d"},
        heads={"dataset": "data set", "run_id": "run"},
        fold=len(frame) > 20,
    )
