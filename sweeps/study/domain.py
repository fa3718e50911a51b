"""Domains of a search, named as in Ray Tune, and slopes given as angles. Pure.

A domain in a study file is a mapping with one key: ``uniform: [lo, hi]``, ``loguniform: [lo, hi]``,
``quniform: [lo, hi, q]``, ``randint: [lo, hi]`` (``hi`` excluded), ``choice: [...]`` or ``grid_search: [...]``; or
``tan_degrees:`` around one of them (or around ``[lo, hi]``, uniform in the angle), for a slope that is the tangent of
the searched angle.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from trainer.spec import Scalar

Kind = Literal["uniform", "loguniform", "quniform", "randint", "choice", "grid_search"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TAN = "tan_degrees"
MOST_LISTED = 10_000
"""Values of a domain that are looked through one by one."""


class SpaceError(ValueError):
    """A domain that is wrong; says what is accepted. :mod:`sweeps.study.study` adds file, line and what it got."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What one parameter may be. ``args`` are bounds (and quantum) or the values to choose from."""

    kind: Kind
    args: tuple[Scalar, ...]
    tan: bool = False
    """The searched number is an angle in degrees; the parameter is its tangent."""

    @property
    def size(self) -> int | None:
        """How many different values it has; None for a continuum."""
        if self.kind in ("choice", "grid_search"):
            return len(self.args)
        if self.kind == "randint":
            low, high = self.args
            return int(high) - int(low)  # type: ignore[arg-type]  # parse() let only numbers in
        if self.kind == "quniform":
            low, high, quantum = (float(value) for value in self.args)  # type: ignore[arg-type]
            return round(high / quantum) - round(low / quantum) + 1
        return None

    def every(self) -> tuple[Scalar, ...]:
        """All searched values of a domain that has finitely many."""
        if self.kind in ("choice", "grid_search"):
            return self.args
        assert self.size is not None
        return tuple(self.numbered(number) for number in range(self.size))

    def numbered(self, number: int) -> Scalar:
        """The searched value with that number, from 0, in a domain that has finitely many."""
        if self.kind in ("choice", "grid_search"):
            return self.args[number]
        if self.kind == "randint":
            return int(self.args[0]) + number  # type: ignore[arg-type]  # parse() let only numbers in
        low, _, quantum = (float(value) for value in self.args)  # type: ignore[arg-type]
        return (round(low / quantum) + number) * quantum

    def matching(self, searched: Scalar) -> Scalar:
        """A searched value as the domain itself would give it: a whole number from randint, the listed one of a list.
        One that it does not have stays as it is."""
        number = isinstance(searched, int | float) and not isinstance(searched, bool)
        if self.kind == "randint":
            return int(searched) if number and searched == round(searched) else searched  # type: ignore[arg-type]
        if self.kind not in ("choice", "grid_search"):
            return float(searched) if number else searched  # type: ignore[arg-type]
        same = [own for own in self.args if type(own) is type(searched) and own == searched]
        near = [own for own in self.args if number and isinstance(own, int | float) and not isinstance(own, bool)]
        near = [own for own in near if math.isclose(own, searched, rel_tol=1e-12)]  # type: ignore[arg-type]
        return (same or near or [searched])[0]

    def has(self, searched: Scalar) -> bool:
        """Whether the searched value is one that the domain gives."""
        if self.size is not None and self.size <= MOST_LISTED:
            return any(own == searched and type(own) is type(searched) for own in self.every())
        if isinstance(searched, bool) or not isinstance(searched, int | float):
            return False
        low, high = (float(bound) for bound in self.args[:2])  # type: ignore[arg-type]
        return low <= searched <= high - (self.kind == "randint")

    def searched(self, value: Scalar) -> Scalar:
        """The searched number for a parameter's value: the inverse of :meth:`value`."""
        if self.tan and isinstance(value, int | float) and not isinstance(value, bool):
            angle = math.degrees(math.atan(value))
            value = rounded if tan_degrees(rounded := round(angle, 9)) == value else angle
        return self.matching(value)

    def extremes(self) -> tuple[Scalar, ...]:
        """Values as the trainer would get them: the bounds, or every value of a list."""
        if self.kind in ("choice", "grid_search"):
            return tuple(self.value(item) for item in self.args)
        if self.kind == "randint":
            low, high = self.args
            return (self.value(low), self.value(int(high) - 1))  # type: ignore[arg-type]
        return tuple(self.value(float(bound)) for bound in self.args[:2])  # type: ignore[arg-type]

    def value(self, searched: Scalar) -> Scalar:
        """The parameter for a searched number: its tangent where it is an angle."""
        if not self.tan:
            return searched
        assert isinstance(searched, int | float)
        return tan_degrees(searched)

    def plain(self) -> dict[str, Any]:
        """As in a study file; :func:`parse` reads it back to an equal value."""
        inner: dict[str, Any] = {self.kind: list(self.args)}
        return {TAN: inner} if self.tan else inner

    def words(self) -> str:
        """For people, with a searched angle in degrees: ``uniform 60 to 85 degrees (as its tangent)``."""
        unit = " degrees (as its tangent)" if self.tan else ""
        if self.kind in ("choice", "grid_search"):
            return f"{self.kind} of {', '.join(json.dumps(value) for value in self.args)}{unit}"
        low, high, *quantum = (f"{value:g}" for value in self.args)
        steps = f" in steps of {quantum[0]}" if quantum else ""
        return f"{self.kind} {low} to {high}{steps}{unit}"

    def to_tune(self) -> Any:
        """Tune's own object for the searched number."""
        from ray.tune.search import sample  # heavy: only a search needs it
        from ray.tune.search.variant_generator import grid_search

        if self.kind == "grid_search":
            return grid_search(list(self.args))
        if self.kind == "choice":
            return sample.choice(list(self.args))
        return getattr(sample, self.kind)(*self.args)


