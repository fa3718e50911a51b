"""The planner against simulation, statsmodels and what is known of the published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from analysis.statistics import power
from analysis.statistics.scores import of_arrays


def test_without_overlap_it_is_the_paired_ts_power() -> None:
    for size, n in ((0.5, 10), (0.8, 20), (0.1, 50)):
        assert power.power(size, 1.0, n, 0.0) == pytest.approx(TTestPower().power(size, n, 0.05), abs=1e-9)


def test_power_is_what_simulation_gives() -> None:
    rng = np.random.default_rng(0)
    n, ratio, size = 25, 0.25, 1.2
    rho = ratio / (1 + ratio)
    # The formula's sd is that of the sample, whose expectation under correlation is sqrt(1 - rho).
    d = size + (math.sqrt(rho) * rng.normal(size=(20_000, 1)) + math.sqrt(1 - rho) * rng.normal(size=(20_000, n)))
    mean, sd = d.mean(axis=1), d.std(axis=1, ddof=1)
    rejected = np.abs(mean) > stats.t.isf(0.025, n - 1) * sd * math.sqrt(1 / n + ratio)
    assert power.power(size, math.sqrt(1 - rho), n, ratio) == pytest.approx(rejected.mean(), abs=0.01)


def test_power_rises_to_a_ceiling_that_repeats_do_not_pass() -> None:
    values = [power.power(1.0, 1.0, 5 * repeats, 0.25) for repeats in (1, 2, 5, 20, 500)]
    assert values == sorted(values)
    top = power.ceiling(1.0, 1.0, 0.25)
    assert values[-1] == pytest.approx(top, abs=0.005)
    assert values[-1] < top
    assert top == pytest.approx(stats.norm.sf(1.959964 - 2) + stats.norm.cdf(-1.959964 - 2), abs=1e-6)


def test_power_is_a_number_and_rises_with_the_difference_however_far_out() -> None:
    sizes = np.concatenate([np.linspace(0, 40, 81), [1e3, 1e4, 1e5, 1e7]])
    for n in (2, 3, 5, 20, 50, 1000):
        for alpha in (0.05, 0.05 / 15, 0.05 / 57):
            found = np.array([power.power(size, 1.0, n, 0.25, alpha=alpha) for size in sizes])
            assert np.isfinite(found).all()
            assert (np.diff(found) > -1e-9).all()
            assert found[-1] == pytest.approx(1)
            # P(|T| > limit) by the chi-square of the standard error, item by item.
            limit, shift = stats.t.isf(alpha / 2, n - 1), 30 / math.sqrt(1 / n + 0.25)
            root = np.sqrt(stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, n - 1) / (n - 1))
            known = (stats.norm.sf(limit * root - shift) + stats.norm.cdf(-limit * root - shift)).mean()
            assert power.power(30, 1.0, n, 0.25, alpha=alpha) == pytest.approx(known, abs=1e-3)
    assert power.detectable(1, n=50, ratio=0.25, alpha=0.05 / 57) == pytest.approx(2.296, abs=1e-3)
    assert power.repeats_needed(8, 1, 5, 0.25, alpha=0.05 / 15) == 1


def test_outlook_plans_for_the_rule_of_the_verdicts() -> None:
    """Power of "better", simulated: Holm's first step against 0, and 95 % of the posterior beyond the region."""
    rng = np.random.default_rng(4)
    n, ratio, rope, m = 10, 0.25, 1.0, 5
    rho = ratio / (1 + ratio)
    for size in (1.5, 2.0, 3.0):
        noise = math.sqrt(rho) * rng.normal(size=(20_000, 1)) + math.sqrt(1 - rho) * rng.normal(size=(20_000, n))
        d = size + noise
        mean, se = d.mean(axis=1), d.std(axis=1, ddof=1) * math.sqrt(1 / n + ratio)
        passed = (mean / se > stats.t.isf(0.05 / m / 2, n - 1)) & ((mean - rope) / se > stats.t.isf(0.05, n - 1))
        # Differences whose standard deviation is what the formula takes it to be.
        shape = stats.zscore(np.arange(n), ddof=1) * math.sqrt(1 - rho)
        pairs = of_arrays(shape + size, shape * 0, ratio=ratio)
        row = power.outlook(pairs, folds=5, rope=rope, m=m).set_index("sd_at").loc["observed"]
        assert row["power"] == pytest.approx(passed.mean(), abs=0.02)


