"""Decoders of frozen values, made once per type: for the thousands of records that a study's journals are.

A decoder takes what is as this version writes it, and raises :class:`Unexpected` for anything else: whoever called it
then goes the way that upgrades, or says in words what is wrong (:mod:`trainer.codec`).
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

SINCE = "since"
"""As :data:`trainer.codec.SINCE`."""
Decoder = Callable[[Any, object], Any]
"""The parsed JSON, and the schema of the file that it is a record of; None: this version's."""


class Unexpected(Exception):
    """Not as this version writes it."""


@functools.cache
def decoder(kind: Any) -> Decoder:
    """Of a dataclass, or of what one may hold."""
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union([decoder(option) for option in arguments])
    if origin is tuple:
        return _list(decoder(arguments[0]))
    if origin is Mapping:
        return _mapping(decoder(arguments[1]), arguments[1] is float)
    if isinstance(kind, enum.EnumMeta):
        return _literal({member.value: member for member in kind})  # type: ignore[var-annotated]  # any Enum's values
    return _number if kind is float else _exactly(kind)


def _number(raw: Any, written: object) -> Any:
    if type(raw) is float:
        return raw
    if type(raw) is int:
        return float(raw)
    raise Unexpected


def _exactly(kind: type) -> Decoder:
    def decode(raw: Any, written: object) -> Any:
        if type(raw) is kind:
            return raw
        raise Unexpected

    return decode


def _literal(values: Any) -> Decoder:
    known = dict(values) if isinstance(values, dict) else {value: value for value in values}
    kinds = {type(value) for value in known}

    def decode(raw: Any, written: object) -> Any:
        if type(raw) in kinds and raw in known:
            return known[raw]
        raise Unexpected

    return decode


def _union(options: list[Decoder]) -> Decoder:
    def decode(raw: Any, written: object) -> Any:
        for option in options:
            try:
                return option(raw, None)
            except Unexpected:
                continue
        raise Unexpected

    return decode


def _list(of: Decoder) -> Decoder:
    def decode(raw: Any, written: object) -> Any:
        if type(raw) is list:
            return tuple([of(item, None) for item in raw])
        raise Unexpected

    return decode


def _mapping(of: Decoder, numbers: bool) -> Decoder:
    def decode(raw: Any, written: object) -> Any:
        if type(raw) is not dict:
            raise Unexpected
        if numbers and {type(value) for value in raw.values()} <= {float}:
            return dict(raw)
        return {key: of(value, None) for key, value in raw.items()}

    return decode


def _dataclass(kind: Any) -> Decoder:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    names = {item.name for item in fields}
    required = {item.name for item in fields if SINCE not in item.metadata}
    schema = kind.FORMAT.schema if hasattr(kind, "FORMAT") else None
    # Made when first used: a dataclass may hold others of its own kind.
    of: dict[str, Decoder] = {}

    def decode(raw: Any, written: object) -> Any:
        if type(raw) is not dict or not required <= raw.keys() <= names:
            raise Unexpected
        if schema is not None:
            said = raw.get("schema") if "schema" in names else written
            if (said is not None or written is not None) and (type(said) is not int or said != schema):
                raise Unexpected
        if not of:
            of.update({name: decoder(hints[name]) for name in names})
        return kind(**{name: of[name](value, None) for name, value in raw.items()})

    return decode
