"""From pydantic's errors to sentences: what it got, what is accepted, the nearest name. For all files people write."""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from slurm.yaml_reader import Path, Problem

OURS = "ours"
"""Type of the errors that say in our own words what is accepted."""
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


def refusal(message: str, *, whole: bool = False) -> PydanticCustomError:
    """An error in our own words: what is accepted. What was got is put before it, unless ``whole``."""
    return PydanticCustomError(OURS, "{message}", {"message": message, "whole": whole})


def nearest(name: object, known: Iterable[str]) -> str:
    """ "; did you mean x?" for the nearest of the known names, or ""."""
    by_lower = {item.lower(): item for item in known}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


Finding = tuple[Path, object, str]
"""Where (below what is checked), what was got, what is accepted."""


class Problems(ValueError):
    """Several refusals at once."""

    def __init__(self, found: Iterable[Finding]) -> None:
        self.found = list(found)
        super().__init__("; ".join(message for _, _, message in self.found))


def refuse(found: Iterable[Finding]) -> None:
    """Raises :class:`Problems` where there are any, for a validator."""
    if problems := list(found):
        raise Problems(problems)


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every problem of a failed validation, each once."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        path = tuple(details["loc"])
        nested = (details.get("ctx") or {}).get("error")
        if isinstance(nested, Problems):
            found.extend(Problem(path=path + below, message=_got(got, text)) for below, got, text in nested.found)
        else:
            found.append(Problem(path=path, message=_sentence(details, model)))
    return found


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, got, context = details["type"], details["input"], details.get("ctx") or {}
    if kind == OURS:
        return str(context["message"]) if context.get("whole") else _got(got, str(context["message"]))
    if kind == "extra_forbidden":
        known = list(_owner(model, details["loc"][:-1]).model_fields)
        return f"unknown key; accepts {', '.join(known)}{nearest(details['loc'][-1], known)}"
    if kind == "missing":
        field = _owner(model, details["loc"][:-1]).model_fields.get(str(details["loc"][-1]))
        return f"is missing; accepts {field.description if field and field.description else 'a value'}"
    return _got(got, accepts(details))


def accepts(details: ErrorDetails) -> str:
    """What would have been accepted, of an error about a single value."""
    kind = details["type"]
    if kind in ("literal_error", "enum"):
        expected = str((details.get("ctx") or {})["expected"]).replace("'", "").replace(" or ", ", ")
        return f"accepts {expected}{nearest(details['input'], expected.split(', '))}"
    if kind == "string_type" and isinstance(details["input"], bool | int | float):
        return "accepts text; put it in quotes"
    accepted = _KINDS.get(kind) or details["msg"].removeprefix("Input should be ")
    return f"accepts a number {accepted}" if kind.startswith(("greater_than", "less_than")) else f"accepts {accepted}"


def _got(got: object, message: str) -> str:
    return message if message.startswith(("unknown key", "is missing")) else f"got {show(got)}; {message}"


class Phrase:
    """Something got that is better said than shown."""

    def __init__(self, text: str) -> None:
        self.text = text


def show(value: object) -> str:
    """A value as it stood in the file, shortened."""
    if isinstance(value, Phrase):
        return value.text
    plain = getattr(value, "plain", None)
    text = json.dumps(plain() if plain is not None else value, ensure_ascii=False, default=str)
    if isinstance(value, dict) or plain is not None:
        text = text.replace('"', "")
    return text if len(text) <= 80 else f"{text[:77]}..."


def _owner(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The section that stands at a path."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model(model.model_fields[part].annotation) or model
    return model


def _model(annotation: Any) -> type[BaseModel] | None:
    if typing.get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _model(inner)) is not None), None)
