"""What is measured of a trained model, as a value: which way is better, its bounds, what knowing nothing scores.

Metrics travel in ``plan.json``; nothing here or above knows one by its name.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.errors import DeclarationError


@dataclass(frozen=True, kw_only=True)
class Metric:
    name: str
    better: Literal["lower", "higher"]
    low: float | None = None
    """The least value there can be; None: no end."""
    high: float | None = None
    reference: float | None = None
    """What knowing nothing scores, where that is the same for all data: 0.5 of an area under the curve. None: it
    depends on the data and is recorded with each fold."""
    unit: str = ""
    share_of_items: bool = False
    """A mean of 0 or 1 over the items, so that one item more or less is 1/n of it."""
    heldout_only: bool = False
    """Measured of the held-out part alone, so that neither a checkpoint rule nor a search looks at it."""

    @property
    def sign(self) -> int:
        """+1 where a higher value is better, else -1."""
        return 1 if self.better == "higher" else -1

    def within(self, low: float, high: float) -> tuple[float, float]:
        """Ends of an interval of a difference, cut to what two values of the metric can be apart."""
        most = math.inf if self.low is None or self.high is None else self.high - self.low
        return max(-most, low), min(most, high)

    @property
    def label(self) -> str:
        """The name with its unit, where it has one."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def reference_column(self) -> str:
        """Column of the cube with what knowing nothing scores on a fold's held-out part."""
        return f"reference/{self.name}"


def find(metrics: Sequence[Metric], column: str) -> Metric:
    """The metric that a column is of: ``heldout/<name>``, ``outcome.<rule>/<part>/<name>`` or the name alone.

    Raises :class:`DeclarationError`, naming the nearest ones, where there is none.
    """
    name = column.rsplit("/", 1)[-1]
    for metric in metrics:
        if metric.name == name:
            return metric
    known = [metric.name for metric in metrics]
    near = difflib.get_close_matches(name, known, n=3) or known
    raise DeclarationError(f"metric {column!r}: the study does not measure it; nearest: {', '.join(near) or 'none'}")


def counting(metrics: Sequence[Metric], declared: str) -> Metric:
    """The metric that is a share of items, where there is one, else the declared one: what checks of single items
    look at."""
    chosen = find(metrics, declared)
    if chosen.share_of_items:
        return chosen
    return next((metric for metric in metrics if metric.share_of_items), chosen)
