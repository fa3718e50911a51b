"""Tests of paired scores: the corrected resampled t for cross-validation, its equivalence test, and older relatives.

The folds of a cross-validation share training data, so their differences are correlated and the plain paired t rejects
a true null far too often (14 % of the time with 5 folds, 59 % with ten times 5, at a nominal 5 %). Nadeau and Bengio
(2003) widen the standard error by sqrt(1/n + n2/n1) instead of sqrt(1/n), Bouckaert and Frank (2004) carry it over to
repeated folds. The correction is exact only where all differences correlate by n2/(n1+n2): call it approximate.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.pairs import MISSING_SHARE, Array, Pairs
from analysis.verdict import Interval, Verdict, Word

LEAST = 3
"""Fewer paired splits than this are not tested."""


def refusal(pairs: Pairs) -> tuple[Word, str] | None:
    """Why no test may be run on these pairs, as a word and a sentence; None where one may."""
    if pairs.activation == pairs.control:
        return Word.DESCRIPTIVE, "An activation is not compared with itself."
    if pairs.n < LEAST:
        lost = f" of {pairs.planned} planned" if pairs.missing else ""
        return Word.CANNOT_TELL, f"{pairs.n} paired split(s){lost}; a test needs at least {LEAST}."
    if pairs.zero_variance:
        same = bool(np.abs(pairs.d).max() == 0)
        what = "identical on every split" if same else "apart by the same amount on every split"
        return Word.DESCRIPTIVE, (
            f"Zero variance: the two are {what}, so no p-value exists. Check that they are different runs."
        )
    return None


def limits(pairs: Pairs) -> list[str]:
    """Sentences on what weakens the evidence of these pairs, whichever test is run."""
    notes = []
    if pairs.missing:
        notes.append(f"{pairs.missing} of {pairs.planned} planned splits have no pair.")
    if pairs.unequal:
        notes.append(f"{pairs.unequal} fold(s) were split differently for different activations and do not pair.")
    if pairs.diverged:
        done = "scored at chance" if pairs.handling == "penalised" else "left out"
        notes.append(f"{pairs.diverged} diverged run(s) {done}.")
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
    ``extras["p_equivalence"]``. The word is better or worse at p <= alpha, else equivalent where that p is <= alpha,
    else undecided; the family's adjustment comes after (``analysis.multiplicity``).
    """
    return _t(pairs, alpha=alpha, rope=rope, ratio=pairs.ratio, method="corrected resampled t")


def plain_t(pairs: Pairs, *, alpha: float = 0.05) -> Verdict:
    """The paired t that takes the splits as independent: for reference beside :func:`corrected_t`, never for a claim.

    The word is always descriptive.
    """
    return _t(pairs, alpha=alpha, rope=None, ratio=0.0, method="plain paired t (ignores fold overlap)")


def _t(pairs: Pairs, *, alpha: float, rope: float | None, ratio: float, method: str) -> Verdict:
    d = pairs.d
    notes = limits(pairs)
    estimate = float(d.mean()) if pairs.n else math.nan
    no = refusal(pairs)
    if no is None and not math.isfinite(ratio):
        no = Word.CANNOT_TELL, "One fold of unknown size: the overlap of the training parts is unknown."
    if no is not None:
        return Verdict(
            dataset=pairs.dataset,
            activation=pairs.activation,
            control=pairs.control,
            metric=pairs.metric,
            method=method,
            estimate=estimate,
            level=1 - alpha,
            n=pairs.n,
            word=no[0],
            note=" ".join([no[1], *notes]),
        )
    se = standard_error(d, ratio)
    freedom = pairs.n - 1
    t = estimate / se
    p = float(2 * stats.t.sf(abs(t), freedom))
    half = float(stats.t.isf(alpha / 2, freedom)) * se
    extras: dict[str, float] = {"t": t, "df": freedom, "se": se, "sd": float(d.std(ddof=1)), "ratio": ratio}
    word = Word.UNDECIDED
    if rope is not None:
        extras["rope"] = rope
        extras["p_equivalence"] = max(
            float(stats.t.sf((estimate + rope) / se, freedom)), float(stats.t.cdf((estimate - rope) / se, freedom))
        )
        if extras["p_equivalence"] <= alpha:
            word = Word.EQUIVALENT
    if p <= alpha:
        word = Word.BETTER if estimate > 0 else Word.WORSE
    if ratio == 0.0:
        word = Word.DESCRIPTIVE
        notes.insert(0, "Takes folds as independent, which they are not: the p-value is far too small.")
    elif too_many_missing(pairs) or not pairs.verifiable:
        word = Word.DESCRIPTIVE
    return Verdict(
        dataset=pairs.dataset,
        activation=pairs.activation,
        control=pairs.control,
        metric=pairs.metric,
        method=method,
        estimate=estimate,
        interval=Interval(estimate - half, estimate + half),
        level=1 - alpha,
        p=p,
        n=pairs.n,
        word=word,
        note=" ".join(notes),
        extras=extras,
    )
