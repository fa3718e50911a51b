"""Whether a design could have told: its power at the difference that a comparison asks for.

The power is that of the word better (or worse) by the rule of :mod:`analysis.statistics.rule`, at alpha over the
family's size and beyond the zone of equivalence, with the spread that the differences were seen to have. An open
comparison whose power is below ``COIN`` is one that the design would rather have missed than told: its word is "cannot
tell at this n" and not "undecided", which is kept for what could have come out and did not.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from analysis.statistics import power
from analysis.statistics.scores import Pairs
from analysis.statistics.verdict import Verdict

COIN = 0.5
"""Least power of a design that could have told: below it, a miss is likelier than a find."""
TARGET = 0.8
"""Power at which a difference counts as detectable."""
SHARE_OF_RANGE = 0.02
"""Of a metric with two ends: two points of a share of items, which is the size of the gains that papers on activations
report and what a reader would change an activation for."""
SHARE_OF_ERROR = 0.5
"""But no more of the control's distance to the best value: where 1 % is missing, halving it is what can be asked."""
SHARE_OF_DISTANCE = 0.1
"""Of a metric with one end or none: a tenth of the control's distance to its best value, else to what knowing nothing
scores."""


class Asked(NamedTuple):
    """The difference that a design should have been able to tell."""

    size: float
    """In the metric's units, above 0."""
    what: str
    """How it was found, in words."""
    room: float
    """The largest difference to the control that the metric has room for; inf where it has no ends."""


def asked(pairs: Pairs, rope: float | None) -> Asked:
    """Twice a declared half-width ``rope`` of the zone of equivalence, since a difference at the zone's end is by
    definition on the border; else the default for the metric, from its range, the control's score and what knowing
    nothing scores; without any of these one standard deviation of the differences."""
    metric, control = pairs.metric, float(pairs.y.mean()) if pairs.n else math.nan
    room = power.furthest(pairs)
    best = metric.low if metric.better == "lower" else metric.high
    error = math.nan if best is None else abs(best - control)
    learned = abs(control - pairs.reference)
    if rope:
        return Asked(2 * rope, "twice the declared zone's half-width", room)
    if metric.low is not None and metric.high is not None:
        size = SHARE_OF_RANGE * (metric.high - metric.low)
        if error < size / SHARE_OF_ERROR:
            return Asked(SHARE_OF_ERROR * error, "half of what the control misses", room)
        return Asked(size, f"{100 * SHARE_OF_RANGE:g} % of the metric's range", room)
    if error > 0:
        return Asked(SHARE_OF_DISTANCE * error, "a tenth of what the control misses", room)
    if learned > 0:
        return Asked(SHARE_OF_DISTANCE * learned, "a tenth of what the control gains on knowing nothing", room)
    spread = float(np.std(pairs.d, ddof=1)) if pairs.n > 1 else math.nan
    return Asked(spread, "one standard deviation of the differences", room)


def told(size: float, *, sd: float, n: int, ratio: float, rope: float, alpha: float, m: int) -> float:
    """Power of the word better (or worse) at a true difference ``size``: that of the harder of its two demands."""
    return power.Goal(size=size, rope=rope, alpha=alpha, m=m).difference_power(sd, n, ratio)


def foreseen(verdict: Verdict, alpha: float) -> Verdict:
    """With what the design could have told in this family; unchanged where nothing was tested."""
    extras = verdict.extras
    if "sd" not in extras or "difference_asked" not in extras:
        return verdict
    rope = float(extras.get("rope", math.nan))
    rope = rope if math.isfinite(rope) else 0.0
    sd, ratio, m = float(extras["sd"]), float(extras["ratio"]), int(extras["family"])
    size = float(extras["difference_asked"])
    own = extras["level_of_look"] if "level_of_look" in extras and extras.get("family_of_look") == m else None
    goal = power.Goal(size=size, rope=rope, alpha=alpha, m=m, level=None if own is None else float(own))
    found = {
        "power": goal.difference_power(sd, verdict.n, ratio),
        "detectable": goal.detectable(sd, verdict.n, ratio, target=TARGET),
    }
    return dataclasses.replace(verdict, extras={**extras, **found})


def weak(verdict: Verdict) -> str:
    """What the design could not have told, and what it could."""
    extras = verdict.extras
    needed, room = float(extras["detectable"]), float(extras.get("difference_room", math.inf))
    needs = f"needs {needed:.3g}" if needed <= room else "needs more than the metric has room for"
    return (
        f"A true difference of {float(extras['difference_asked']):.3g} ({extras['difference_is']}) would be told with "
        f"{100 * float(extras['power']):.0f} % power here; {100 * TARGET:g} % {needs}."
    )
