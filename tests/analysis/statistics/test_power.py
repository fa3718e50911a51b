"""The planner against simulation, statsmodels and what is known of the published tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from analysis.statistics import power
from analysis.statistics.scores import Pairs, of_arrays


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


def drawn(
    rng: np.random.Generator, size: float, n: int, ratio: float, runs: int = 20_000
) -> tuple[np.ndarray, np.ndarray]:
    """Means and corrected standard errors of differences whose sample sd is 1 on average."""
    rho = ratio / (1 + ratio)
    d = size + math.sqrt(rho) * rng.normal(size=(runs, 1)) + math.sqrt(1 - rho) * rng.normal(size=(runs, n))
    d = size + (d - size) / math.sqrt(1 - rho)
    return d.mean(axis=1), d.std(axis=1, ddof=1) * math.sqrt(1 / n + ratio)


@pytest.mark.parametrize(
    ("size", "rope", "n", "ratio"),
    [(0.0, 1.5, 10, 0.25), (0.0, 2.6, 10, 0.25), (0.5, 2.0, 25, 0.25), (0.2, 1.0, 40, 1 / 9)],
)
def test_power_of_equivalence_is_what_simulation_gives(size: float, rope: float, n: int, ratio: float) -> None:
    mean, se = drawn(np.random.default_rng(3), size, n, ratio)
    t = stats.t.isf(0.05 / 3, n - 1)
    both = ((mean + rope) / se > t) & ((mean - rope) / se < -t)
    # The posterior's mass inside, which is the rule of the word, comes to the same where the power is high.
    inside = stats.t.cdf((rope - mean) / se, n - 1) - stats.t.cdf((-rope - mean) / se, n - 1)
    found = power.equivalence_power(size, 1.0, n, ratio, rope, alpha=0.05 / 3)
    assert found == pytest.approx(both.mean(), abs=0.015)
    if found > 0.7:
        assert found == pytest.approx((inside >= 1 - 0.05 / 3).mean(), abs=0.02)
    top = power.equivalence_ceiling(size, 1.0, ratio, rope, alpha=0.05 / 3)
    assert top == pytest.approx(power.equivalence_power(size, 1.0, 100_000, ratio, rope, alpha=0.05 / 3), abs=1e-3)


def test_more_folds_hold_out_less_and_are_taken_to_spread_more() -> None:
    found = {design.folds: design for design in power.designs(3, 0.5, 1.0)}
    assert list(found) == list(range(3, 21))
    assert found[3] == (3, pytest.approx(0.5), 1.0, 1.0)
    assert found[10].ratio == pytest.approx(1 / 9)
    assert found[10].sd == pytest.approx(math.sqrt(10 / 3))
    assert found[10].work == pytest.approx(0.9 / (2 / 3))
    # Part of the items is never held out: the shares are of all items all the same.
    kept = {design.folds: design for design in power.designs(5, 0.1, 1.0)}
    assert kept[10].ratio == pytest.approx((1 / 22) / (1 - 1 / 22))
    # Not so many that hardly anything is held out; a fixed held-out part stays one.
    assert [design.folds for design in power.designs(5, 0.25, 1.0, n_heldout=14)] == [5, 6, 7]
    assert [design.folds for design in power.designs(1, 0.2, 1.0)] == [1]


@pytest.mark.parametrize(("size", "rope"), [(1.996, 0.0), (1.6, 0.2), (4.0, 0.5), (0.3, 3.0), (0.0, 2.6)])
def test_the_cheapest_design_is_that_of_trying_them_all(size: float, rope: float) -> None:
    goal, choice = power.Goal(size, rope, m=2), power.designs(3, 0.5, 1.0)
    best = power.cheapest(goal, choice, target=0.8)
    tried = {
        (repeats * design.folds * design.work, design.folds): repeats
        for design in choice
        for repeats in range(1, 60)
        if goal.power(design.sd, repeats * design.folds, design.ratio) >= 0.8
    }
    if not tried:
        assert best is None
        return
    assert best is not None
    (_, folds), repeats = min(tried.items())
    assert (best.design.folds, best.repeats) == (folds, repeats)


def test_more_folds_do_what_87_repeats_of_three_do() -> None:
    assert power.repeats_needed(1.996, 1.0, 3, 0.5) == 87
    best = power.cheapest(power.Goal(1.996), power.designs(3, 0.5, 1.0), target=0.8)
    assert best is not None
    assert best.repeats * best.design.folds <= 40


def of(estimate: float, sd: float, *, folds: int = 5, **given: Any) -> Pairs:
    """Differences with just this mean and sd."""
    shape = stats.zscore(np.arange(folds, dtype=float), ddof=1) * sd
    given = {"ratio": 1 / (folds - 1), "dataset": "digits", "activation": "dsrelu", "control": "relu", **given}
    return of_arrays(0.5 + shape + estimate, 0.5 + shape * 0, **given)


def test_the_next_step_is_the_nearer_end() -> None:
    ask: dict[str, Any] = {"folds": 5, "m": 2, "seconds_per_fold": 60.0}
    apart = power.next_step(of(-0.03, 0.015), estimate=-0.03, rope=0.002, **ask)
    assert (apart.aim, apart.reachable) == ("difference", True)
    assert apart.trainings == 2 * apart.folds * apart.repeats
    work = (1 - 1 / apart.folds) / (1 - 1 / 5)
    assert apart.hours == pytest.approx(apart.trainings * work / 60)
    assert apart.sentence.startswith(f"dsrelu against relu on digits: {apart.repeats} repeat")
    assert f"({apart.trainings} trainings, about " in apart.sentence
    assert "would tell the observed difference with 80 % power." in apart.sentence
    same = power.next_step(of(0.001, 0.01), estimate=0.001, rope=0.02, **ask)
    assert (same.aim, same.reachable) == ("equivalence", True)
    assert "would show the two to be equivalent" in same.sentence
    goal = power.Goal(0.001, 0.02, m=2)
    (chosen,) = [d for d in power.designs(5, 0.25, 0.01) if d.folds == same.folds]
    assert goal.power(chosen.sd, same.folds * same.repeats, chosen.ratio) >= 0.8


def test_a_next_step_that_is_not_there_is_said() -> None:
    never = power.next_step(of(0.001, 0.01), folds=5, estimate=0.001, m=5)
    assert not never.reachable
    assert (never.folds, never.repeats, never.trainings) == (0, 0, 0)
    assert math.isnan(never.hours)
    assert "no number of repeats, with these folds or more, would tell the observed difference" in never.sentence
    # Told for sure only if the spread does not grow with the folds.
    unsure = power.next_step(of(0.01, 0.01), folds=5, estimate=0.01, m=5)
    assert not unsure.reachable
    assert "no number of repeats is sure to tell" in unsure.sentence
    assert "if smaller held-out parts did not spread more" in unsure.sentence
    fixed = power.next_step(of(0.001, 0.01), folds=1, estimate=0.001)
    assert "no number of repeats would tell" in fixed.sentence
    unknown = power.next_step(of_arrays([0.1], [0.0], ratio=0.25), folds=5, estimate=0.1)
    assert "the spread of the differences is unknown" in unknown.sentence
    assert "seed" not in " ".join(step.sentence for step in (never, unsure, fixed, unknown))
