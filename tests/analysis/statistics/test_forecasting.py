"""Two forecasts of one series: against other software, a published example's arithmetic, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.forecasting import diebold_mariano


def errors(seed: int, n: int = 120, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=n), spread * generator.normal(size=n)


def test_one_step_ahead_without_lags_is_a_paired_t_test_of_the_losses() -> None:
    first, second = errors(1)
    found = diebold_mariano(first, second, lags=0)
    expected = stats.ttest_rel(first**2, second**2)
    # The variance divides by n and the correction for one step is (n - 1) / n: together n - 1, as the t test's.
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)


@pytest.mark.parametrize("lags", [1, 4, 9])
def test_the_variance_is_that_of_statsmodels(lags: int) -> None:
    linear_model = pytest.importorskip("statsmodels.regression.linear_model")
    first, second = errors(2)
    losses = first**2 - second**2
    fitted = linear_model.OLS(losses, np.ones(len(losses))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    n, found = len(losses), diebold_mariano(first, second, lags=lags)
    assert found.difference == pytest.approx(float(fitted.params[0]), rel=1e-12)
    assert found.standard_error == pytest.approx(float(fitted.bse[0]) * math.sqrt(n / (n - 1)), rel=1e-10)


def test_the_rectangular_form_by_hand() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 1.0, 2.0]), np.array([2.0, 1.0, 1.0, 1.0, 1.0])
    found = diebold_mariano(first, second, horizon=2, power=1, lags=1, kernel="rectangular")
    # Losses -1, 1, 2, 0, 1: mean 0.6, squares of deviations 5.2, products of neighbours -0.64 + 0.56 - 0.84 - 0.24.
    variance = (5.2 / 5 + 2 * (-1.16 / 5)) / 5
    correction = (5 + 1 - 4 + 2 / 5) / 5
    assert found.difference == pytest.approx(0.6)
    assert found.statistic == pytest.approx(0.6 / math.sqrt(variance) * math.sqrt(correction))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.statistic), 4))


def test_its_size_holds_where_errors_are_autocorrelated() -> None:
    generator = np.random.default_rng(7)
    rejected = 0
    for _ in range(400):
        common = np.convolve(generator.normal(size=303), np.ones(4) / 2.0, mode="valid")
        first, second = common + generator.normal(size=300), common + generator.normal(size=300)
        rejected += diebold_mariano(first, second, horizon=4).p < 0.05
    assert 0.02 < rejected / 400 < 0.09


def test_the_better_forecast_is_told_and_the_order_gives_the_sign() -> None:
    first, second = errors(3, n=400, spread=1.4)
    found, turned = diebold_mariano(first, second), diebold_mariano(second, first)
    assert found.difference < 0
    assert found.p < 0.001
    assert (found.statistic, found.p) == (-turned.statistic, turned.p)


def test_forecasts_that_are_one_differ_by_nothing_and_a_constant_difference_has_no_error() -> None:
    first, _ = errors(4)
    assert (diebold_mariano(first, first).difference, diebold_mariano(first, -first).p) == (0.0, 1.0)
    found = diebold_mariano(np.full(20, 2.0), np.full(20, 1.0))
    assert found.difference == 3.0
    assert math.isnan(found.statistic)
    assert math.isnan(found.p)


@pytest.mark.parametrize(
    ("first", "second", "options", "said"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], {}, "same steps"),
        ([1.0, math.nan, 2.0], [1.0, 2.0, 3.0], {}, "NaN"),
        ([1.0, 2.0], [2.0, 1.0], {"horizon": 2}, "2 errors"),
        ([1.0, 2.0, 3.0], [2.0, 1.0, 0.0], {"lags": 3}, "3 lags"),
    ],
)
def test_errors_that_cannot_be_compared_are_refused(first: list, second: list, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        diebold_mariano(first, second, **options)
