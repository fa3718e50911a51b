"""Frozen values as JSON between processes and versions. Loads without torch.

Each format (specification, pack, journal, ledger ...) has a number of its own, raised whenever a text of it would be
read otherwise, and a reader for the number before: what the previous version wrote goes on to be read, and nothing
older or newer is guessed at.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from trainer import decoders
from trainer.errors import OtherVersion, SpecError

T = TypeVar("T")
Raw = dict[str, Any]

SINCE = decoders.SINCE
"""Key in a dataclass field's metadata: the schema in which the field came. A text that lacks it means its default,
which is what was done before, and so does an identity: see :func:`identity`."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format and its number. A dataclass belongs to one by its class attribute ``FORMAT``."""

    name: str
    """As it is named in messages: "fold specification"."""
    schema: int
    previous: Mapping[str, Callable[[Raw], Raw]] = field(default_factory=dict)
    """Name of a dataclass -> its text as ``schema - 1`` wrote it, as it is written now. Others have not changed."""

    def upgrade(self, kind: str, raw: Raw, written: object, path: str) -> Raw:
        """``raw``, written by schema ``written``, as this schema writes it. Raises :class:`OtherVersion`."""
        if written == self.schema and type(written) is int:
            return raw
        if self.schema > 1 and written == self.schema - 1 and type(written) is int:
            upgraded = self.previous.get(kind, dict)(raw)
            return {**upgraded, "schema": self.schema} if "schema" in raw else upgraded
        read = f"{self.schema - 1} and {self.schema}" if self.schema > 1 else str(self.schema)
        raise OtherVersion(
            f"{path}: {self.name} of schema {written}; this version of actsweep reads schema {read}: use the version "
            "that wrote it"
        )


def to_text(value: Any) -> str:
    """Canonical JSON of a dataclass: sorted keys, no spaces, non-finite numbers refused."""
    return _canonical(dataclasses.asdict(value))


def digest(value: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of :func:`identity`."""
    return hashlib.sha256(identity(value).encode()).hexdigest()[:16]


def identity(value: Any) -> str:
    """:func:`to_text` without what was added later and says nothing new: a field that came with a later schema is left
    out where it has its default, which is what was done before it was there. So what an earlier version named keeps
    its name."""
    return _canonical(_identity(value))


def _canonical(plain: object) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _identity(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = {}
        for item in dataclasses.fields(value):
            content = getattr(value, item.name)
            if SINCE in item.metadata and content == _default(item):
                continue
            kept[item.name] = 1 if item.name == "schema" else _identity(content)
        return kept
    if isinstance(value, Mapping):
        return {key: _identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value


def _default(item: dataclasses.Field[Any]) -> object:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def from_text(kind: type[T], text: str) -> T:
    """The inverse of :func:`to_text`, for this schema and the one before. Raises :class:`SpecError` on any missing,
    unknown or ill-typed field."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{kind.__name__}: not JSON ({error})") from error
    return from_plain(kind, raw)


def from_plain(kind: type[T], raw: object, *, written: int | None = None) -> T:
    """:func:`from_text` for an already parsed value. ``written``: the schema of the file that it is a record of, for
    records that do not say it themselves; None: this version's."""
    value: object
    known: Any = kind
    try:
        value = decoders.decoder(known)(raw, written)
    except decoders.Unexpected:  # to be upgraded, or to be told what is wrong with it
        value = _decode(kind, raw, kind.__name__, written)
    assert isinstance(value, kind)
    return value


def _decode(kind: Any, raw: object, path: str, written: int | None = None) -> object:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, raw, path, written)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if raw in arguments and type(raw) in {type(argument) for argument in arguments}:
            return raw
        raise SpecError(f"{path}: got {raw!r}, accepts one of {list(arguments)}")
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, raw, path, kind)
    if origin is tuple and isinstance(raw, list):
        return tuple(_decode(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(raw))
    if origin is Mapping and isinstance(raw, dict):
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in raw.items()}
    if isinstance(kind, enum.EnumMeta):
        values = {member.value: member for member in kind}  # type: ignore[var-annotated]  # any Enum's values
        if isinstance(raw, str | int) and raw in values:
            return values[raw]
        raise SpecError(f"{path}: got {raw!r}, accepts one of {list(values)}")
    if kind is float and type(raw) in (int, float):
        return float(raw)  # type: ignore[arg-type]  # the line above says so
    if isinstance(kind, type) and type(raw) is kind:
        return raw
    raise SpecError(f"{path}: got {raw!r}, accepts {getattr(kind, '__name__', kind)}")


def _decode_union(options: tuple[Any, ...], raw: object, path: str, kind: Any) -> object:
    for option in options:
        try:
            return _decode(option, raw, path)
        except SpecError:
            continue
    raise SpecError(f"{path}: got {raw!r}, accepts {kind}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: Any, raw: object, path: str, written: int | None) -> object:
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: got {type(raw).__name__}, accepts an object")
    hints = _hints(kind)
    names = {item.name for item in dataclasses.fields(kind)}
    later = {item.name for item in dataclasses.fields(kind) if SINCE in item.metadata}
    known: Format | None = getattr(kind, "FORMAT", None)
    if known is not None:
        said = raw.get("schema") if "schema" in names else written
        raw = known.upgrade(kind.__name__, raw, known.schema if said is None and written is None else said, path)
    if missing := sorted(names - later - raw.keys()):
        raise SpecError(f"{path}: missing {', '.join(missing)}")
    if unknown := sorted(raw.keys() - names):
        raise OtherVersion(f"{path}: unknown {', '.join(unknown)}; is it of a newer version of actsweep?")
    return kind(**{name: _decode(hints[name], raw[name], f"{path}.{name}", None) for name in names & raw.keys()})
