"""Reader options: declared once, read strictly, described for people."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trainer.errors import DataError
from trainer.spec import Scalar


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a reader. An option that ``converts`` changes what the cache holds; the others choose from it."""

    default: Scalar
    meaning: str
    accepts: tuple[str, ...] = ()
    """Words accepted; where there are none, ``default`` or ``kind`` gives the type."""
    kind: type[int] | type[str] | type[bool] | None = None
    """Type of a value where the default is null."""
    least: int | None = None
    converts: bool = False
    names: bool = False
    """Whether it names things, separated by commas (in double quotes where a name holds one); a number is a name."""

    def describe(self) -> str:
        if self.accepts:
            values = ", ".join(self.accepts)
        elif self.names:
            values = "names, separated by commas"
        else:
            kind = self.kind or type(self.default)
            values = {int: "a whole number", str: "text", bool: "true or false"}[kind]
            if self.least is not None:
                values += f" of at least {self.least}"
        shown = (self.default or "none") if isinstance(self.default, str) else json.dumps(self.default)
        return f"{self.meaning}; {values}; default {shown}"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A reader's options with defaults filled in, all checked."""

    values: Mapping[str, Scalar]

    def text(self, key: str) -> str:
        value = self.values[key]
        assert isinstance(value, str)
        return value

    def names(self, key: str) -> tuple[str, ...]:
        (found,) = csv.reader([self.text(key)], skipinitialspace=True)
        return tuple(name.strip() for name in found if name.strip())

    def number(self, key: str) -> int:
        value = self.values[key]
        assert isinstance(value, int)
        return value

    def number_or_none(self, key: str) -> int | None:
        return None if self.values[key] is None else self.number(key)

    def flag(self, key: str) -> bool:
        value = self.values[key]
        assert isinstance(value, bool)
        return value


def choose(reader: str, declared: Mapping[str, Option], given: Mapping[str, Scalar]) -> Chosen:
    """Options as given over the declared defaults. Raises :class:`DataError` for an unknown option or a bad value."""
    for key in given:
        if key not in declared:
            near = difflib.get_close_matches(key, declared, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(sorted(declared)) or 'none'}"
            raise DataError(f"data set {reader}: unknown option {key!r}; {known}")
    return Chosen(
        values={key: _checked(reader, key, option, given.get(key, option.default)) for key, option in declared.items()}
    )


def describe(declared: Mapping[str, Option]) -> dict[str, str]:
    return {key: option.describe() for key, option in declared.items()}


def _checked(reader: str, key: str, option: Option, value: Scalar) -> Scalar:
    if value is None and option.default is None:
        return None
    if option.names and type(value) is int:
        value = str(value)
    kind = option.kind or type(option.default)
    good = type(value) is kind
    if good and option.accepts:
        good = value in option.accepts
    if good and option.least is not None:
        good = isinstance(value, int) and value >= option.least
    if not good:
        raise DataError(f"data set {reader}: option {key} is {value!r}; {option.describe()}")
    return value


def nearest(name: str, known: Collection[str]) -> str:
    """A hint for a name that is not known: the nearest ones, or all."""
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    shown = list(known)[:20]
    more = f" and {len(known) - len(shown)} more" * (len(known) > len(shown))
    return f"there are {', '.join(shown)}{more}"
