"""The one rule by which a comparison gets its word, and the posterior and p-values that it weighs.

A claim needs two things of its own kind: a p that holds in the family, and 1-alpha of the posterior in its region.

- better, worse: the two-sided p of no difference, and the posterior beyond the zone of equivalence on that side.
- equivalent: the p of the two one-sided tests (Schuirmann 1987), and the posterior inside the zone.

Each kind's p is adjusted by Holm over the family's comparisons. The larger of two one-sided p-values is a p-value of
"not equivalent" (Berger and Hsu 1996), so Holm's adjustment (1979) holds for it under any dependence, as Lauzon and
Caffo (2009) work out for the two one-sided tests: the probability of any false "equivalent" in a family is at most
alpha. The two kinds are adjusted apart, each over the same m: of one comparison at most one can be false, since a true
difference is none, or beyond the zone, or neither. Together they are bounded by 2 alpha; simulated, with half of a
family at the zone's edge and half without a difference, any false word came in at most 4.5 % of studies of 1, 5 and 10
times 5 folds and 3, 5 and 19 comparisons (``tests/bench/bench_equivalence.py``; 28 % where P(same) decides alone).
"""

from __future__ import annotations

from scipy import stats

from analysis.statistics.verdict import Probabilities, Word


def regions(mean: float, scale: float, freedom: int, width: float) -> Probabilities:
    """Mass of a Student t below -width, between and above +width. Tails are computed as tails, so that small ones keep
    their digits."""
    worse = float(stats.t.cdf((-width - mean) / scale, freedom))
    better = float(stats.t.sf((width - mean) / scale, freedom))
    return Probabilities(worse, max(0.0, 1 - worse - better), better)


def p_difference(mean: float, scale: float, freedom: int) -> float:
    """Two-sided p of no difference."""
    return float(2 * stats.t.sf(abs(mean / scale), freedom))


def p_equivalence(mean: float, scale: float, freedom: int, width: float) -> float:
    """The larger p of the two one-sided tests that the difference lies within ±width."""
    return max(float(stats.t.sf((mean + width) / scale, freedom)), float(stats.t.cdf((mean - width) / scale, freedom)))


def word(probabilities: Probabilities, *, p: float | None, p_same: float | None, alpha: float) -> Word:
    """Better, worse, equivalent or undecided. ``p`` is of no difference and ``p_same`` of no equivalence, both for the
    family (None: not tested, which claims nothing)."""
    worse, same, better = probabilities
    if p_same is not None and p_same <= alpha and same >= 1 - alpha:
        return Word.EQUIVALENT
    if p is not None and p <= alpha and max(worse, better) >= 1 - alpha:
        return Word.BETTER if better > worse else Word.WORSE
    return Word.UNDECIDED
