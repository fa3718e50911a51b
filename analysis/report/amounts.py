"""Amounts of a metric in words: two digits that count, and the unit said."""

from __future__ import annotations

import math

from analysis.runs.metric import Metric
from analysis.statistics.verdict import Interval


def scale(metric: Metric) -> float:
    """What a value is multiplied by before it is said: shares of items are said in hundredths, points."""
    return 100.0 if metric.share_of_items else 1.0


def unit(metric: Metric) -> str:
    """Of a difference: points for a share of items, else the metric's own; empty where it has none."""
    return "points" if metric.share_of_items else metric.unit


def label(metric: Metric) -> str:
    """The metric as an axis is labelled whose values are multiplied by :func:`scale`."""
    return f"{metric.name} (%)" if metric.share_of_items else metric.label


def number(value: float) -> str:
    """Two digits that count, with a true minus sign: ``4.4``, ``20``, ``−0.035``; a dash where there is no value."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}".replace("-", "−")


def amount(value: float, metric: Metric) -> str:
    """A difference with its unit: ``4.4 points``, ``0.12 m``."""
    said = number(scale(metric) * value)
    named = "point" if metric.share_of_items and said == "1.0" else unit(metric)
    return f"{said.removesuffix('.0') if named == 'point' else said} {named}".strip()


def level(value: float, metric: Metric) -> str:
    """A value itself, three digits that count: ``84.2 %``, ``0.0196 m``."""
    if not math.isfinite(value):
        return "–"
    said = f"{scale(metric) * value:.3g}".replace("-", "−")
    return f"{said} {'%' if metric.share_of_items else metric.unit}".strip()


def between(interval: Interval, metric: Metric) -> str:
    """An interval's ends without a unit: ``3.2 to 5.0``."""
    return f"{number(scale(metric) * interval.low)} to {number(scale(metric) * interval.high)}"


def shown_of(count: int, most: int) -> int:
    """How many of ``count`` are named."""
    return count if count <= most + 1 else most


def listed(names: list[str], most: int) -> str:
    """``a``, ``a and b``, ``a, b and 3 more``; one more than ``most`` is named rather than counted."""
    most = shown_of(len(names), most)
    shown, more = names[:most], len(names) - most
    shown = [*shown, f"{more} more"] if more > 0 else shown
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""
