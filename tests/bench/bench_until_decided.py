"""What repeating until decided costs and tells, in simulated studies with known truth.

Scores of m activations and their control on repeats of 5 folds; all splits of one activation correlate by n2/(n1+n2),
within a repeat and between repeats, as the corrected t assumes. Looks after 2, 3, ... 20 repeats by the product's own
boundaries (a test compares the words here with those of :func:`analysis.statistics.claims.followed`). Prints

- false words: shares of studies without any difference in which some comparison is called better or worse; of studies
  at the zone's edge in which some is called equivalent; of studies half at the edge and half without a difference with
  any false word; with half of the comparisons truly different, for what the steps do to the rest; and for contrast the
  shares by the same test at the same looks without regard to them ("naive");
- power and repeats: at three true differences (in standard deviations of a difference), beside the fixed number of
  repeats with Holm that has the same power.

    python tests/bench/bench_until_decided.py [--studies 4000]
"""

from __future__ import annotations

import argparse
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.runs.boundaries import Boundaries
from analysis.statistics import sequential
from analysis.statistics.sequential import Looks

ALPHA = 0.05
FAMILIES = (3, 5, 10)
EFFECTS = (1.0, 1.5, 2.0)
WIDTHS = (0.5, 1.0, 2.0)
"""Half-widths of the zone, in standard deviations of a difference."""
MOST_FIXED = 60
OPEN, BETTER, WORSE, EQUIVALENT = 0, 1, 2, 3

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]


class Moments(NamedTuple):
    """Of the differences of each study and comparison after so many repeats, (studies, comparisons, repeats)."""

    mean: Array
    variance: Array
    n: npt.NDArray[np.int64]
    ratio: float

    @property
    def error(self) -> Array:
        return np.asarray(np.sqrt(self.variance * (1 / self.n + self.ratio)))

    def moved(self, by: Array | float) -> Moments:
        return self._replace(mean=self.mean + np.broadcast_to(np.asarray(by), self.mean.shape[1:2])[:, None])

    def of(self, first: int, most: int) -> Moments:
        cut = slice(first - 1, most)
        return Moments(self.mean[..., cut], self.variance[..., cut], self.n[cut], self.ratio)


