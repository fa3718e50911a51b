"""From pydantic's errors to sentences: what it got, what is accepted, the nearest name."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sweeps.strict_yaml import Path, Problem

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


def refusal(message: str, *, whole: bool = False) -> PydanticCustomError:
    """An error in our own words: what is accepted. What was got is put before it, unless ``whole``."""
    return PydanticCustomError("study", "{message}", {"message": message, "whole": whole})


def nearest(name: object, known: Iterable[str]) -> str:
    """ "; did you mean x?" for the nearest of the known names, or ""."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class Complaints(ValueError):
    """Several refusals at once: (path below where it is raised, what was got, what is accepted)."""

    def __init__(self, found: Iterable[tuple[Path, object, str]]) -> None:
        self.found = list(found)
        super().__init__("; ".join(message for _, _, message in self.found))


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every problem of a failed validation, each once."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        path = tuple(details["loc"])
        nested = (details.get("ctx") or {}).get("error")
        if isinstance(nested, Complaints):
            found.extend(Problem(path=path + below, message=_got(got, text)) for below, got, text in nested.found)
        else:
            found.append(Problem(path=path, message=_sentence(details, model)))
    return found


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, got, context = details["type"], details["input"], details.get("ctx") or {}
    if kind == "study":
        return str(context["message"]) if context.get("whole") else _got(got, str(context["message"]))
    if kind == "extra_forbidden":
        known = _keys(model, details["loc"][:-1])
        return f"unknown key; accepts {', '.join(known)}{nearest(details['loc'][-1], known)}"
    if kind == "missing":
        return "is missing; add it"
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return _got(got, f"accepts {expected}{nearest(got, expected.split(', '))}")
    accepted = _KINDS.get(kind) or details["msg"].removeprefix("Input should be ")
    return _got(got, f"accepts {accepted}")


def _got(got: object, message: str) -> str:
    return message if message.startswith("unknown key") else f"got {show(got)}; {message}"


def show(value: object) -> str:
    """A value as it stood in the file, shortened."""
    plain = getattr(value, "plain", None)
    text = json.dumps(plain() if plain is not None else value, ensure_ascii=False, default=str)
    if isinstance(value, dict) or plain is not None:
        text = text.replace('"', "")
    return text if len(text) <= 80 else f"{text[:77]}..."


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Keys of the section at a path."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model(model.model_fields[part].annotation)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _model(inner)) is not None), None)
