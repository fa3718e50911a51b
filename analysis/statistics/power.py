"""What a design could have seen, and the cheapest folds and repeats that would see more.

Repeating the folds does not let the standard error go to zero: its floor is s sqrt(n2/n1), half of s with five folds.
So "no number of repeats" is a valid answer, and the usual one for small effects. More folds lower that floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy import optimize, stats

from analysis.runs.wording import counted
from analysis.statistics.scores import Pairs

Aim = Literal["difference", "equivalence"]
MOST = 10_000
"""Repeats beyond this are not reachable."""
MOST_FOLDS = 20
LEAST_HELD = 10
"""Items of the smallest held-out part that is recommended, where their number is known."""
LEVELS = (np.arange(200) + 0.5) / 200
"""Quantiles that an average over a distribution is taken at."""


def power(size: float, sd: float, n: int, ratio: float, *, alpha: float = 0.05) -> float:
    """Power of the two-sided corrected t on ``n`` splits for a true mean difference ``size``; nan for n < 2.

    ``sd`` is the standard deviation of the differences, ``ratio`` held-out over training items.
    """
    if n < 2 or not sd > 0 or not math.isfinite(ratio):
        return math.nan
    shift = abs(size) / sd / math.sqrt(1 / n + ratio)
    limit = float(stats.t.isf(alpha / 2, n - 1))
    if shift > 1e4:
        # Beyond scipy's reach, and the mean's own noise no longer counts: only that of its standard error does.
        return float(stats.chi2.cdf((n - 1) * (shift / limit) ** 2, n - 1))
    # The lower tail by symmetry: scipy's noncentral t has no cdf that far out (nan for shifts above 6).
    return float(stats.nct.sf(limit, n - 1, shift) + stats.nct.sf(limit, n - 1, -shift))


def ceiling(size: float, sd: float, ratio: float, *, alpha: float = 0.05) -> float:
    """Power as repeats grow without end: that of a normal shifted by size/sd * sqrt(n1/n2); without overlap any
    difference is told in the end."""
    if not sd > 0 or not ratio >= 0:
        return math.nan
    if ratio == 0:
        return 1.0 if size else alpha
    shift = abs(size) / sd / math.sqrt(ratio)
    limit = float(stats.norm.isf(alpha / 2))
    return float(stats.norm.sf(limit - shift) + stats.norm.cdf(-limit - shift))


def equivalence_power(size: float, sd: float, n: int, ratio: float, rope: float, *, alpha: float = 0.05) -> float:
    """Power of the two one-sided corrected t tests (Schuirmann 1987), each at ``alpha``, to find a true difference
    ``size`` within ``rope``; nan for n < 2.

    The mean is normal, its estimated variance an independent chi-square, over whose quantiles the power is averaged.
    """
    if n < 2 or not sd > 0 or not math.isfinite(ratio):
        return math.nan
    error = sd * math.sqrt(1 / n + ratio)
    estimated = error * np.sqrt(stats.chi2.ppf(LEVELS, n - 1) / (n - 1))
    room = np.maximum(rope - float(stats.t.isf(alpha, n - 1)) * estimated, 0.0) / error
    shift = abs(size) / error
    return float((stats.norm.cdf(room - shift) - stats.norm.cdf(-room - shift)).mean())


def equivalence_ceiling(size: float, sd: float, ratio: float, rope: float, *, alpha: float = 0.05) -> float:
    """:func:`equivalence_power` as repeats grow without end."""
    if not sd > 0 or not ratio >= 0:
        return math.nan
    if ratio == 0:
        return float(abs(size) < rope)
    error = sd * math.sqrt(ratio)
    room, shift = max(rope / error - float(stats.norm.isf(alpha)), 0.0), abs(size) / error
    return float(stats.norm.cdf(room - shift) - stats.norm.cdf(-room - shift))


def detectable(sd: float, n: int, ratio: float, *, target: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference seen with ``target`` power on ``n`` splits; nan for n < 2."""
    if n < 2 or not sd > 0 or not math.isfinite(ratio):
        return math.nan
    return sd * _detectable(n, ratio, target, alpha)


@lru_cache(maxsize=4096)
def _detectable(n: int, ratio: float, target: float, alpha: float) -> float:
    """In standard deviations, in which alone the comparisons of one study differ."""

    def short(size: float) -> float:
        return power(size, 1.0, n, ratio, alpha=alpha) - target

    high = 1.0
    while short(high) < 0:
        high *= 2
    return float(optimize.brentq(short, 0.0, high, rtol=1e-12)) if short(0.0) < 0 else 0.0


