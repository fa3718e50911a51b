"""Tests against SciPy, scikit-learn's documented example, published worked examples and simulation under the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import frequentist
from analysis.statistics.scores import Pairs, of_arrays
from analysis.statistics.verdict import Word

ACCURACY, LOSS = (find(unstated_metrics(), name) for name in ("accuracy", "loss"))

# Demsar (2006), Table 2: AUC of C4.5 and of C4.5 with tuned m on 14 data sets.
C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957]
C45M = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978]

SCORES = arrays(float, st.shared(st.integers(3, 12), key="n"), elements=st.floats(0, 1, width=32))


def pairs_of(d: list[float] | np.ndarray, ratio: float = 0.25, **more: object) -> Pairs:
    values = np.asarray(d, dtype=float)
    return of_arrays(values, np.zeros_like(values), ratio=ratio, **more)  # type: ignore[arg-type]


def correlated(rng: np.random.Generator, studies: int, n: int, rho: float) -> np.ndarray:
    """Differences (studies, n) under the null, each pair within a study correlated by rho."""
    shared = rng.normal(size=(studies, 1))
    return math.sqrt(rho) * shared + math.sqrt(1 - rho) * rng.normal(size=(studies, n))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_corrected_t_reproduces_scikit_learns_documented_comparison() -> None:
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(random_state=0, kernel=kernel), X, y, scoring="roc_auc", cv=cv)
        for kernel in ("rbf", "linear")
    )
    verdict = frequentist.corrected_t(of_arrays(rbf, linear, ratio=10 / 90))
    # The page prints a corrected t of 0.750 and, one-sided, p = 0.227; uncorrected 2.611 and 0.005.
    assert verdict.extras["t"] == pytest.approx(0.750, abs=5e-4)
    assert verdict.p is not None
    assert verdict.p / 2 == pytest.approx(0.227, abs=5e-4)
    plain = frequentist.corrected_t(of_arrays(rbf, linear, ratio=0.0))
    assert plain.extras["t"] == pytest.approx(2.611, abs=5e-4)
    assert plain.p is not None
    assert plain.p / 2 == pytest.approx(0.005, abs=5e-4)
    assert verdict.word is Word.UNDECIDED


def test_without_overlap_it_is_scipys_paired_t() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 9))
    verdict = frequentist.corrected_t(of_arrays(x, y, ratio=0.0))
    oracle = stats.ttest_rel(x, y)
    assert verdict.extras["t"] == pytest.approx(oracle.statistic)
    assert verdict.p == pytest.approx(oracle.pvalue)
    interval = oracle.confidence_interval(0.95)
    assert verdict.interval == pytest.approx((interval.low, interval.high))


def test_corrected_t_by_hand() -> None:
    d = np.array([0.01, 0.02, 0.03, 0.02, 0.00])
    verdict = frequentist.corrected_t(pairs_of(d))
    se = d.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    assert verdict.extras["t"] == pytest.approx(d.mean() / se)
    assert verdict.p == pytest.approx(2 * stats.t.sf(d.mean() / se, 4))
    assert verdict.interval == pytest.approx(stats.t.interval(0.95, 4, d.mean(), se))


def test_equivalence_is_two_one_sided_tests() -> None:
    d = np.random.default_rng(0).normal(0.001, 0.001, 50)
    verdict = frequentist.corrected_t(pairs_of(d), rope=0.01)
    se = float(verdict.extras["se"])
    upper = stats.t.sf((d.mean() + 0.01) / se, 49)
    lower = stats.t.cdf((d.mean() - 0.01) / se, 49)
    assert verdict.extras["p_equivalence"] == pytest.approx(max(upper, lower))
    assert verdict.word is Word.EQUIVALENT


@pytest.mark.parametrize(("repeats", "folds", "plain"), [(1, 5, 0.138), (5, 5, 0.45), (10, 5, 0.59)])
def test_error_rate_under_the_null_with_cross_validations_correlation(repeats: int, folds: int, plain: float) -> None:
    n, ratio = repeats * folds, 1 / (folds - 1)
    d = correlated(np.random.default_rng(repeats), 20_000, n, ratio / (1 + ratio))
    mean, sd = d.mean(axis=1), d.std(axis=1, ddof=1)
    limit = stats.t.isf(0.025, n - 1)
    rejected = np.abs(mean) > limit * sd * math.sqrt(1 / n + ratio)
    assert 0.04 <= rejected.mean() <= 0.065
    assert (np.abs(mean) > limit * sd / math.sqrt(n)).mean() == pytest.approx(plain, abs=0.02)
    # The vectorised formula is the function's.
    for row, verdict in zip(d[:50], rejected[:50], strict=True):
        found = frequentist.corrected_t(pairs_of(row, ratio))
        assert (found.word is not Word.UNDECIDED) == verdict


@pytest.mark.parametrize("repeats", [1, 5])
def test_intervals_cover_the_truth(repeats: int) -> None:
    d = 0.3 + correlated(np.random.default_rng(11), 1500, 5 * repeats, 0.2)
    verdicts = [frequentist.corrected_t(pairs_of(row)) for row in d]
    covered = np.mean([v.interval is not None and v.interval.low <= 0.3 <= v.interval.high for v in verdicts])
    assert covered == pytest.approx(0.95, abs=0.02)


@given(x=SCORES, y=SCORES, order=st.randoms())
def test_the_order_of_folds_does_not_matter(x: np.ndarray, y: np.ndarray, order: object) -> None:
    shuffled = np.arange(len(x))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    a = frequentist.corrected_t(of_arrays(x, y, ratio=0.25))
    b = frequentist.corrected_t(of_arrays(x[shuffled], y[shuffled], ratio=0.25))
    assert a.p == (b.p if b.p is None else pytest.approx(b.p, rel=1e-6, abs=1e-12))
    assert a.word == b.word


@given(x=SCORES, y=SCORES)
def test_exchanging_the_two_turns_the_verdict_round(x: np.ndarray, y: np.ndarray) -> None:
    turned = {Word.BETTER: Word.WORSE, Word.WORSE: Word.BETTER}
    for test in (
        lambda pairs: frequentist.corrected_t(pairs, rope=0.01),
        lambda pairs: frequentist.wilcoxon(pairs, blocks="seeds"),
    ):
        a, b = test(of_arrays(x, y, ratio=0.25)), test(of_arrays(y, x, ratio=0.25))
        assert a.estimate == pytest.approx(-b.estimate)
        assert a.p == (b.p if b.p is None else pytest.approx(b.p))
        assert a.word == turned.get(b.word, b.word)


@given(x=SCORES, y=SCORES, scale=st.floats(0.5, 20))
def test_scaling_keeps_p_and_scales_the_interval(x: np.ndarray, y: np.ndarray, scale: float) -> None:
    a = frequentist.corrected_t(of_arrays(x, y, ratio=0.25))
    b = frequentist.corrected_t(of_arrays(scale * x, scale * y, ratio=0.25))
    if a.interval is None or b.interval is None:
        # Only at the very edge of zero variance may the two disagree.
        assert a.interval is b.interval or np.std(x - y) < 1e-9
        return
    assert b.p == pytest.approx(a.p, rel=1e-6)
    assert b.interval == pytest.approx(tuple(scale * end for end in a.interval), rel=1e-6, abs=1e-9)


@given(x=SCORES, y=SCORES)
def test_a_loss_is_turned_round(x: np.ndarray, y: np.ndarray) -> None:
    accuracy = frequentist.corrected_t(of_arrays(x, y, ratio=0.25, metric=ACCURACY))
    loss = frequentist.corrected_t(of_arrays(x, y, ratio=0.25, metric=LOSS))
    assert loss.estimate == pytest.approx(-accuracy.estimate)


DEGENERATE = {
    "identical columns": ([0.5] * 5, [0.5] * 5, Word.DESCRIPTIVE, "identical on every split"),
    "zero variance": ([0.7, 0.6, 0.9], [0.6, 0.5, 0.8], Word.DESCRIPTIVE, "same amount"),
    "one fold": ([0.7], [0.6], Word.CANNOT_TELL, "1 paired split"),
    "two folds": ([0.7, 0.8], [0.6, 0.5], Word.CANNOT_TELL, "at least 3"),
    "none": ([], [], Word.CANNOT_TELL, "0 paired split"),
    "nan": ([0.7, math.nan, 0.8], [0.6, 0.7, 0.5], Word.CANNOT_TELL, "2 paired splits of 3 planned"),
    "inf": ([0.7, math.inf, 0.8], [0.6, 0.7, 0.5], Word.CANNOT_TELL, "2 paired splits of 3 planned"),
    "a store's infinity": ([0.7, 1.797e308, 0.8], [0.6, 0.7, 0.5], Word.CANNOT_TELL, "2 paired splits of 3"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_pairs_are_worded_and_have_no_p(case: str) -> None:
    x, y, word, said = DEGENERATE[case]
    verdict = frequentist.corrected_t(of_arrays(x, y, ratio=0.25))
    assert verdict.p is None
    assert verdict.interval is None
    assert verdict.word is word
    assert said in verdict.note


def test_missing_folds_are_counted_and_many_make_it_descriptive() -> None:
    x = np.array([0.8, 0.81, 0.83, 0.82, 0.85, 0.80, 0.84, 0.83, 0.82, math.nan])
    y = x - np.array([0.05, 0.06, 0.05, 0.04, 0.05, 0.06, 0.05, 0.04, 0.05, 0.05])
    few = frequentist.corrected_t(of_arrays(x, y, ratio=0.25))
    assert (few.n, few.word) == (9, Word.BETTER)
    assert "1 of 10 planned splits without a pair" in few.note
    many = frequentist.corrected_t(of_arrays(x, y, ratio=0.25, planned=12))
    assert many.word is Word.DESCRIPTIVE
    assert many.p is not None


def test_unequal_lengths_do_not_pair() -> None:
    with pytest.raises(ValueError, match="same length"):
        of_arrays([0.1, 0.2], [0.1], ratio=0.25)


def test_one_fold_of_unknown_size_has_no_correction() -> None:
    verdict = frequentist.corrected_t(pairs_of([0.1, 0.2, 0.3], math.nan))
    assert verdict.p is None
    assert verdict.word is Word.CANNOT_TELL
    assert "overlap" in verdict.note


def test_wilcoxon_is_scipys_exact_test_without_ties() -> None:
    rng = np.random.default_rng(5)
    for n in (6, 9, 14, 25):
        d = rng.normal(0.3, 1, n)
        verdict = frequentist.wilcoxon(pairs_of(d), blocks="datasets")
        oracle = stats.wilcoxon(d, method="exact")
        assert verdict.p == pytest.approx(oracle.pvalue)
        assert min(verdict.extras["r_plus"], verdict.extras["r_minus"]) == oracle.statistic


def test_wilcoxon_with_ties_is_scipys_full_enumeration() -> None:
    rng = np.random.default_rng(6)
    for n in (5, 8, 12):
        d = rng.integers(-4, 6, n) / 100
        d = d[d != 0]
        verdict = frequentist.wilcoxon(pairs_of(d), blocks="datasets")
        assert verdict.p == pytest.approx(stats.wilcoxon(d, method=stats.PermutationMethod()).pvalue)


def test_wilcoxon_on_demsars_example() -> None:
    # Demsar (2006), section 3.1.3: T = 12 at N = 14 with the two ties split between the sums, rejected at 0.05
    # (critical value 21). Dropping the ties leaves 12 pairs; every other rank falls by 2: R- = 5 + 1.5.
    verdict = frequentist.wilcoxon(of_arrays(C45M, C45, ratio=0.0), blocks="datasets")
    assert verdict.method == "Wilcoxon signed rank, exact, on data sets"
    assert verdict.n == 12
    assert verdict.extras["r_minus"] == 6.5
    assert verdict.extras["r_plus"] == 71.5
    assert verdict.p is not None
    assert verdict.p < 0.05
    assert verdict.word is Word.BETTER
    assert "2 of 14 pairs equal and dropped" in verdict.note


def test_five_pairs_cannot_pass_wilcoxon() -> None:
    d = [0.1, 0.2, 0.15, 0.3, 0.25]
    for blocks in ("folds", "seeds"):
        verdict = frequentist.wilcoxon(pairs_of(d), blocks=blocks)  # type: ignore[arg-type]
        assert verdict.p == pytest.approx(0.0625)
        assert verdict.extras["floor"] == 0.0625
        assert verdict.word is Word.CANNOT_TELL
        assert "least possible p is 0.0625" in verdict.note
        assert "significan" not in verdict.note
    seven = frequentist.wilcoxon(pairs_of([*d, 0.11, 0.12]), blocks="seeds", m=5)
    assert seven.word is Word.CANNOT_TELL
    assert frequentist.wilcoxon(pairs_of([*d, 0.11, 0.12, 0.13]), blocks="seeds", m=5).word is Word.BETTER


def test_wilcoxon_all_tied() -> None:
    verdict = frequentist.wilcoxon(pairs_of([0.0] * 8), blocks="datasets")
    assert verdict.p is None
    assert verdict.word is Word.DESCRIPTIVE
    assert "zero" in verdict.note
