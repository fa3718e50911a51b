"""A finished study as a notebook has it: its runs as a frame, what may be claimed of them, and the report's figures.

import analysis

study = analysis.open("runs/digits")
study                           # the answer, the verdicts and their figure
study.frame                     # one row a fold
study.verdicts()                # one row a comparison
study.figure("differences")     # as in the report; its numbers are .data
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from analysis.errors import NotInReport, SourceError
from analysis.report import build
from analysis.report.blocks import Screen, Section
from analysis.report.figure_style import Plot
from analysis.report.findings import Findings, gather
from analysis.report.tables import Table
from analysis.runs.load import Study, load_all
from analysis.statistics.verdict import to_frame

Kept = TypeVar("Kept")


def open(*sources: str | Path, allow_incomplete: bool = False) -> Comparison:  # noqa: A001  # as in ``analysis.open``
    """The studies in ``sources``: study folders, or tracking URIs, whose studies are all taken. Several are compared
    together, as one report has them.

    Raises :class:`analysis.errors.SourceError` for what cannot be read, and :class:`analysis.errors.IncompleteFolds`
    where planned folds have no result, unless ``allow_incomplete``; for a study that is given twice, or studies of
    different metrics, :class:`analysis.errors.DeclarationError`.
    """
    for source in sources:
        if not isinstance(source, str | os.PathLike):
            raise SourceError(f'{source!r}: accepts a folder or a URI; give several as open("runs/a", "runs/b")')
    if not sources:
        raise SourceError('analysis.open: got nothing; accepts study folders and URIs, as open("runs/digits")')
    return Comparison(gather(load_all(sources), allow_incomplete=allow_incomplete))


class Comparison:
    """What one or several studies found. Figures and tables are made when they are first asked for."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        """What every section of the report draws on."""

    @property
    def studies(self) -> tuple[Study, ...]:
        """Each with its ``cube``, ``curves`` (one row an epoch) and ``plan``."""
        return self.findings.studies

    @property
    def frame(self) -> pd.DataFrame:
        """One row a fold, with its settings, metrics and times."""
        return self.findings.cube

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an epoch of a fold, with the columns study, activation, phase, repeat and fold of its run."""
        named = self.frame[["run_id", "study", "activation", "phase", "repeat", "fold"]]
        return pd.concat([study.curves for study in self.studies], ignore_index=True).merge(named, on="run_id")

    def verdicts(self) -> pd.DataFrame:
        """One row a comparison: what it may be called (column ``word``), its difference with interval and p, and why.
        Differences are in the metric's units, positive where the activation is better."""
        return to_frame(self.findings.verdicts)

    @property
    def answer(self) -> str:
        """The report's answer."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """Of the answer."""
        return list(self._screen.answer)

    @property
    def warnings(self) -> list[str]:
        """What changes how the answer is to be read."""
        return list(self._screen.warnings)

    @property
    def record(self) -> dict[str, Any]:
        """The answer as plain values, as under ``answer`` in the report's ``numbers.json``."""
        return dict(self._screen.record)

    @property
    def figures(self) -> list[str]:
        """Names of the figures; their files' names are understood, too."""
        return list(self._plots)

    def figure(self, name: str) -> Plot:
        """A figure of the report; a notebook draws it. Its numbers are ``data``, its files ``svg`` and ``png``. Raises
        :class:`NotInReport`."""
        return _found("figure", name, self._plots)

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        return list(self._tables)

    def table(self, name: str) -> pd.DataFrame:
        """The raw values of a table of the report. Raises :class:`NotInReport`."""
        return _found("table", name, self._tables).frame

    def tabled(self, name: str) -> Table | None:
        """A table with its caption, formats and notes; None where this study has none of that name."""
        return self._tables.get(name)

    def report(self, folder: str | Path) -> Path:
        """Writes the report into ``folder``; the path of its page."""
        return build.write_findings(self.findings, folder)

    def _repr_html_(self) -> str:
        screen = self._screen
        parts = [f"<p><b>{escape(screen.question)}</b></p>"] if screen.question else []
        parts += [f"<p>{escape(self.answer)}</p>"]
        parts += [f"<p>&#9888; {escape(text)}</p>" for text in screen.warnings]
        parts += [_html(table)] if (table := self.tabled("verdicts")) is not None else []
        parts += [plot._repr_html_() for plot in screen.plots]
        return "\n".join(parts)

    def __repr__(self) -> str:
        names = ", ".join(plan.study for plan in self.findings.plans)
        return f"<{names}: {len(self.frame)} folds of {', '.join(self.findings.labels)}. {self.answer}>"

    @cached_property
    def _sections(self) -> Sequence[Section]:
        return build.sections_of(self.findings)

    @cached_property
    def _screen(self) -> Screen:
        return next(block for section in self._sections for block in section.blocks if isinstance(block, Screen))

    @cached_property
    def _plots(self) -> dict[str, Plot]:
        return {_spoken(plot.name): plot for section in self._sections for plot in section.plots()}

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return {_spoken(table.name): table for section in self._sections for table in section.tables()}


def _spoken(file: str) -> str:
    """The name of a figure or table without the number that its file begins with."""
    name = re.sub(r"^(?:figure|table)-\d+-", "", file)
    return _CALLED.get(name, name)


_CALLED = {"answer": "differences", "answer-splits": "splits"}


def _found(what: str, name: str, known: dict[str, Kept]) -> Kept:
    if (spoken := _spoken(name)) not in known:
        raise NotInReport(f"{what} {name!r}: this study has {', '.join(known)}{_nearest(spoken, known)}")
    return known[spoken]


def _nearest(name: str, known: dict[str, Kept]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _html(table: Table) -> str:
    sides = ["right" if numeric else "left" for numeric in table.numeric()]

    def row(tag: str, texts: Sequence[str]) -> str:
        cells = zip(texts, sides, strict=True)
        return "".join(f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>' for text, side in cells)

    head = row("th", table.headings)
    rows = "".join(f"<tr>{row('td', texts)}</tr>" for texts in table.texts())
    notes = "".join(f"<li>{escape(text)}</li>" for text in table.notes)
    below = f"<ol>{notes}</ol>" if notes else ""
    caption = f'<caption style="text-align: left">{escape(table.caption)}</caption>'
    return f"<table>{caption}<tr>{head}</tr>{rows}</table>{below}"