def furthest(pairs: Pairs) -> float:
    """The largest difference to the control, either way, that the metric's bounds leave; inf where one is open."""
    metric = pairs.metric
    if metric.low is None or metric.high is None or not pairs.n:
        return math.inf
    control = float(pairs.y.mean())
    return max(metric.high - control, control - metric.low)


@dataclass(frozen=True)
class Goal:
    """The word that a study is planned for, if its true difference is ``size`` (metric units, at least 0).

    Within ``rope`` that is equivalent: the two one-sided tests at alpha over the family's ``m``. Beyond it, better or
    worse, which asks for two things: a difference from 0 at alpha/m, and 1-alpha of the posterior beyond ``rope``,
    which is a one-sided t at alpha for the distance from its end. The harder one decides: both see the same mean and
    spread, so that the power of the two together is that of the harder one but for a percent or two.
    """

    size: float
    rope: float = 0.0
    alpha: float = 0.05
    m: int = 1
    level: float | None = None
    """Two-sided, at which a difference from 0 is told; None: alpha/m."""

    @property
    def aim(self) -> Aim:
        return "equivalence" if self.size < self.rope else "difference"

    @property
    def _asked(self) -> tuple[tuple[float, float, float], ...]:
        """Where each distance begins, what is to be told from there, and the two-sided level."""
        beyond = max(0.0, self.size - self.rope)
        level = self.alpha / self.m if self.level is None else self.level
        return (0.0, self.size, level), (self.rope, beyond, min(1.0, 2 * self.alpha))

    def power(self, sd: float, n: int, ratio: float) -> float:
        if self.aim == "equivalence":
            return equivalence_power(self.size, sd, n, ratio, self.rope, alpha=self.alpha / self.m)
        return self.difference_power(sd, n, ratio)

    def difference_power(self, sd: float, n: int, ratio: float) -> float:
        """Of the word better or worse, wherever ``size`` lies."""
        return min(power(far, sd, n, ratio, alpha=level) for _, far, level in self._asked)

    def ceiling(self, sd: float, ratio: float) -> float:
        if self.aim == "equivalence":
            return equivalence_ceiling(self.size, sd, ratio, self.rope, alpha=self.alpha / self.m)
        return min(ceiling(far, sd, ratio, alpha=level) for _, far, level in self._asked)

    def detectable(self, sd: float, n: int, ratio: float, *, target: float) -> float:
        """Smallest difference that would be called better or worse."""
        return max(start + detectable(sd, n, ratio, target=target, alpha=level) for start, _, level in self._asked)


