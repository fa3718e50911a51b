"""From a suite file to a suite, or to one error that tells all that is wrong with it and with each of its studies."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from slurm import messages, yaml_reader
from slurm.yaml_reader import MOST_PROBLEMS, Document, Path, dotted
from sweeps.errors import StudyError
from sweeps.study import reading
from sweeps.study.field_types import FolderName
from sweeps.study.running import Notify, Tracking
from sweeps.study.section import Section
from sweeps.study.sections import Budget
from sweeps.study.study import Study
from sweeps.suite import budget, members
from sweeps.suite.merging import Place, Placed
from sweeps.suite.suite import STORE, Differing, Suite, differing, study_name

KEY = "suite"
"""The key that tells a suite file from a study file."""


class File(Section):
    """Studies that ask one question of several data sets, models or ways to train."""

    suite: Annotated[FolderName, Field(description="a name for the suite and its folder")]
    question: Annotated[str, Field(min_length=1, description="the one question that all of its studies ask")]
    base: Annotated[str | dict[str, Any] | None, Field(union_mode="left_to_right")] = None
    """A study: written out, a file, or the name of a shipped one."""
    studies: dict[str, Any] = Field(default={})
    """Member -> what differs from the base."""
    vary: dict[str, Any] = Field(default={})
    """Section of a study -> its variants; members are all combinations."""
    budget: Budget | None = None
    """What all studies may cost together; null: no limit, or what each says."""
    notify: Notify | None = None
    """Who is told, once, when all of its studies have ended; those of its studies' own files are not. null: nobody."""


@dataclass(frozen=True)
class Found:
    """Something wrong with one member, and where that was written."""

    place: Place
    member: str
    message: str


def load(path_or_text: pathlib.Path | str, *, origin: str | None = None, check_files: bool = True) -> Suite:
    """The suite in a file (given as a Path) or in a text (given as str).

    ``origin`` is the name shown in messages. Relative paths are taken from the folder of the file that names them, a
    text's from the current one. Raises :class:`StudyError` with all problems that can be told at once: of the suite, or
    else of all its studies, each with the name of the member and the file and line that it comes from."""
    if isinstance(path_or_text, pathlib.Path):
        origin, folder = origin or str(path_or_text), path_or_text.absolute().parent
        text = members.read_text(path_or_text, origin)
    else:
        origin, folder, text = origin or "suite", pathlib.Path.cwd(), path_or_text
    document = yaml_reader.parse(text, origin, StudyError)
    file = _validated(document)
    wanted, problems = members.wanted(document, file.base, file.studies, file.vary, folder)
    if problems:
        raise document.error(problems)
    studies: dict[str, Study] = {}
    found: list[Found] = []
    for member, placed in wanted.items():
        study, wrong = _study(file, member, placed, folder, check_files=check_files)
        found += wrong
        if study is not None:
            studies[member] = study
    if not found:
        found = [_differs(each, wanted[each.member]) for each in differing(studies)]
    if file.budget is not None:
        message = "budget: the suite has one for all of its studies; keep one or the other"
        own = [member for member, study in studies.items() if study.budget is not None]
        found += [Found(wanted[member].place(("budget",)), member, message) for member in own]
    if found:
        raise StudyError(in_words(found, list(wanted)))
    studies = budget.shared(file.budget, studies)
    notify = file.notify.below(folder) if file.notify is not None else None
    return Suite(name=file.suite, question=file.question, budget=file.budget, notify=notify, studies=studies)


def is_suite(text: str) -> bool:
    """Whether a text is meant as a suite; of one that is no YAML, that is not said here."""
    try:
        value = yaml_reader.parse(text, "text", StudyError).value
    except StudyError:
        return text.startswith(f"{KEY}:") or f"\n{KEY}:" in text
    return isinstance(value, dict) and KEY in value


def _validated(document: Document) -> File:
    try:
        return File.model_validate(document.value)
    except ValidationError as error:
        raise document.error(messages.problems(error, File)) from error


def _study(
    file: File, member: str, placed: Placed, folder: pathlib.Path, *, check_files: bool
) -> tuple[Study | None, list[Found]]:
    """A member's study, or what is wrong with it."""
    named: dict[str, Any] = {"name": study_name(file.suite, member), "question": file.question, "notify": None}
    whole = Placed({**placed.value, **named}, placed.places) if isinstance(placed.value, dict) else placed
    study, problems = reading.validated(whole.value, folder, check_files=check_files)
    if study is not None and study.tracking.uri is None:
        study = study.model_copy(update={"tracking": Tracking(uri=STORE)})
    return study, [Found(whole.place(each.path), member, dotted(each.path) + each.message) for each in problems]


def _differs(each: Differing, placed: Placed) -> Found:
    message = f"{each.key}: got {each.got}, and {each.first} has {each.expected}; {each.why}: make them equal"
    path: Path = tuple(each.key.split("."))
    return Found(placed.place(path), each.member, message)


def in_words(found: Sequence[Found], all_members: Sequence[str]) -> str:
    """A line for each problem, in the order of files and lines; one that several members have is told once."""
    by_text: dict[tuple[Place, str], list[str]] = {}
    for each in found:
        by_text.setdefault((each.place, each.message), []).append(each.member)
    lines = []
    for (place, message), names in sorted(by_text.items(), key=lambda item: item[0][0]):
        names = list(dict.fromkeys(names))
        who = "every study" if len(names) == len(all_members) > 1 else ", ".join(names)
        lines.append(f"{place.origin}:{place.line}: {who}: {message}")
    if len(lines) > MOST_PROBLEMS:
        lines = [*lines[:MOST_PROBLEMS], f"and {len(lines) - MOST_PROBLEMS} more"]
    return "\n".join(lines)
