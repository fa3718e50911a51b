"""Tests of paired scores: the corrected resampled t for cross-validation, its equivalence test, and older relatives.

The folds of a cross-validation share training data, so their differences are correlated and the plain paired t rejects
a true null far too often (14 % of the time with 5 folds, 59 % with ten times 5, at a nominal 5 %). Nadeau and Bengio
(2003) widen the standard error by sqrt(1/n + n2/n1) instead of sqrt(1/n), Bouckaert and Frank (2004) carry it over to
repeated folds. The correction is exact only where all differences correlate by n2/(n1+n2): call it approximate.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.runs.plan import half_width
from analysis.runs.wording import counted
from analysis.statistics import rule
from analysis.statistics.scores import MISSING_SHARE, Array, Pairs
from analysis.statistics.verdict import Interval, Verdict, Word

Blocks = Literal["datasets", "seeds", "folds"]
LEAST = 3
"""Fewer paired splits than this are not tested."""


def refusal(pairs: Pairs) -> tuple[Word, str] | None:
    """Why no test may be run on these pairs, as a word and a sentence; None where one may."""
    if pairs.activation == pairs.control:
        return Word.DESCRIPTIVE, "An activation is not compared with itself."
    if pairs.n < LEAST:
        lost = f" of {pairs.planned} planned" if pairs.missing else ""
        return Word.CANNOT_TELL, f"{counted(pairs.n, f'paired {pairs.unit}')}{lost}; a test needs at least {LEAST}."
    if pairs.zero_variance:
        same = bool(np.abs(pairs.d).max() == 0)
        what = f"identical on every {pairs.unit}" if same else f"apart by the same amount on every {pairs.unit}"
        return Word.DESCRIPTIVE, (
            f"Zero variance: the two are {what}, so no p-value exists. Check that they are different runs."
        )
    return None


def limits(pairs: Pairs) -> list[str]:
    """Sentences on what weakens the evidence of these pairs, whichever test is run."""
    notes = []
    if pairs.missing:
        notes.append(f"{pairs.missing} of {counted(pairs.planned, f'planned {pairs.unit}')} without a pair.")
    if pairs.unequal:
        notes.append(
            f"{counted(pairs.unequal, 'fold')} split differently for different activations, which makes no pair."
        )
    if pairs.diverged:
        done = "scored as if nothing was learned" if pairs.handling == "penalised" else "left out"
        notes.append(f"{counted(pairs.diverged, 'diverged run')} {done}.")
    if not pairs.ratio_known:
        notes.append("Sizes of the parts are unknown; the correction takes them from the number of folds.")
    if not pairs.verifiable:
        notes.append("Imported numbers without runs behind them: not verifiable.")
    return notes


def too_many_missing(pairs: Pairs) -> bool:
    return pairs.planned > 0 and pairs.missing > MISSING_SHARE * pairs.planned


def standard_error(d: Array, ratio: float) -> float:
    """s_d * sqrt(1/n + n2/n1) of the differences ``d`` (n,); ``ratio`` is n2/n1."""
    return float(d.std(ddof=1)) * math.sqrt(1 / len(d) + ratio)


def corrected_t(pairs: Pairs, *, alpha: float = 0.05, rope: float | None = None) -> Verdict:
    """Nadeau and Bengio's corrected resampled t on n-1 degrees of freedom, two-sided, with its interval.

    With ``rope`` (half-width, metric's units) also the two one-sided tests of equivalence, whose larger p is
    ``extras["p_equivalence"]``; without one there is no zone, and nothing is equivalent. The word is that of
    :func:`analysis.statistics.rule.word` for this comparison alone; the family's comes after
    (:func:`analysis.statistics.claims.decide_all`). Raises :class:`~analysis.errors.DeclarationError` for a ``rope``
    below 0.
    """
    method = "corrected resampled t"
    width = 0.0 if rope is None else half_width(rope)
    d = pairs.d
    notes = limits(pairs)
    estimate = float(d.mean()) if pairs.n else math.nan
    no = refusal(pairs)
    if no is None and not math.isfinite(pairs.ratio):
        no = Word.CANNOT_TELL, "One fold of unknown size: the overlap of the training parts is unknown."
    if no is not None:
        return Verdict(
            dataset=pairs.dataset,
            activation=pairs.activation,
            control=pairs.control,
            metric=pairs.column,
            method=method,
            estimate=estimate,
            level=1 - alpha,
            n=pairs.n,
            word=no[0],
            note=" ".join([no[1], *notes]),
        )
    se = standard_error(d, pairs.ratio)
    freedom = pairs.n - 1
    p = rule.p_difference(estimate, se, freedom)
    half = float(stats.t.isf(alpha / 2, freedom)) * se
    extras: dict[str, float] = {"t": estimate / se, "df": freedom, "se": se}
    extras |= {"sd": float(d.std(ddof=1)), "ratio": pairs.ratio}
    if rope is not None:
        extras |= {"rope": width, "p_equivalence": rule.p_equivalence(estimate, se, freedom, width)}
    word = rule.word(rule.regions(estimate, se, freedom, width), p=p, p_same=extras.get("p_equivalence"), alpha=alpha)
    if too_many_missing(pairs) or not pairs.verifiable:
        word = Word.DESCRIPTIVE
    return Verdict(
        dataset=pairs.dataset,
        activation=pairs.activation,
        control=pairs.control,
        metric=pairs.column,
        method=method,
        estimate=estimate,
        interval=Interval(*pairs.metric.within(estimate - half, estimate + half)),
        level=1 - alpha,
        p=p,
        n=pairs.n,
        word=word,
        note=" ".join(notes),
        extras=extras,
    )


def wilcoxon(pairs: Pairs, *, blocks: Blocks, alpha: float = 0.05, m: int = 1) -> Verdict:
    """Wilcoxon's signed rank test, exact and two-sided, ties by mid-ranks; zero differences are dropped and counted.

    ``blocks`` says what a pair is: only data sets or independent seeds are evidence, folds are descriptive. ``m`` is
    the family's size: where even a clean sweep cannot get p below alpha/m (the floor is 2/2^n), the word is "cannot
    tell at this n". The estimate is the Hodges-Lehmann median of the differences with its exact interval
    and that one's ``coverage``, see :func:`hodges_lehmann`.
    """
    d = np.round(pairs.d, 12)
    used = d[d != 0]
    n = len(used)
    notes = limits(pairs)
    blank = Verdict(
        dataset=pairs.dataset,
        activation=pairs.activation,
        control=pairs.control,
        metric=pairs.column,
        method=f"Wilcoxon signed rank, exact, on {blocks.replace('datasets', 'data sets')}",
        level=1 - alpha,
    )
    if n == 0:
        why = "All differences are zero, so no p-value exists." if len(d) else "No pairs."
        return dataclasses.replace(
            blank,
            estimate=0.0 if len(d) else math.nan,
            n=len(d),
            word=Word.DESCRIPTIVE if len(d) else Word.CANNOT_TELL,
            note=" ".join([why, *notes]),
        )
    ranks = stats.rankdata(np.abs(used))
    plus = float(ranks[used > 0].sum())
    minus = float(ranks[used < 0].sum())
    p = signed_rank_p(ranks, plus)
    floor = 2 / 2**n
    estimate, interval, held = hodges_lehmann(d, level=1 - alpha)
    word = Word.UNDECIDED
    if floor > alpha / m:
        word = Word.CANNOT_TELL
        family = f" in a family of {m}" if m > 1 else ""
        notes.insert(
            0, f"{counted(n, 'pair')} cannot pass{family}, whatever they show: the least possible p is {floor:.4g}."
        )
    elif blocks == "folds" or not pairs.verifiable:
        word = Word.DESCRIPTIVE
    elif p <= alpha / m:
        word = Word.BETTER if plus > minus else Word.WORSE
    if blocks == "folds":
        notes.append("Folds share training data: as blocks they describe this data set and prove nothing beyond it.")
    if n < len(d):
        notes.append(f"{len(d) - n} of {counted(len(d), 'pair')} equal and dropped.")
    return dataclasses.replace(
        blank,
        estimate=estimate,
        interval=interval,
        p=p,
        n=n,
        word=word,
        note=" ".join(notes),
        extras={"r_plus": plus, "r_minus": minus, "floor": floor, "family": m, "zeros": len(d) - n, "coverage": held},
    )


def hodges_lehmann(d: Array, *, level: float = 0.95) -> tuple[float, Interval | None, float]:
    """Median of the Walsh averages of the differences ``d`` (n,), its exact interval and that one's coverage.

    The interval holds the shifts that Wilcoxon's exact test does not reject (Hollander and Wolfe 1999, section 3.4):
    from the k-th smallest average to the k-th largest, k the largest with P(T < k) <= (1 - level)/2. It covers at least
    ``level``, for differences that are continuous and symmetric about their median. None, with coverage nan, where
    even the extreme averages cover less: with five pairs at 95 %.
    """
    walsh = np.sort((d[:, None] + d[None, :])[np.triu_indices(len(d))] / 2)
    middle = float(np.median(walsh)) if len(d) else math.nan
    below = np.cumsum(_signed_rank_mass(np.arange(1, len(d) + 1)))
    k = int(np.searchsorted(below, (1 - level) / 2 + 1e-12, side="right"))
    if k == 0:
        return middle, None, math.nan
    return middle, Interval(float(walsh[k - 1]), float(walsh[-k])), float(1 - 2 * below[k - 1])


def signed_rank_p(ranks: Array, plus: float) -> float:
    """Two-sided exact p of a sum ``plus`` of positive ``ranks`` (n,), which may be mid-ranks.

    Counts all 2^n sign patterns by adding one rank at a time; n up to some hundreds is a matter of milliseconds.
    """
    mass = _signed_rank_mass(np.rint(2 * ranks).astype(int))
    at = round(2 * plus)
    return min(1.0, 2 * min(float(mass[: at + 1].sum()), float(mass[at:].sum())))


def _signed_rank_mass(steps: npt.NDArray[np.int64]) -> Array:
    """Probability of each sum of ``steps`` (whole numbers) from 0 up, where each counts with probability 1/2."""
    mass = np.zeros(int(steps.sum()) + 1)
    mass[0] = 1.0
    for step in steps:
        moved = np.zeros_like(mass)
        moved[step:] = mass[: len(mass) - step]
        mass = (mass + moved) / 2
    return mass
