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
WIDTH = 118


def words(found: Comparison, width: int = WIDTH) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, markup=False, highlight=False)
    for sentence in found.sentences:
        console.print(sentence)
    for warning in found.warnings:
        console.print(f"Note: {warning}", style="bold")
    for name, shown in COLUMNS.items():
        if (table := found.tabled(name)) is not None:
            console.print()
            _draw(console, table, shown)
    return text.getvalue().rstrip("\n")


def _draw(console: Console, table: Table, shown: Collection[str]) -> None:
    kept = [at for at, name in enumerate(table.names) if name in shown]
    numeric = table.numeric()
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, title=table.title, title_justify="left")
    for at in kept:
        drawn.add_column(
            table.headings[at], justify="right" if numeric[at] else "left", overflow="fold", no_wrap=numeric[at]
        )
    for row in table.texts():
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
