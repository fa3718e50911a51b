"""Checks of constructor arguments: every activation refuses a wrong value in the same words.

Arguments reach an activation as plain values (a study file's numbers, words and booleans), so a wrong one is a person's
mistake and gets a :class:`WrongArgument` that says which argument, what it got and what it accepts. Loads without
torch.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence


class WrongArgument(ValueError):
    """An argument that is not accepted."""

    def __init__(self, owner: str, name: str, value: object, accepted: str) -> None:
        super().__init__(f"{owner}: {name}: got {value!r}, accepts {accepted}")
        self.accepted = accepted


def real(
    owner: str,
    name: str,
    value: object,
    *,
    above: float | None = None,
    low: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """``value`` as a finite float inside the bounds: ``above`` and ``below`` exclude their ends, ``low`` and ``high``
    include them. Raises :class:`WrongArgument`."""
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("at least", low), ("below", below), ("at most", high))
        if bound is not None
    ]
    accepted = "a finite number" + (" " + " and ".join(bounds) if bounds else "")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WrongArgument(owner, name, value, accepted)
    inside = (
        (above is None or value > above)
        and (low is None or value >= low)
        and (below is None or value < below)
        and (high is None or value <= high)
    )
    if not inside:
        raise WrongArgument(owner, name, value, accepted)
    return float(value)


def flag(owner: str, name: str, value: object) -> bool:
    """``value`` if it is true or false. Raises :class:`WrongArgument`."""
    if not isinstance(value, bool):
        raise WrongArgument(owner, name, value, "true or false")
    return value


def word(owner: str, name: str, value: object, accepted: Sequence[str]) -> str:
    """``value`` if it is one of the accepted words. Raises :class:`WrongArgument`, naming the nearest of them."""
    if isinstance(value, str) and value in accepted:
        return value
    near = difflib.get_close_matches(value, accepted, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise WrongArgument(owner, name, value, f"one of {', '.join(accepted)}{hint}")


def count(owner: str, name: str, value: object) -> int:
    """``value`` if it is a whole number of at least 1. Raises :class:`WrongArgument`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WrongArgument(owner, name, value, "a whole number of at least 1")
    return value
