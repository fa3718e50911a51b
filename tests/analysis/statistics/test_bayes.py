"""The correlated t against baycomp, which decides nothing in the product, and its degenerate inputs."""

from __future__ import annotations

import dataclasses
import math

import baycomp
import numpy as np
import pytest
from scipy import integrate, stats

from analysis.runs.metric import Metric, find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import bayes, frequentist, rule
from analysis.statistics.scores import of_arrays
from analysis.statistics.verdict import Word


@pytest.mark.parametrize(("repeats", "rope"), [(1, 0.01), (1, 0.0), (4, 0.005), (10, 0.02)])
def test_probabilities_are_baycomps(repeats: int, rope: float) -> None:
    rng = np.random.default_rng(repeats)
    x = 0.8 + rng.normal(0.004, 0.01, 5 * repeats)
    y = 0.8 + rng.normal(0.0, 0.01, 5 * repeats)
    verdict = bayes.correlated_t(of_arrays(x, y, ratio=1 / 4), rope=rope)
    oracle = baycomp.two_on_single(y, x, rope=rope, runs=repeats)
    assert verdict.probabilities is not None
    worse, same, better = verdict.probabilities
    if rope:
        assert (worse, same, better) == pytest.approx(tuple(oracle), abs=1e-12)
    else:
        assert (worse, better) == pytest.approx(tuple(oracle), abs=1e-12)
        assert same == pytest.approx(0, abs=1e-12)
    assert worse + same + better == pytest.approx(1)


def test_the_credible_interval_is_the_corrected_confidence_interval() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 10))
    pairs = of_arrays(x, y, ratio=0.25)
    assert bayes.correlated_t(pairs, rope=0.1).interval == pytest.approx(frequentist.corrected_t(pairs).interval)


def test_small_tails_keep_their_digits() -> None:
    worse, _, better = rule.regions(1.0, 0.01, 30, 0.0)
    oracle = integrate.quad(lambda v: float(stats.t.pdf(v, 30)), -math.inf, -100)[0]
    assert 0 < worse < 1e-30
    assert worse == pytest.approx(oracle, rel=1e-3)
    assert better == 1.0


def test_words() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(0.8, 0.01, 50)
    noise = rng.normal(0, 0.002, 50)
    words = {
        shift: bayes.correlated_t(of_arrays(base + shift + noise, base, ratio=0.25), rope=0.01).word
        for shift in (0.03, -0.03, 0.0, 0.0095)
    }
    assert words == {0.03: Word.BETTER, -0.03: Word.WORSE, 0.0: Word.EQUIVALENT, 0.0095: Word.UNDECIDED}


def test_default_width() -> None:
    share = Metric(name="hits", better="higher", low=0.0, high=1.0, share_of_items=True)

    def width(
        metric: Metric, *, seed_sd: float = math.nan, items: float = math.nan, reference: float = math.nan
    ) -> float:
        pairs = of_arrays([0.5, 0.6], [0.5, 0.5], ratio=0.25, metric=metric, n_heldout=items)
        return bayes.default_rope(dataclasses.replace(pairs, seed_sd=seed_sd, reference=reference))

    assert width(share, seed_sd=0.02, items=10_000) == pytest.approx(0.002)
    assert width(share, seed_sd=0.0001, items=1_000) == pytest.approx(0.001)
    assert width(share, items=500, reference=0.5) == pytest.approx(0.002)
    assert math.isnan(width(Metric(name="skill", better="higher", high=1.0), reference=0.5))


def test_the_default_width_of_an_error_comes_from_knowing_nothing_and_from_the_control() -> None:
    error = Metric(name="error", better="lower", low=0.0)
    pairs = of_arrays([5.0, 6.0], [5.0, 5.0], ratio=0.25, metric=error)
    assert math.isnan(bayes.default_rope(pairs))
    known = dataclasses.replace(pairs, reference=15.4)
    assert bayes.default_rope(known) == pytest.approx(0.154)
    assert bayes.default_rope(dataclasses.replace(known, seed_sd=3.0)) == pytest.approx(0.3)
    solved = dataclasses.replace(known, y=np.array([0.4, 0.6]))
    assert bayes.default_rope(solved) == pytest.approx(0.025)
    bounded = dataclasses.replace(known, metric=dataclasses.replace(error, high=20.0))
    assert math.isnan(bayes.default_rope(bounded))


def test_an_item_is_a_width_for_an_accuracy_alone() -> None:
    x, y = [0.1, 0.3, 0.2], [0.1, 0.1, 0.1]
    widths = {
        metric: bayes.correlated_t(
            of_arrays(x, y, ratio=0.25, n_heldout=500, metric=find(unstated_metrics(), metric))
        ).extras["rope"]
        for metric in ("accuracy", "loss", "auc")
    }
    assert widths["accuracy"] == pytest.approx(0.002)
    assert math.isnan(float(widths["loss"]))
    assert math.isnan(float(widths["auc"]))


def test_without_a_width_nothing_is_the_same_and_the_note_says_so() -> None:
    verdict = bayes.correlated_t(of_arrays([0.1, 0.3, 0.2], [0.1, 0.1, 0.1], ratio=0.25))
    assert verdict.probabilities is not None
    assert verdict.probabilities.same == pytest.approx(0, abs=1e-12)
    assert "none was declared" in verdict.note


@pytest.mark.parametrize(("shift", "region"), [(0.0, 1), (0.05, 2), (-0.05, 0)])
def test_zero_variance_puts_all_mass_in_one_region_and_claims_nothing(shift: float, region: int) -> None:
    y = np.array([0.5, 0.6, 0.7, 0.8])
    verdict = bayes.correlated_t(of_arrays(y + shift, y, ratio=1 / 3), rope=0.01)
    assert verdict.probabilities is not None
    assert verdict.probabilities[region] == 1.0
    assert verdict.word is Word.DESCRIPTIVE
    assert verdict.interval is None


def test_nan_and_one_fold_are_refused() -> None:
    verdict = bayes.correlated_t(of_arrays([0.5, math.nan, 0.4], [0.4, 0.4, 0.4], ratio=0.5), rope=0.01)
    assert verdict.probabilities is None
    assert verdict.word is Word.CANNOT_TELL
    assert bayes.correlated_t(of_arrays([0.5], [0.4], ratio=0.5), rope=0.01).word is Word.CANNOT_TELL


def test_probabilities_by_width_grow_towards_the_same() -> None:
    x, y = np.random.default_rng(7).normal(0.8, 0.01, (2, 10))
    frame = bayes.by_width(of_arrays(x, y, ratio=0.25), np.linspace(0, 0.05, 11))
    assert frame["same"].is_monotonic_increasing
    assert frame[["worse", "same", "better"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert bayes.by_width(of_arrays([1.0], [1.0], ratio=0.25), [0.1]).empty
