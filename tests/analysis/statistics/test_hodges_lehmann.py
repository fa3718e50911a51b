"""The Hodges-Lehmann estimate's exact interval: a published example, the test that it inverts, and its coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import frequentist
from analysis.statistics.scores import of_arrays

BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


def test_the_interval_of_hollander_and_wolfes_example() -> None:
    # Hollander and Wolfe (1999), examples 3.1, 3.3 and 3.4: -0.46 with (-0.786, -0.010) at 96.1 %.
    middle, interval, coverage = frequentist.hodges_lehmann(AFTER - BEFORE)
    assert middle == pytest.approx(-0.46)
    assert interval == pytest.approx((-0.786, -0.010))
    assert coverage == pytest.approx(0.961, abs=5e-4)
    verdict = frequentist.wilcoxon(of_arrays(AFTER, BEFORE, ratio=0.0), blocks="datasets")
    assert verdict.interval == pytest.approx(interval)
    assert verdict.extras["coverage"] == coverage


@pytest.mark.parametrize("n", [6, 9, 20, 40])
def test_the_interval_is_where_the_exact_test_does_not_reject(n: int) -> None:
    d = np.random.default_rng(n).normal(0.3, 1, n)
    _, interval, coverage = frequentist.hodges_lehmann(d)
    assert interval is not None
    for at, inside in ((interval.low, 1e-9), (interval.high, -1e-9)):
        assert stats.wilcoxon(d - at - inside, method="exact").pvalue > 0.05
        assert stats.wilcoxon(d - at + inside, method="exact").pvalue <= 0.05
    assert coverage >= 0.95


def test_few_pairs_have_no_interval() -> None:
    middle, interval, coverage = frequentist.hodges_lehmann(np.array([0.1, 0.2, 0.15, 0.3, 0.25]))
    assert middle == pytest.approx(0.2)
    assert interval is None
    assert math.isnan(coverage)
    low, high = frequentist.hodges_lehmann(np.array([0.1, 0.2, 0.15, 0.3, 0.25]), level=0.9)[1] or (0, 0)
    assert (low, high) == pytest.approx((0.1, 0.3))


def test_it_covers_with_heavy_tails() -> None:
    draws = np.random.default_rng(2).standard_t(2, size=(2000, 8))
    found = [frequentist.hodges_lehmann(d)[1] for d in draws]
    held = np.mean([one is not None and one.low <= 0 <= one.high for one in found])
    assert held >= 0.95
    assert held == pytest.approx(1 - 2 * 4 / 256, abs=0.015)
