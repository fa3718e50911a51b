"""The comparison report: from studies' frames to one self-contained page and its tables and figures as files.

The same input gives the same bytes: no clock is read, every resampling is seeded from the input's digest.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
import pandas as pd

from analysis.report import tables
from analysis.report.blocks import Block, Drawn, Facts, Listing, Notice, Pasted, Screen, Section, Tabled, Text
from analysis.report.figure_style import Plot
from analysis.report.findings import Findings, gather, imported
from analysis.report.sections import (
    answer,
    appendix,
    cases,
    claims,
    cost,
    curves,
    datasets,
    declaration,
    diffusion,
    floors,
    forecast,
    integrity,
    kinds,
    limits,
    parameters,
    posterior,
    power,
    race,
    reading,
    regression,
    repeats,
    results,
    robustness,
    stages,
    tradeoff,
    verdicts,
)
from analysis.report.tables import Table
from analysis.runs.load import Study
from analysis.runs.published import Published
from analysis.runs.wording import counted

PAGE = "report.html"
SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    answer.section,
    verdicts.section,
    repeats.section,
    declaration.section,
    integrity.section,
    results.raw,
    results.section,
    race.section,
    floors.section,
    cases.section,
    stages.section,
    kinds.section,
    regression.section,
    diffusion.section,
    forecast.section,
    posterior.section,
    datasets.section,
    robustness.section,
    curves.section,
    curves.generalisation,
    cost.section,
    tradeoff.section,
    parameters.section,
    claims.section,
    power.section,
    limits.section,
)
"""In the page's order; how to read them, and the appendix, follow."""
CODES = frozenset({"run_id", "split_hash", "config_digest", "trial"})
LONG_TEXT = 40
LONG_TABLE = 200
"""Rows beyond which the Markdown names a table's file."""


def write(
    studies: Study | Sequence[Study],
    folder: str | Path,
    *,
    allow_incomplete: bool = False,
    published: Published | None = None,
) -> Path:
    """Writes the report into ``folder`` and returns the path of its page.

    The folder gets ``report.html`` (self-contained), ``report.md``, ``tables/*.csv`` and ``*.tex``, ``numbers.json``
    and ``figures/*.svg``, ``*.png`` and ``*.csv``; what an earlier report left there is replaced. Raises
    :class:`~analysis.errors.IncompleteFolds`, naming them, where planned folds have no result, unless
    ``allow_incomplete``; nothing is written then. ``published`` tables are shown beside the studies' numbers, or
    alone where there are no studies.
    """
    if published is not None and not isinstance(studies, Study) and not studies:
        studies = imported(published)
    findings = gather(studies, allow_incomplete=allow_incomplete, published=published)
    return write_findings(findings, folder)


def write_findings(findings: Findings, folder: str | Path) -> Path:
    sections = sections_of(findings)
    title = "Comparison of activations: " + ", ".join(plan.study for plan in findings.plans)
    return publish(sections, Path(folder), title=title, digest=findings.digest)


def sections_of(findings: Findings) -> list[Section]:
    """Every section that has something to say."""
    found = [section for make in SECTIONS if (section := make(findings)) is not None]
    methods = reading.section(found)
    return [*found, *([methods] if methods else []), appendix.section(findings, found)]


def publish(sections: Sequence[Section], folder: Path, *, title: str, digest: str) -> Path:
    """Sections as files; the page is written last."""
    for name in ("tables", "figures"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for section in sections:
        for plot in section.plots():
            plot.save(folder / "figures")
        for table in section.tables():
            (folder / "tables" / f"{table.name}.csv").write_text(tables.to_csv(table), encoding="utf-8")
            (folder / "tables" / f"{table.name}.tex").write_text(tables.to_latex(table), encoding="utf-8")
        for text in section.pasted():
            (folder / text.name).write_text(text.text, encoding="utf-8")
    screens = [block for section in sections for block in section.blocks if isinstance(block, Screen)]
    numbers = {
        "input": digest,
        **({"answer": dict(screens[0].record)} if screens else {}),
        **{key: value for section in sections for key, value in section.record.items()},
        "tables": {table.name: tables.to_records(table) for section in sections for table in section.tables()},
    }
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(sections, title=title, digest=digest), encoding="utf-8")
    page = folder / PAGE
    page.write_text(html(sections, title=title, digest=digest), encoding="utf-8")
    return page


def html(sections: Sequence[Section], *, title: str, digest: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
    )
    environment.globals |= {"csv": data_link, "classes": classes, "counted": counted}
    source = environment.loader
    assert source is not None
    style = source.get_source(environment, "report.css")[0]
    script = source.get_source(environment, "report.js")[0]
    template = environment.get_template("report.html.jinja")
    return template.render(sections=sections, title=title, digest=digest, style=style, script=script) + "\n"


def data_link(frame: pd.DataFrame) -> str:
    text = frame.to_csv(index=False, lineterminator="\n", float_format="%.9g")
    return "data:text/csv;base64," + base64.b64encode(text.encode()).decode()


def classes(table: Table, row: int, name: str, text: str, right: bool) -> str:
    kinds = [
        "number" if right else "",
        "boxed" if (row, name) in table.boxed else "",
        table.marked.get((row, name), ""),
        "code" if name in CODES else ("long" if len(text) > LONG_TEXT and not right else ""),
    ]
    return " ".join(filter(None, kinds))


def markdown(sections: Sequence[Section], *, title: str, digest: str) -> str:
    parts = [f"# {title}"]
    for section in sections:
        parts += [] if section.opening else [f"## {section.title}"]
        parts += [in_markdown(block) for block in section.blocks]
    parts.append(f"Input {digest}.")
    return "\n\n".join(parts) + "\n"


def in_markdown(block: Block) -> str:
    match block:
        case Text(text=text):
            return text
        case Notice(text=text):
            return f"> {text}"
        case Facts(facts=facts):
            return "\n".join(f"- **{term}**: {value}" for term, value in facts)
        case Listing(items=items):
            return "\n".join(f"- {item}" for item in items)
        case Screen():
            return screen_in_markdown(block)
        case Pasted(title=title, text=text):
            return f"**{title}**\n\n```\n{text}```"
        case Drawn(plot=plot):
            return drawn_in_markdown(plot)
        case Tabled(table=table):
            if not table.main or len(table.frame) > LONG_TABLE:
                link = f"tables/{table.name}.csv"
                return f"**{table.title}**, {counted(len(table.frame), 'row')}: [{link}]({link})"
            return f"**{table.title}**. {table.caption}\n\n{tables.to_markdown(table)}"


def drawn_in_markdown(plot: Plot) -> str:
    return f"**{plot.title}**\n\n![{plot.title}](figures/{plot.name}.svg)\n\n{plot.caption}"


def screen_in_markdown(screen: Screen) -> str:
    parts = [f"**{screen.question}**", " ".join(screen.answer), *(f"> {text}" for text in screen.warnings)]
    parts += [drawn_in_markdown(plot) for plot in screen.plots]
    parts.append("\n".join(f"- **{term}**: {' '.join(lines)}" for term, lines in screen.facts))
    return "\n\n".join(filter(None, parts))
