"""Options of a part of training that is chosen by name: what each is, and which values are accepted. Loads without
torch.

A declaration is a mapping of option -> :class:`Number`, :class:`Word` or :class:`Numbers`; values stay scalars.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.spec import Options, Scalar


class WrongOption(ValueError):
    """An option or a value that is not accepted. ``key`` is "" where the name itself is wrong."""

    def __init__(self, where: str, key: str, value: object, accepted: str) -> None:
        super().__init__(f"{where}{'.' if key else ''}{key}: got {value!r}; {accepted}")
        self.key, self.value, self.accepted = key, value, accepted


@dataclass(frozen=True, kw_only=True)
class Number:
    default: float
    low: float = -math.inf
    high: float = math.inf
    open_ended: bool = False
    """Whether ``low`` itself is left out."""
    below: float = math.inf
    whole: bool = False

    @property
    def accepted(self) -> str:
        bounds = [f"{'above' if self.open_ended else 'from'} {self.low:g}"] if math.isfinite(self.low) else []
        bounds += [f"to {self.high:g}"] if math.isfinite(self.high) else []
        bounds += [f"below {self.below:g}"] if math.isfinite(self.below) else []
        return f"accepts a {'whole ' if self.whole else ''}number {' '.join(bounds)}".rstrip()

    def take(self, value: object) -> Scalar:
        """``value`` as it is kept. Raises ValueError."""
        number = isinstance(value, int) or (isinstance(value, float) and not self.whole)
        if isinstance(value, bool) or not number or not math.isfinite(value):  # type: ignore[arg-type]
            raise ValueError(self.accepted)
        assert isinstance(value, int | float)
        if not self.low <= value <= self.high or value >= self.below or (self.open_ended and value == self.low):
            raise ValueError(self.accepted)
        return int(value) if self.whole else float(value)


@dataclass(frozen=True, kw_only=True)
class Word:
    default: str
    accepts: tuple[str, ...]

    def take(self, value: object) -> Scalar:
        if not isinstance(value, str) or value not in self.accepts:
            raise ValueError(f"accepts {', '.join(self.accepts)}{_nearest(value, self.accepts)}")
        return value


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Ascending numbers above 0, kept as one text with commas; a list is taken, too."""

    default: str

    def take(self, value: object) -> Scalar:
        accepted = "accepts ascending numbers above 0, as [60, 120, 160]: whole ones are epochs, below 1 shares of all"
        parts: Sequence[object] = value if isinstance(value, list | tuple) else str(value).split(",")
        try:
            numbers = [float(str(part)) for part in parts]
        except ValueError:
            raise ValueError(accepted) from None
        whole = all(number < 1 or number.is_integer() for number in numbers)
        ascending = sorted(set(numbers)) == numbers
        if isinstance(value, bool) or not numbers or not whole or not ascending or numbers[0] <= 0:
            raise ValueError(accepted)
        if not all(map(math.isfinite, numbers)) or len({number < 1 for number in numbers}) > 1:
            raise ValueError(accepted)
        return ",".join(f"{number:.12g}" for number in numbers)


Declared = Mapping[str, Number | Word | Numbers]


def filled(where: str, options: Mapping[str, object], declared: Declared) -> Options:
    """``options`` with all defaults written out, in the order of the declaration. Raises :class:`WrongOption`."""
    for key, value in options.items():
        if key not in declared:
            known = ", ".join(declared) or "no options"
            raise WrongOption(where, key, value, f"unknown key; accepts {known}{_nearest(key, declared)}")
    out: dict[str, Scalar] = {}
    for key, what in declared.items():
        value = options.get(key, what.default)
        try:
            out[key] = what.take(value)
        except ValueError as error:
            raise WrongOption(where, key, value, str(error)) from None
    return out


def known(where: str, name: object, names: Mapping[str, object]) -> str:
    """``name`` where it is one of the names. Raises :class:`WrongOption`."""
    if not isinstance(name, str) or name not in names:
        raise WrongOption(where, "", name, f"accepts {', '.join(names)}{_nearest(name, names)}")
    return name


def _nearest(name: object, names: Mapping[str, object] | Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
