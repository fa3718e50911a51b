"""The planner's table: which word it plans for, its band, and what it says where nothing can be told or planned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.runs.metric import Metric
from analysis.statistics import outlook, power
from analysis.statistics.scores import of_arrays


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
        row = outlook.outlook(pairs, folds=5, rope=rope, m=m).set_index("sd_at").loc["observed"]
        assert row["power"] == pytest.approx(passed.mean(), abs=0.02)


def test_a_difference_within_practical_equivalence_is_never_reached() -> None:
    d = np.array([0.010, 0.020, -0.005, 0.015, 0.000])
    ask = {"folds": 5, "effects": {"within": 0.01, "beyond": 0.2}}
    free, held = (outlook.outlook(of_arrays(d, d * 0, ratio=0.25), rope=rope, **ask) for rope in (0.0, 0.01))  # type: ignore[arg-type]
    within = held[held["effect"] == "within"]
    assert within["repeats_needed"].isna().all()
    assert (within["power"] <= 0.1 + 1e-9).all()
    assert (held["detectable"] >= free["detectable"]).all()
    assert (held["detectable"] > 0.01).all()
    assert outlook.outlook(of_arrays(d, d * 0, ratio=0.25), m=4, m_datasets=15, **ask)["datasets_needed"].iloc[0] == 10  # type: ignore[arg-type]


def test_five_values_leave_the_spread_between_0_6_and_2_9() -> None:
    low, high = outlook.sd_interval(1.0, 5)
    assert (low, high) == pytest.approx((0.599, 2.874), abs=1e-3)
    rng = np.random.default_rng(1)
    inside = [
        low <= 1 <= high
        for low, high in (outlook.sd_interval(float(rng.normal(size=8).std(ddof=1)), 8) for _ in range(2000))
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_data_sets_needed_is_where_wilcoxons_floor_passes() -> None:
    assert outlook.datasets_needed(1) == 6
    assert 2 / 2 ** outlook.datasets_needed(5) <= 0.05 / 5 < 2 / 2 ** (outlook.datasets_needed(5) - 1)


def test_outlook_is_a_band_and_says_what_is_not_reachable() -> None:
    d = np.array([0.010, 0.020, -0.005, 0.015, 0.000])
    frame = outlook.outlook(
        of_arrays(d, d * 0, ratio=0.25), folds=5, effects={"small": 0.001, "large": 0.2}, seconds_per_fold=60
    )
    assert list(frame.columns) == outlook.COLUMNS
    assert frame["sd_at"].tolist() == ["low", "observed", "high"] * 2
    small, large = frame.iloc[:3], frame.iloc[3:]
    assert small["repeats_needed"].isna().all()
    assert small["note"].str.contains(outlook.NEVER).all()
    assert large["repeats_needed"].iloc[0] == 1
    assert large["hours"].iloc[0] == pytest.approx(2 * 5 * 60 / 3600)


@pytest.mark.parametrize("d", [[0.1], [], [0.1, 0.1, 0.1]])
def test_outlook_without_a_spread_plans_nothing(d: list[float]) -> None:
    frame = outlook.outlook(of_arrays(d, [0.0] * len(d), ratio=0.25), folds=5)
    assert frame["repeats_needed"].isna().all()
    assert frame["note"].str.contains("spread").all()


def test_no_difference_beyond_the_metrics_bounds_is_called_detectable() -> None:
    share = Metric(name="share", better="higher", low=0.0, high=1.0)
    d = np.array([0.5, -0.4, 0.3])
    y = np.array([0.6, 0.5, 0.55])
    frame = outlook.outlook(of_arrays(y + d / 3, y, ratio=0.5, metric=share), folds=3, m=5)
    far = frame["detectable"].isna()
    assert far.any()
    assert frame.loc[far, "note"].str.contains("bounds").all()
    assert (frame["detectable"].dropna() <= 0.55).all()
    # An open end bounds nothing.
    loss = Metric(name="loss", better="lower", low=0.0)
    assert outlook.outlook(of_arrays(y + d / 3, y, ratio=0.5, metric=loss), folds=3, m=5)["detectable"].notna().all()


def test_within_practical_equivalence_equivalent_is_planned() -> None:
    d = np.array([0.010, 0.020, -0.005, 0.015, 0.000])
    frame = outlook.outlook(of_arrays(d, d * 0, ratio=0.25), folds=5, effects={"small": 0.001, "large": 0.2}, rope=0.05)
    assert frame["aim"].tolist() == ["equivalence"] * 3 + ["difference"] * 3
    row = frame.iloc[1]
    assert row["power"] == pytest.approx(power.equivalence_power(0.001, d.std(ddof=1), 5, 0.25, 0.05))
    assert row["cheapest_repeats"] == 1


def test_more_folds_are_cheaper_than_many_repeats_of_few() -> None:
    d = stats.zscore(np.arange(3.0), ddof=1) + 1.996
    row = outlook.outlook(of_arrays(d, d * 0, ratio=0.5), folds=3).set_index("sd_at").loc["observed"]
    assert row["repeats_needed"] == 87
    assert row["trainings"] == 2 * row["cheapest_folds"] * row["cheapest_repeats"] <= 80
    assert row["cheapest_ratio"] == pytest.approx(1 / (row["cheapest_folds"] - 1))
