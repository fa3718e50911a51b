"""What the models of study files and profiles say of their keys, for editors and the reference of keys: the docstrings
below their fields."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def by_name(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The model and all that its fields are made of, by name."""
    found = {model.__name__: model}
    waiting = [model]
    while waiting:
        for field in waiting.pop().model_fields.values():
            for each in _models(field.annotation):
                if each.__name__ not in found:
                    found[each.__name__] = each
                    waiting.append(each)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for inner in typing.get_args(annotation) for found in _models(inner)]


def attributes(model: type) -> dict[str, str]:
    """Field -> the docstring below it, on one line; of the model and of those that it builds on."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__ in ("builtins", "typing") or each is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (text := _text(after)):
                found[field.target.id] = _for_writers(text)
    return found


def _for_writers(text: str) -> str:
    """In YAML's words."""
    return re.sub(r"\bNone\b", "null", " ".join(text.split())).replace("``", "`")


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def describe(schema: dict[str, Any], model: type[BaseModel], above: Mapping[str, str] = MappingProxyType({})) -> None:
    """Writes into the JSON schema of a model what its keys mean. ``above``: of the keys of a greater whole, which mean
    the same here where nothing else is said."""
    said = {**above, **attributes(model)}
    if model.__doc__:
        schema["description"] = _for_writers(model.__doc__)
    for key, held in schema.get("properties", {}).items():
        held.pop("title", None)
        if key in said:
            held.setdefault("description", said[key])
    schema.pop("title", None)


def said(schema: dict[str, Any]) -> dict[str, Any]:
    """What the schema of a key says beside what is accepted."""
    return {key: value for key, value in schema.items() if key in ("description", "default")}
