"""Tables as a report carries them: a frame with its caption and how its columns are written, as HTML rows, Markdown,
LaTeX (booktabs) and CSV.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

DASH = "–"
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "<": "$<$",
    ">": "$>$",
    "∞": r"$\infty$",
    "Δ": r"$\Delta$",
    "τ": r"$\tau$",
    "²": "$^2$",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str
    """File name without its ending."""
    title: str
    caption: str
    """Says n, the test and the correction, where there are any."""
    frame: pd.DataFrame
    """Raw values; what a CSV gets."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """Column -> one of: ``.4f`` and its like, ``+.4f`` (signed), ``p``, ``%``, ``d``; the rest is text."""
    heads: Mapping[str, str] = field(default_factory=dict)
    """Column -> its heading; the column's own name by default."""
    boxed: frozenset[tuple[int, str]] = frozenset()
    """(row position, column) of cells that are framed, since they contradict their neighbours."""
    marked: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """(row position, column) -> CSS class of a cell: better, worse, equivalent, fail, warn, pass, grey."""
    fold: bool = False
    """Closed until it is asked for."""
    main: bool = False
    """Stands in the Markdown, which names the files of the others."""
    footnoted: str = "note"
    """Column of sentences that are shown as numbered notes below; a CSV gets them whole."""

    @property
    def headings(self) -> list[str]:
        return [self.heads.get(name, name) for name in self.names]

    @property
    def names(self) -> list[str]:
        """The columns that are shown: all, but for that of notes where there is none."""
        return [str(name) for name in self.frame.columns if name != self.footnoted or self.notes]

    def numeric(self) -> list[bool]:
        return [name in self.formats for name in self.names]

    @property
    def notes(self) -> list[str]:
        """The notes below, in order of their numbers."""
        if self.footnoted not in self.frame:
            return []
        return list(dict.fromkeys(str(text) for text in self.frame[self.footnoted] if pd.notna(text) and text != ""))

    def texts(self) -> list[list[str]]:
        """Every cell as it is shown, by row."""
        numbers = {text: str(number) for number, text in enumerate(self.notes, start=1)}
        columns = []
        for name in self.names:
            kind = self.formats.get(name, "")
            if name == self.footnoted:
                columns.append([numbers.get(str(value), "") for value in self.frame[name]])
            else:
                columns.append([format_cell(value, kind) for value in self.frame[name]])
        return [list(row) for row in zip(*columns, strict=True)]

    def keys(self) -> list[list[str]]:
        """What a sorting script compares, by row: the number where there is one, else the text."""
        shown_texts = self.texts()
        columns = [
            [row[at] for row in shown_texts] if name == self.footnoted else [sort_key(v) for v in self.frame[name]]
            for at, name in enumerate(self.names)
        ]
        return [list(row) for row in zip(*columns, strict=True)]


def format_cell(value: Any, kind: str) -> str:
    """A value in words. A missing one is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str) or not kind:
        return str(value)
    number = float(value)
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if kind == "p":
        return "< 0.0001" if number < 1e-4 else f"{number:.4f}"
    if kind == "%":
        return f"{100 * number:.1f} %".replace("-", "−")
    if kind == "d":
        return f"{number:.0f}".replace("-", "−")
    return f"{number:{kind}}".replace("-", "−")


def sort_key(value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return repr(float(value))
    return str(value)


def decimals(values: Any) -> int:
    """Digits after the point that tell the values apart: four significant ones of their spread, two to six."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    spread = float(np.ptp(array)) if array.size > 1 else 0.0
    if spread == 0.0:
        return 4
    return int(np.clip(3 - math.floor(math.log10(spread)), 2, 6))


def to_markdown(table: Table) -> str:
    head = "| " + " | ".join(_cell(text) for text in table.headings) + " |"
    rule = "| " + " | ".join("---:" if right else "---" for right in table.numeric()) + " |"
    lines = []
    for position, row in enumerate(table.texts()):
        cells = [
            f"**[{_cell(text)}]**" if (position, name) in table.boxed else _cell(text)
            for name, text in zip(table.names, row, strict=True)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"{number}. {_cell(text)}" for number, text in enumerate(table.notes, start=1)]
    return "\n".join([head, rule, *lines]) + ("\n\n" + "\n".join(notes) if notes else "")


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def to_latex(table: Table) -> str:
    """A booktabs table. Needs \\usepackage{booktabs}."""
    spec = "".join("r" if right else "l" for right in table.numeric())
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(table.title + '. ' + table.caption)}}}"]
    lines += [rf"\label{{tab:{table.name}}}", rf"\begin{{tabular}}{{{spec}}}", r"\toprule"]
    lines += [" & ".join(escape_latex(text) for text in table.headings) + r" \\", r"\midrule"]
    for position, row in enumerate(table.texts()):
        cells = [
            rf"\fbox{{{escape_latex(text)}}}" if (position, name) in table.boxed else escape_latex(text)
            for name, text in zip(table.names, row, strict=True)
        ]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {number}. {escape_latex(text)}" for number, text in enumerate(table.notes, start=1)]
    lines += [r"\end{table}", ""]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def to_csv(table: Table) -> str:
    return str(table.frame.to_csv(index=False, lineterminator="\n"))


def to_records(table: Table) -> list[dict[str, Any]]:
    """Plain values for JSON; NaN and infinities as None."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.frame.to_dict(orient="records")]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
