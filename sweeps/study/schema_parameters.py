"""What the shipped activations take, as JSON Schema: made of the table that a study is checked with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sweeps.study.default_spaces import PARAMETERS, Takes
from trainer.activations.arguments import flag, word

Schema = dict[str, Any]
_BOUNDS = {"above": "exclusiveMinimum", "low": "minimum", "high": "maximum"}
_OF_VALUES = ("uniform", "loguniform", "choice", "grid_search")
"""Kinds of domains whose bounds, or values, are all values of the parameter."""


def rules() -> list[Schema]:
    """For each activation with a table: which names its ``params`` and ``space`` may hold, and which values."""
    return [
        {
            "if": {"properties": {"activation": {"const": name}}, "required": ["activation"]},
            "then": {"properties": {"params": _only(takes, _fixed), "space": _only(takes, _searched)}},
        }
        for name, takes in sorted(PARAMETERS.items())
    ]


def value(takes: Takes) -> Schema:
    """Of one value, as it is written as a number, a word or a flag."""
    said = takes.keywords if isinstance(takes, partial) else {}
    made = takes.func if isinstance(takes, partial) else takes
    if made is flag:
        return {"type": "boolean"}
    if made is word:
        return {"enum": list(said["accepted"])}
    return {"type": "number", **{_BOUNDS[key]: bound for key, bound in said.items()}}


def _only(takes: Mapping[str, Takes], as_written: Any) -> Schema:
    """Says something of mappings alone: ``space: default`` is none."""
    return {"properties": {name: as_written(each) for name, each in takes.items()}, "additionalProperties": False}


def _fixed(takes: Takes) -> Schema:
    return {"anyOf": [value(takes), {"type": "object"}]}  # a slope may be written as an angle


def _searched(takes: Takes) -> Schema:
    return {"properties": {kind: {"items": value(takes)} for kind in _OF_VALUES}}
