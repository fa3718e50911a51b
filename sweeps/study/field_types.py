"""Types of a study file's fields: scalars, domains, and names that a catalogue or the study's task knows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, PlainValidator, ValidationInfo

from slurm.messages import nearest, refusal
from sweeps.study.space import TAN, Domain, SpaceError, check_angle, parse, tan_degrees
from trainer import catalogue
from trainer.errors import UnknownName
from trainer.spec import Scalar
from trainer.tasks.description import Description

SELECTS_ON = "validation/"
"""What a search may select on begins with it: never the held-out part."""


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and set(value) <= {*_DOMAIN_KEYS}:
        raise refusal("accepts one value here; a search space belongs in the activation's space")
    raise refusal("accepts a number, text, true, false or null; lists and mappings are not passed on")


def _named(value: object) -> Scalar:
    """A scalar; a list of texts becomes one text with commas between them, as a reader takes names."""
    if not isinstance(value, list):
        return _scalar(value)
    if not value or not all(isinstance(name, str) for name in value):
        raise refusal("accepts a number, text, true, false, null or a list of texts")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(value)
    return line.getvalue()


_DOMAIN_KEYS = ("uniform", "loguniform", "quniform", "randint", "choice", "grid_search", TAN)


def _parameter(value: object) -> Scalar:
    """A fixed parameter: a scalar, or the tangent of a fixed angle."""
    if isinstance(value, Mapping) and set(value) == {TAN} and not isinstance(value[TAN], list | Mapping):
        try:
            return tan_degrees(check_angle(value[TAN]))
        except SpaceError as error:
            raise refusal(str(error)) from error
    return _scalar(value)


def _domain(value: object) -> Domain:
    if not isinstance(value, Mapping | Domain):
        raise refusal("accepts a domain, as {uniform: [0, 1]}; a fixed value belongs in params (or in training)")
    try:
        return parse(value)
    except SpaceError as error:
        raise refusal(str(error)) from error


def _domain_or_scalar(value: object) -> Domain | Scalar:
    return _domain(value) if isinstance(value, Mapping | Domain) else _scalar(value)


def _plain(value: Domain | Scalar) -> object:
    return value.plain() if isinstance(value, Domain) else value


NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")


def _names_a_folder(name: str) -> str:
    if not NAME.match(name):
        raise refusal(
            "accepts a-z, 0-9, dot, dash and underscore, at most 100, a letter or digit first: it names a folder"
        )
    return name


FolderName = Annotated[str, AfterValidator(_names_a_folder)]
Option = Annotated[bool | int | float | str | None, PlainValidator(_scalar)]
DataOption = Annotated[bool | int | float | str | None, PlainValidator(_named)]
Parameter = Annotated[bool | int | float | str | None, PlainValidator(_parameter)]
Searched = Annotated[Domain, PlainValidator(_domain), PlainSerializer(_plain)]
SearchedOrFixed = Annotated[
    Domain | bool | int | float | str | None, PlainValidator(_domain_or_scalar), PlainSerializer(_plain)
]


def listed(kind: str, names: Mapping[str, str]) -> AfterValidator:
    def check(name: str) -> str:
        try:
            catalogue.check(kind, name, names)
        except UnknownName as error:
            raise refusal(f"{error}", whole=True) from error
        return name

    return AfterValidator(check)


def _of_task(accepted: Callable[[Description], Iterable[str]]) -> AfterValidator:
    """A name that the study's task knows; which task that is, the validation is told by its context."""

    def check(name: str, info: ValidationInfo) -> str:
        task: Description | None = (info.context or {}).get(TASK)
        if task is not None and name not in (names := list(accepted(task))):
            raise refusal(f"accepts {', '.join(names)}{nearest(name, names)}")
        return name

    return AfterValidator(check)


TASK = "task"
"""Key of the validation's context: the description of the study's task."""
Rule = Annotated[str, _of_task(lambda task: task.rules)]
ReportedMetric = Annotated[str, _of_task(lambda task: task.names)]
SelectedOn = Annotated[str, _of_task(lambda task: (SELECTS_ON + name for name in task.validated))]
