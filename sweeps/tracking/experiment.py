"""What the experiment of a study says of itself in MLflow, beside its runs: question, answer, where the report is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from analysis.runs import schema
from sweeps.folder import reported
from sweeps.folder.layout import PROVENANCE, quote_path
from sweeps.folder.reported import Reported
from sweeps.tracking import shared_views
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.run_content import claims
from sweeps.tracking.run_values import NOTE
from sweeps.wording import counted
from trainer.journal import FILE, attempt_folder, attempts, read_fold

LONGEST = 4000
"""Characters of a description: MLflow before 2.19 takes 5000 in a tag."""
PARAGRAPH = 1200
REPORT_PAGE = f"{schema.REPORT_ARTIFACT}/report.html"
WARNINGS = 3


def tags(reader: FolderReader, report: str = "") -> dict[str, str]:
    """The tags that the experiment is to have, all of them ours to change; those of ours that it has beyond these are
    taken away. ``report``: the address of the attached report within MLflow's UI; "" where none is attached."""
    return {**shared_views.of_folder(reader), NOTE: description(reader, report)}


def report_address(experiment: str, run: str) -> str:
    """Of the report among a run's artifacts, from any page of MLflow's UI on."""
    return f"#/experiments/{experiment}/runs/{run}/artifacts/{REPORT_PAGE}"


def description(reader: FolderReader, report: str = "") -> str:
    """In Markdown, as MLflow's UI draws it."""
    known = reported.read(reader.folder)
    question = reader.plan.declaration.question or "Which activation is better? No question was written down."
    where = f"**Study folder.** `{reader.folder.resolve()}`{_host(reader)}"
    parts = [
        f"**Question.** {plain(question)}",
        *_answer(reader, known),
        f"**How claims are made.** {plain(' '.join(claims(reader.plan)))}",
        f"**Report.** [report.html]({report}), attached to the run `{reader.plan.study}`" if report else "",
        where,
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= LONGEST else text[: LONGEST - len(where) - 7].rstrip() + " ...\n\n" + where


def plain(text: str) -> str:
    """The text in one paragraph, no longer than a reader takes in, without what Markdown would take for a sign."""
    text = " ".join(text.split())
    text = text if len(text) <= PARAGRAPH else text[:PARAGRAPH].rstrip() + " ..."
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>#|~" else sign for sign in text)


def _answer(reader: FolderReader, known: Reported | None) -> Iterator[str]:
    anew = f"`actsweep report {quote_path(reader.folder)}`"
    if known is None:
        yield f"**Answer.** Not reported yet: {anew} writes the report."
        return
    day = datetime.fromtimestamp(known.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if known.said is None:
        yield f"**Answer.** A report was written on {day}; {anew} writes it anew, and its answer stands here then."
        return
    others = len(known.said.studies) - 1
    together = f", with {counted(others, 'other study', 'other studies')}" if others > 0 else ""
    yield f"**Answer** (report of {day}{together}). {plain(known.said.answer)}"
    for warning in known.said.warnings[:WARNINGS]:
        yield f"*Note.* {plain(warning)}"
    if further := since(reader, known.time):
        yield f"**That report is not the last word**: {further}. {anew} writes it anew."


def since(reader: FolderReader, moment: float) -> str:
    """What has changed since, in words; "" where nothing has. ``moment``: in seconds since the Unix epoch."""
    grown = [one for one in reader.plan.history if datetime.fromisoformat(one.at).timestamp() > moment]
    ended = sum(_ended_after(reader, fold, moment) for fold in reader.all_folds())
    said = [f"the study was extended on {grown[-1].at}"] if grown else []
    said += [f"{counted(ended, 'fold')} {'has' if ended == 1 else 'have'} ended since"] if ended else []
    return ", and ".join(said)


def _ended_after(reader: FolderReader, fold: str, moment: float) -> bool:
    home = reader.folder / "trials" / fold
    try:
        newest = [attempt_folder(home, number) / FILE for number in attempts(home)[-1:]]
        if not newest or newest[0].stat().st_mtime < moment:  # nobody wrote anything since: not read
            return False
        history = read_fold(home)
    except (OSError, ValueError):  # told when that fold's own turn comes
        return False
    return history is not None and history.end is not None and history.end.time > moment


def _host(reader: FolderReader) -> str:
    try:
        said: Any = json.loads((reader.folder / PROVENANCE).read_text(encoding="utf-8"))
        return f", made on {plain(str(said['host']))}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
