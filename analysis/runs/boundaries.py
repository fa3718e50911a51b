"""When a comparison that is looked at again and again counts as decided: fixed before the first fold, and travels with
the plan.

A look's nominal p is held against a limit of its own. How the limits are found stands in
:mod:`analysis.statistics.sequential`; this is their value and what is read off it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["difference", "equivalence"]
"""What is told: a difference from 0 (two-sided), or that a difference lies within practical equivalence."""


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """Under no difference (or, for equivalence, at the zone's edge) let x be the least, over the looks and over j
    comparisons, of the nominal p over the look's ``weight``. ``difference[j-1]`` and ``equivalence[j-1]`` are the
    quantiles of x at ``levels``."""

    looks: tuple[int, ...]
    """Repeats after which the open comparisons are looked at, ascending."""
    units: int
    """Paired units that a repeat gives: its folds, or 1 where every repeat has the same held-out part."""
    ratio: float
    """Held-out over training items that the looks were taken to be correlated by."""
    alpha: float
    weights: tuple[float, ...]
    """Share of the last look's nominal level that each look has, in (0, 1]."""
    levels: tuple[float, ...]
    """Family-wise, ascending; the last is 1."""
    difference: tuple[tuple[float, ...], ...]
    equivalence: tuple[tuple[float, ...], ...]

    @property
    def comparisons(self) -> int:
        return len(self.difference)

    def limit(self, kind: Kind, look: int, comparisons: int, level: float | None = None) -> float:
        """Largest nominal p at which a comparison is told at ``look`` (from 0) where ``comparisons`` are open;
        ``level`` is the family's error over all looks (default: alpha)."""
        asked, known = math.log(self.alpha if level is None else level), [math.log(one) for one in self.levels]
        found = _line(asked, known, [math.log(one) for one in self._quantiles(kind, comparisons)])
        return min(1.0, self.weights[look] * math.exp(found))

    def p(self, kind: Kind, look: int, comparisons: int, nominal: float) -> float:
        """The p that holds over all looks and over ``comparisons``, of one look's ``nominal`` p: the least level at
        which that look would tell. Below the smallest of ``levels`` by Bonferroni's bound, which is never too small."""
        quantiles = self._quantiles(kind, comparisons)
        x = nominal / self.weights[look]
        if x <= quantiles[0]:
            return min(self.levels[0], comparisons * sum(self.weights) * x)
        if x >= quantiles[-1]:
            return 1.0
        known = [math.log(one) for one in quantiles]
        return min(1.0, math.exp(_line(math.log(x), known, [math.log(one) for one in self.levels])))

    def _quantiles(self, kind: Kind, comparisons: int) -> tuple[float, ...]:
        table = self.difference if kind == "difference" else self.equivalence
        return table[comparisons - 1]


def _line(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Straight between the two known points about ``x``, and on beyond the outer ones."""
    at = next((i for i in range(1, len(xs) - 1) if x <= xs[i]), len(xs) - 1)
    (x0, x1), (y0, y1) = xs[at - 1 : at + 1], ys[at - 1 : at + 1]
    return y1 if x == x1 else y0 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def of_raw(raw: Mapping[str, Any] | None) -> Boundaries | None:
    """As JSON has them; raises TypeError or ValueError for what is none."""
    if raw is None:
        return None
    tables = {name: tuple(tuple(map(float, row)) for row in raw[name]) for name in ("difference", "equivalence")}
    lists = {name: tuple(raw[name]) for name in ("looks", "weights", "levels")}
    return Boundaries(**{**raw, **lists, **tables})
