"""What studies found, for a terminal and for a program: the report's answer, means and verdicts."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Drawn

from analysis.notebook import Comparison
from analysis.report import tables
from analysis.report.tables import Table

SCHEMA = 1
COLUMNS = {
    "means": ("dataset", "activation", "mean", "sd", "low", "high", "n", "diverged", "note"),
    "verdicts": ("dataset", "activation", "verdict", "control", "difference", "low", "high", "p", "n", "note"),
}
"""Of the report's tables, what is shown here."""
SAID_ONCE = {"dataset": "on", "control": "against"}
"""Columns that stand in the title where all rows say the same, and how."""
LEAST, MOST = 80, 118
"""Columns of a terminal that are used: in fewer, numbers would be cut."""


def words(found: Comparison, width: int = MOST) -> str:
    """``width``: columns of the terminal, at which text is wrapped."""
    text = io.StringIO()
    console = Console(file=text, width=min(max(width, LEAST), MOST), markup=False, highlight=False)
    for sentence in found.sentences:
        console.print(sentence)
    for warning in found.warnings:
        console.print(f"Note: {warning}", style="bold")
    for name, shown in COLUMNS.items():
        if (table := found.tabled(name)) is not None:
            console.print()
            _draw(console, table, shown)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())


def _draw(console: Console, table: Table, shown: Collection[str]) -> None:
    texts, numeric = table.texts(), table.numeric()
    once = {
        name: texts[0][at]
        for at, name in enumerate(table.names)
        if name in SAID_ONCE and name in shown and texts and len({row[at] for row in texts}) == 1
    }
    kept = [at for at, name in enumerate(table.names) if name in shown and name not in once]
    title = " ".join([table.title, *(f"{SAID_ONCE[name]} {text}" for name, text in once.items())])
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for at in kept:
        drawn.add_column(
            table.headings[at], justify="right" if numeric[at] else "left", overflow="fold", no_wrap=numeric[at]
        )
    for row in texts:
        drawn.add_row(*(row[at] for at in kept))
    console.print(drawn)
    for number, note in enumerate(table.notes, start=1):
        console.print(f"{number}  {note}")


def record(found: Comparison) -> dict[str, Any]:
    """The same as plain values; keys are those of ``numbers.json``."""
    return {
        "schema": SCHEMA,
        "studies": [plan.study for plan in found.findings.plans],
        "metric": found.findings.metric.name,
        "answer": found.record,
        "means": _records(found, "means"),
        "verdicts": _records(found, "verdicts"),
    }


def _records(found: Comparison, name: str) -> list[dict[str, Any]]:
    table = found.tabled(name)
    return [] if table is None else tables.to_records(table)