def repeats_needed(
    size: float, sd: float, folds: int, ratio: float, *, target: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Smallest number of repeats of ``folds`` folds with at least ``target`` power; None where no number is enough."""
    return fewest(Goal(size, 0.0, alpha), Design(folds, ratio, sd, 1.0), target=target)


class Design(NamedTuple):
    """Folds as another study file could make them."""

    folds: int
    ratio: float
    sd: float
    work: float
    """Items that a training sees, over what it sees now."""


def designs(folds: int, ratio: float, sd: float, *, n_heldout: float = math.nan, grows: bool = True) -> list[Design]:
    """The present folds and every larger number of them up to ``MOST_FOLDS``; fewer would train on less than was asked.

    With K' folds in place of K the held-out share falls to K/K' of itself, which is what lowers n_test/n_train. The
    spread ``grows`` by sqrt(K'/K), as if it all came from the items that are held out: a bound from above, for the part
    that comes from training does not grow; without it, the bound from below. A single fold is a fixed held-out part and
    stays one.
    """
    held = ratio / (1 + ratio)
    found = []
    for count in range(folds, max(folds, MOST_FOLDS if folds > 1 else 1) + 1):
        if count > folds and n_heldout * folds / count < LEAST_HELD:
            break
        share = held * folds / count
        spread = sd * math.sqrt(count / folds) if grows else sd
        found.append(Design(count, share / (1 - share), spread, (1 - share) / (1 - held)))
    return found


def fewest(goal: Goal, design: Design, *, target: float, most: int = MOST) -> int | None:
    """Fewest repeats, at most ``most``, that reach ``target``."""

    def enough(repeats: int) -> bool:
        return goal.power(design.sd, repeats * design.folds, design.ratio) >= target

    if most < 1 or not goal.ceiling(design.sd, design.ratio) >= target:
        return None
    low, high = 0, 1
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


class Choice(NamedTuple):
    design: Design
    repeats: int

    @property
    def trainings(self) -> int:
        """Of both activations."""
        return 2 * self.repeats * self.design.folds

    def hours(self, seconds_per_fold: float) -> float:
        """Device time of both activations, where a training takes ``seconds_per_fold`` in the present design."""
        return self.trainings * self.design.work * seconds_per_fold / 3600

    def priced(self, seconds_per_fold: float) -> str:
        hours = self.hours(seconds_per_fold)
        if math.isnan(hours):
            took = ""
        elif hours < 1:
            took = f", about {counted(max(1, round(60 * hours)), 'device minute')}"
        else:
            took = f", about {hours:.1f} device hours" if hours < 10 else f", about {hours:,.0f} device hours"
        each = f"{counted(self.repeats, 'repeat')} of {counted(self.design.folds, 'fold')}"
        return f"{each} ({self.trainings} trainings{took})"


def cheapest(goal: Goal, choice: list[Design], *, target: float) -> Choice | None:
    """The design and its repeats that reach ``target`` with the least device time, taken to be in proportion to the
    items that are trained on; None where none of them does. Of equals that with fewer folds."""
    best: Choice | None = None
    least = math.inf
    for design in choice:
        each = design.folds * design.work
        most = MOST if best is None else min(MOST, math.ceil(least / each) - 1)
        repeats = fewest(goal, design, target=target, most=most)
        if repeats is not None:
            best, least = Choice(design, repeats), repeats * each
    return best


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """What would decide one open comparison."""

    dataset: str
    activation: str
    control: str
    aim: Aim
    """The nearer end, by the observed difference: told from 0, or shown to be within practical equivalence."""
    reachable: bool
    folds: int
    """Of the cheapest design that a study file can ask for; 0 where none is enough, as the next two."""
    repeats: int
    trainings: int
    """Of both activations."""
    hours: float
    """Device time of both; nan where a training's time is not known, or nothing is enough."""
    sentence: str


def next_step(
    pairs: Pairs,
    *,
    folds: int,
    estimate: float,
    rope: float = 0.0,
    target: float = 0.8,
    alpha: float = 0.05,
    m: int = 1,
    seconds_per_fold: float = math.nan,
) -> NextStep:
    """The cheapest folds and repeats that decide a comparison with ``target`` power, if its true difference is
    ``estimate`` (metric units, of either sign) and the spread is as observed; see :class:`Goal`, :func:`designs`.

    ``folds`` is the number of a repeat's folds, ``rope`` the half-width of practical equivalence (nan: none),
    ``seconds_per_fold`` the time of one training as it was.
    """
    goal = Goal(abs(estimate), max(0.0, rope) if math.isfinite(rope) else 0.0, alpha, m)
    told = "tell the observed difference" if goal.aim == "difference" else "show the two to be equivalent"
    least = f"with {100 * target:g} % power"
    found = None
    if not plannable(pairs) or not math.isfinite(estimate):
        said = "the spread of the differences is unknown, so no next step can be planned."
    else:
        found, possible = bounds(pairs, goal, spread(pairs), folds=folds, target=target)
        if found is not None:
            said = f"{found.priced(seconds_per_fold)} would {told} {least}."
        elif possible is not None:
            said = (
                f"no number of repeats is sure to {told} {least}; {possible.priced(seconds_per_fold)} would, if "
                "smaller held-out parts did not spread more."
            )
        else:
            more = ", with these folds or more," if folds > 1 else ""
            said = f"no number of repeats{more} would {told} {least}."
    return NextStep(
        dataset=pairs.dataset,
        activation=pairs.activation,
        control=pairs.control,
        aim=goal.aim,
        reachable=found is not None,
        folds=found.design.folds if found else 0,
        repeats=found.repeats if found else 0,
        trainings=found.trainings if found else 0,
        hours=found.hours(seconds_per_fold) if found else math.nan,
        sentence=f"{pairs.activation} against {pairs.control} on {pairs.dataset}: {said}",
    )


def bounds(pairs: Pairs, goal: Goal, sd: float, *, folds: int, target: float) -> tuple[Choice | None, Choice | None]:
    """What is enough however the spread grows with the folds, and what is where it does not."""
    sure, possible = (
        cheapest(goal, designs(folds, pairs.ratio, sd, n_heldout=pairs.n_heldout, grows=grows), target=target)
        for grows in (True, False)
    )
    return sure, possible


def plannable(pairs: Pairs) -> bool:
    return pairs.n >= 2 and not pairs.zero_variance and math.isfinite(pairs.ratio)


def spread(pairs: Pairs) -> float:
    return float(pairs.d.std(ddof=1)) if pairs.n > 1 else math.nan


def units_needed(pairs: Pairs, goal: Goal, *, target: float = 0.8) -> int | None:
    """Fewest cases or seeds, of the spread that the present ones have, that reach ``target``; None where no number up
    to ``MOST`` does."""
    return fewest(goal, Design(1, pairs.ratio, spread(pairs), 1.0), target=target) if plannable(pairs) else None
