"""Spearman's rho against scipy's, and its interval against a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.association import spearman


def test_rho_is_scipys_with_ties_and_without_what_is_not_finite() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, 40).astype(float)
    y = x + rng.normal(0, 2, 40)
    y[3] = math.nan
    found = spearman(x, y)
    kept = np.isfinite(y)
    assert found.rho == pytest.approx(stats.spearmanr(x[kept], y[kept]).statistic)
    assert found.n == 39
    assert found.told


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    true = 6 / math.pi * math.asin(0.5 / 2)  # Spearman's rho of a normal with a correlation of 0.5
    hits = 0
    for _ in range(600):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 30).T
        interval = spearman(x, y).interval
        assert interval is not None
        hits += interval.low <= true <= interval.high
    assert 0.92 <= hits / 600 <= 0.98


def test_a_constant_side_or_few_pairs_have_no_interval() -> None:
    assert math.isnan(spearman(np.ones(9), np.arange(9.0)).rho)
    few = spearman(np.arange(3.0), np.arange(3.0))
    assert (few.rho, few.interval, few.told) == (1.0, None, False)
    perfect = spearman(np.arange(30.0), np.arange(30.0))
    assert perfect.interval is not None
    assert perfect.interval.high <= 1.0