def tan_degrees(angle: float) -> float:
    """Slope of a line that rises at ``angle`` degrees."""
    return math.tan(math.radians(angle))


def parse(raw: object) -> Domain:
    """The domain that a study file's mapping means. Raises :class:`SpaceError`."""
    if isinstance(raw, Domain):
        return raw
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise SpaceError(f"accepts one of {', '.join(KINDS)}, {TAN} with its arguments, as {{uniform: [0, 1]}}")
    name, arguments = next(iter(raw.items()))
    if name == TAN:
        return _parse_tan(arguments)
    if name not in KINDS:
        near = difflib.get_close_matches(str(name), [*KINDS, TAN], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SpaceError(f"accepts one of {', '.join(KINDS)}, {TAN}{hint}")
    if not isinstance(arguments, list | tuple):
        raise SpaceError(f"accepts a list after {name}, as {_EXAMPLES[name]}")
    if name in ("choice", "grid_search"):
        return Domain(kind=name, args=_values(name, arguments))
    return Domain(kind=name, args=_bounds(name, arguments))


_EXAMPLES: dict[str, str] = {
    "uniform": "{uniform: [0, 1]}",
    "loguniform": "{loguniform: [1e-4, 1e-2]}",
    "quniform": "{quniform: [0, 1, 0.25]} (low, high, quantum)",
    "randint": "{randint: [1, 5]} (5 excluded)",
    "choice": "{choice: [0.1, 0.2]}",
    "grid_search": "{grid_search: [0.1, 0.2]}",
}


def _parse_tan(arguments: object) -> Domain:
    if isinstance(arguments, list | tuple):
        inner = parse({"uniform": arguments})
    elif isinstance(arguments, Mapping):
        inner = parse(arguments)
    else:
        raise SpaceError(f"accepts {TAN}: [60, 85], or {TAN}: with a domain of angles; a fixed angle belongs in params")
    if inner.tan:
        raise SpaceError(f"accepts {TAN} once")
    angles = inner.args[:2] if inner.kind not in ("choice", "grid_search") else inner.args
    for angle in angles:
        check_angle(angle)
    return Domain(kind=inner.kind, args=inner.args, tan=True)


def check_angle(angle: object) -> float:
    """The angle as a number. Raises :class:`SpaceError` unless it is one between -90 and 90 degrees."""
    if isinstance(angle, bool) or not isinstance(angle, int | float) or not -90 < angle < 90:
        raise SpaceError("accepts angles in degrees between -90 and 90, both excluded")
    return float(angle)


def _bounds(name: str, arguments: Iterable[object]) -> tuple[Scalar, ...]:
    numbers = tuple(arguments)
    wanted = 3 if name == "quniform" else 2
    kinds: tuple[type, ...] = (int,) if name == "randint" else (int, float)
    if len(numbers) != wanted or any(isinstance(n, bool) or not isinstance(n, kinds) for n in numbers):
        what = "whole numbers" if name == "randint" else "numbers"
        raise SpaceError(f"accepts {wanted} {what}, as {_EXAMPLES[name]}")
    values: tuple[Any, ...] = numbers if name == "randint" else tuple(float(n) for n in numbers)  # type: ignore[arg-type]
    low, high = values[:2]
    if low >= high:
        raise SpaceError(
            "accepts a low bound below the high one; swap them?" if low > high else "accepts two different bounds"
        )
    if name == "loguniform" and low <= 0:
        raise SpaceError("accepts bounds above 0 for loguniform; uniform takes any")
    if name == "quniform":
        quantum = values[2]
        if quantum <= 0:
            raise SpaceError("accepts a quantum above 0")
        if not all(math.isclose(bound / quantum, round(bound / quantum)) for bound in (low, high)):
            raise SpaceError(f"accepts bounds that are multiples of the quantum {quantum:g}")
    return values


def _values(name: str, arguments: Iterable[object]) -> tuple[Scalar, ...]:
    values = tuple(arguments)
    if not values:
        raise SpaceError(f"accepts at least one value, as {_EXAMPLES[name]}")
    if any(not isinstance(value, bool | int | float | str | None) for value in values):
        raise SpaceError(f"accepts numbers, text, true, false or null as values of {name}, no lists or mappings")
    if len({json.dumps(value) for value in values}) < len(values):
        raise SpaceError(f"accepts different values in {name}; one is there twice")
    return values  # type: ignore[return-value]  # the line above says so