def drawn(rng: np.random.Generator, studies: int, m: int, looks: Looks, correlation: float = 0.5) -> Moments:
    """Without a difference, in standard deviations of one, from the first repeat on. ``correlation``: of two
    comparisons, by the control's spread."""
    looks = looks._replace(first=1)
    weight = math.sqrt(correlation / (1 - correlation))
    each, parts = max(1, 4_000_000 // (m * looks.most * looks.units)), []
    for start in range(0, studies, each):
        count = min(each, studies - start)
        own = rng.normal(size=(count, m + 1, looks.most, looks.units))
        shared = rng.normal(size=(count, m + 1))
        scale = math.sqrt((1 + weight**2) * (1 + looks.ratio))
        d = (own[:, 1:] - weight * own[:, :1]) / scale
        mean, variance, n = sequential.moments(d, looks)
        mean += math.sqrt(looks.ratio) * ((shared[:, 1:] - weight * shared[:, :1]) / scale)[:, :, None]
        parts.append((mean, variance))
    mean, variance = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Moments(mean, variance, n, looks.ratio)


def followed(found: Moments, rule: Boundaries, rope: float = 0.0) -> tuple[Words, Words]:
    """The word of each comparison, and the look (from 0) at which it ended."""
    words, ends = np.zeros(found.mean.shape[:2], dtype=np.int64), np.zeros(found.mean.shape[:2], dtype=np.int64)
    for look in range(len(rule.looks)):
        open_ = words == OPEN
        ends[open_] = look
        apart, same, posterior = nominal(found, look, rope)
        told = stepped(np.where(open_, apart, np.inf), np.isin(words, (BETTER, WORSE)), rule, "difference", look)
        close = stepped(np.where(open_, same, np.inf), words == EQUIVALENT, rule, "equivalence", look)
        better = found.mean[..., look] > 0
        side = np.where(better, posterior[0], posterior[1]) >= 1 - ALPHA
        new = np.where(close & (posterior[2] >= 1 - ALPHA), EQUIVALENT, OPEN)
        new = np.where((new == OPEN) & told & side, np.where(better, BETTER, WORSE), new)
        words = np.where(open_, new, words)
    return words, ends


def nominal(found: Moments, look: int, rope: float) -> tuple[Array, Array, tuple[Array, Array, Array]]:
    """p of no difference and of no equivalence by one look alone; the posterior beyond the zone above and below, and
    inside."""
    mean, error = found.mean[..., look], found.error[..., look]
    freedom = float(found.n[look] - 1)
    above, below = (special.stdtr(freedom, (side * mean - rope) / error) for side in (1, -1))
    same = np.maximum(special.stdtr(freedom, (mean - rope) / error), special.stdtr(freedom, (-mean - rope) / error))
    return 2 * special.stdtr(freedom, -np.abs(mean / error)), same, (above, below, 1 - above - below)


def stepped(p: Array, told: npt.NDArray[np.bool_], rule: Boundaries, kind: str, look: int) -> npt.NDArray[np.bool_]:
    """Which pass by Holm's steps, of the limits for as many comparisons as are not told."""
    m = p.shape[1]
    limits = np.array([0.0, *(rule.limit(kind, look, j) for j in range(1, m + 1))])  # type: ignore[arg-type]
    order = np.argsort(p, axis=1)
    left = m - told.sum(axis=1, keepdims=True) - np.arange(m)
    passed = np.take_along_axis(p, order, 1) <= limits[np.maximum(left, 0)]
    result = np.empty_like(passed)
    np.put_along_axis(result, order, np.logical_and.accumulate(passed, axis=1), 1)
    return result


def fixed(found: Moments, repeats: int) -> npt.NDArray[np.bool_]:
    """Which comparisons are told from 0 after so many repeats, by the corrected t and Holm's p."""
    p = nominal(found, repeats - 1, 0.0)[0]
    m = p.shape[1]
    order = np.argsort(p, axis=1)
    passed = np.take_along_axis(p, order, 1) <= ALPHA / np.arange(m, 0, -1)
    result = np.empty_like(passed)
    np.put_along_axis(result, order, np.logical_and.accumulate(passed, axis=1), 1)
    return result


def false_words(studies: int, m: int, looks: Looks, correlation: float) -> list[float]:
    """Shares of studies: false differences, those without regard to the looks, those of the half that has none,
    false equivalence, any false word."""
    rng = np.random.default_rng([m, looks.units, round(100 * correlation)])
    whole = drawn(rng, studies, m, looks, correlation)
    found = whole.of(looks.first, looks.most)
    rule = sequential.boundaries(looks, labels=m + 1, family="control", alpha=ALPHA)
    naive = np.zeros(studies, dtype=bool)
    for repeats in looks.repeats:
        naive |= fixed(whole, repeats).any(axis=1)
    edge = np.arange(m) % 2 == 0
    differs = followed(found.moved(np.where(edge, 3.0, 0.0)), rule)[0]
    at_edge, mixed = [], []
    for width in WIDTHS:
        ends = np.where(edge, width, -width)
        at_edge.append((followed(found.moved(ends), rule, width)[0] == EQUIVALENT).any(axis=1).mean())
        words = followed(found.moved(np.where(edge, width, 0.0)), rule, width)[0]
        mixed.append(np.where(edge, words == EQUIVALENT, np.isin(words, (BETTER, WORSE))).any(axis=1).mean())
    return [
        float((followed(found, rule)[0] != OPEN).any(axis=1).mean()),
        float(naive.mean()),
        float((differs[:, ~edge] != OPEN).any(axis=1).mean()),
        float(max(at_edge)),
        float(max(mixed)),
    ]


def gains(studies: int, m: int, looks: Looks) -> list[tuple[float, float, float, float, str]]:
    """At each true difference: power, mean repeats of a comparison, the same of those that were told, repeats of the
    study's control, and the fixed number of repeats of equal power."""
    rng = np.random.default_rng([m, 7])
    whole = drawn(rng, studies, m, looks._replace(most=MOST_FIXED))
    rule = sequential.boundaries(looks, labels=m + 1, family="control", alpha=ALPHA)
    result = []
    for effect in EFFECTS:
        moved = whole.moved(effect)
        words, ends = followed(moved.of(looks.first, looks.most), rule)
        told, repeats = words == BETTER, ends + looks.first
        power = float(told.mean())
        same = next((r for r in range(1, MOST_FIXED + 1) if fixed(moved, r).mean() >= power), None)
        result.append(
            (
                power,
                float(repeats.mean()),
                float(repeats[told].mean()),
                float(repeats.max(axis=1).mean()),
                f"more than {MOST_FIXED}" if same is None else str(same),
            )
        )
    return result


def zones(studies: int, m: int, looks: Looks) -> list[tuple[float, float, float]]:
    """Without a difference, by the zone's half-width: the width, how many are called equivalent, mean repeats."""
    found = drawn(np.random.default_rng([m, 8]), studies, m, looks).of(looks.first, looks.most)
    rule = sequential.boundaries(looks, labels=m + 1, family="control", alpha=ALPHA)
    result = []
    for width in (1.0, 1.5, 2.0):
        words, ends = followed(found, rule, width)
        result.append((width, float((words == EQUIVALENT).mean()), float((ends + looks.first).mean())))
    return result


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--studies", type=int, default=4000, help="simulated studies of each row")
    studies = arguments.parse_args().studies
    print(f"False words in per cent of {studies} simulated studies, {100 * ALPHA:g} % nominal, looks after 2 to 20")
    print("folds  m  corr.  difference  naive  beside true ones  equivalence  any")
    for units, ratio in ((5, 0.25), (3, 0.5), (10, 0.111111), (5, 0.136364)):
        for m in FAMILIES:
            for correlation in (0.5, 0.01) if ratio == 0.25 else (0.5,):
                row = [100 * one for one in false_words(studies, m, Looks(units, ratio, 2, 20), correlation)]
                shares = "{:10.1f}{:8.1f}{:15.1f}{:15.1f}{:9.1f}".format(*row)
                print(f"{units:3d} {m:5d} {correlation:6.2f} {shares}", flush=True)
    print("\nPower of 5 folds, looks after 2 to 20 repeats, every comparison truly better")
    print(" m  difference  power %  mean repeats  of those told  of the control  fixed repeats of equal power")
    for m in FAMILIES:
        for effect, (power, mean, told, control, same) in zip(
            EFFECTS, gains(studies, m, Looks(5, 0.25, 2, 20)), strict=True
        ):
            print(
                f"{m:2d} {effect:8.1f} sd {100 * power:8.1f} {mean:11.1f} {told:14.1f} {control:15.1f}    {same}",
                flush=True,
            )
    print("\nNo difference, 5 folds, looks after 2 to 20 repeats")
    print(" m  zone        called equivalent %  mean repeats")
    for m in FAMILIES:
        for width, share, mean in zones(studies, m, Looks(5, 0.25, 2, 20)):
            print(f"{m:2d}  ±{width:3.1f} sd {100 * share:14.1f} {mean:16.1f}", flush=True)


if __name__ == "__main__":
    main()