def test_a_difference_within_practical_equivalence_is_never_reached() -> None:
    d = np.array([0.010, 0.020, -0.005, 0.015, 0.000])
    ask = {"folds": 5, "effects": {"within": 0.01, "beyond": 0.2}}
    free, held = (power.outlook(of_arrays(d, d * 0, ratio=0.25), rope=rope, **ask) for rope in (0.0, 0.01))  # type: ignore[arg-type]
    within = held[held["effect"] == "within"]
    assert within["repeats_needed"].isna().all()
    assert (within["power"] <= 0.1 + 1e-9).all()
    assert (held["detectable"] >= free["detectable"]).all()
    assert (held["detectable"] > 0.01).all()
    assert power.outlook(of_arrays(d, d * 0, ratio=0.25), m=4, m_datasets=15, **ask)["datasets_needed"].iloc[0] == 10  # type: ignore[arg-type]


def test_repeats_needed_is_the_smallest_that_is_enough_or_none() -> None:
    needed = power.repeats_needed(1.5, 1.0, 5, 0.25)
    assert needed is not None
    assert power.power(1.5, 1.0, 5 * needed, 0.25) >= 0.8
    assert needed == 1 or power.power(1.5, 1.0, 5 * (needed - 1), 0.25) < 0.8
    assert power.repeats_needed(1.0, 1.0, 5, 0.25) is None
    assert power.repeats_needed(50.0, 1.0, 5, 0.25) == 1


def test_detectable_is_the_inverse_of_power() -> None:
    least = power.detectable(0.01, 10, 0.25)
    assert power.power(least, 0.01, 10, 0.25) == pytest.approx(0.8, abs=1e-6)
    assert math.isnan(power.detectable(0.01, 1, 0.25))
    assert math.isnan(power.power(0.1, 0.0, 5, 0.25))


def test_five_values_leave_the_spread_between_0_6_and_2_9() -> None:
    low, high = power.sd_interval(1.0, 5)
    assert (low, high) == pytest.approx((0.599, 2.874), abs=1e-3)
    rng = np.random.default_rng(1)
    inside = [
        low <= 1 <= high
        for low, high in (power.sd_interval(float(rng.normal(size=8).std(ddof=1)), 8) for _ in range(2000))
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_seeds_help_only_against_the_noise_of_seeds() -> None:
    ask = {"n": 5, "ratio": 0.25, "target": 0.8, "alpha": 0.05}
    assert power.seeds_needed(0.02, 0.014, 0.0099, 1, **ask) > 1
    assert power.seeds_needed(0.001, 0.02, 0.001, 1, **ask) == math.inf
    assert math.isnan(power.seeds_needed(0.02, 0.014, math.nan, 1, **ask))
    # Enough as it is: no more than now.
    assert power.seeds_needed(1.0, 0.01, 0.005, 2, **ask) == 2


def test_data_sets_needed_is_where_wilcoxons_floor_passes() -> None:
    assert power.datasets_needed(1) == 6
    assert 2 / 2 ** power.datasets_needed(5) <= 0.05 / 5 < 2 / 2 ** (power.datasets_needed(5) - 1)


def test_outlook_is_a_band_and_says_what_is_not_reachable() -> None:
    d = np.array([0.010, 0.020, -0.005, 0.015, 0.000])
    frame = power.outlook(
        of_arrays(d, d * 0, ratio=0.25), folds=5, effects={"small": 0.001, "large": 0.2}, seconds_per_fold=60
    )
    assert list(frame.columns) == power.COLUMNS
    assert frame["sd_at"].tolist() == ["low", "observed", "high"] * 2
    small, large = frame.iloc[:3], frame.iloc[3:]
    assert small["repeats_needed"].isna().all()
    assert small["note"].str.contains("Not reachable by repeats").all()
    assert large["repeats_needed"].iloc[0] == 1
    assert large["hours"].iloc[0] == pytest.approx(2 * 5 * 60 / 3600)


@pytest.mark.parametrize("d", [[0.1], [], [0.1, 0.1, 0.1]])
def test_outlook_without_a_spread_plans_nothing(d: list[float]) -> None:
    frame = power.outlook(of_arrays(d, [0.0] * len(d), ratio=0.25), folds=5)
    assert frame["repeats_needed"].isna().all()
    assert frame["note"].str.contains("spread").all()
