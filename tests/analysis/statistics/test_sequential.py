"""Boundaries for repeated looks: their error by simulation, their algebra, and the table."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from analysis.runs.boundaries import Boundaries
from analysis.runs.plan import from_json, to_json
from analysis.runs.simulated import study
from analysis.statistics import sequential
from analysis.statistics.sequential import LEVELS, Looks

FIVE = Looks(5, 0.25, 2, 20)


def rule_of(looks: Looks = FIVE, *, labels: int = 4, alpha: float = 0.05) -> Boundaries:
    return sequential.boundaries(looks, labels=labels, family="control", alpha=alpha)


def crossed(looks: Looks, m: int, alpha: float, seed: int, draws: int = 3000) -> float:
    """Share of studies without a difference in which any comparison passes at any look, by scores drawn here."""
    rng, rule = np.random.default_rng(seed), rule_of(looks, labels=m + 1, alpha=alpha)
    rho = looks.ratio / (1 + looks.ratio)
    own = rng.normal(size=(draws, m + 1, looks.most * looks.units))
    scores = math.sqrt(rho) * rng.normal(size=(draws, m + 1, 1)) + math.sqrt(1 - rho) * own
    d = scores[:, 1:] - scores[:, :1]
    hit = np.zeros(draws, dtype=bool)
    for look, repeats in enumerate(looks.repeats):
        n = repeats * looks.units
        if n < 3:
            continue
        mine = d[:, :, :n]
        t = mine.mean(axis=2) / (mine.std(axis=2, ddof=1) * math.sqrt(1 / n + looks.ratio))
        hit |= (2 * stats.t.sf(np.abs(t), n - 1) <= rule.limit("difference", look, m)).any(axis=1)
    return float(hit.mean())


@pytest.mark.parametrize("m", [3, 5, 10])
def test_the_family_wise_error_over_all_looks_is_alpha(m: int) -> None:
    assert 0.038 <= crossed(FIVE, m, 0.05, seed=m) <= 0.062


@pytest.mark.parametrize(
    ("looks", "alpha"),
    [(Looks(3, 0.5, 1, 10), 0.1), (Looks(10, 0.111111, 2, 5), 0.05), (Looks(1, 0.0, 3, 20), 0.05), (FIVE, 0.1)],
)
def test_it_is_so_for_other_designs_and_levels(looks: Looks, alpha: float) -> None:
    error = 3 * math.sqrt(alpha * (1 - alpha) / 3000)
    assert abs(crossed(looks, 3, alpha, seed=9) - alpha) < error


def test_looks_without_regard_to_them_have_far_more_errors() -> None:
    """The limits would not matter if the looks cost nothing."""
    last = len(FIVE.repeats) - 1
    assert rule_of(labels=2).limit("difference", last, 1) < 0.035


def test_the_p_of_a_limit_is_the_level() -> None:
    rule = rule_of()
    for level in (0.01, 0.03, 0.05, 0.1):
        for look in (0, 5, 18):
            for j in (1, 2, 3):
                limit = rule.limit("equivalence", look, j, level)
                assert rule.p("equivalence", look, j, limit) == pytest.approx(level, rel=1e-6)


def test_p_grows_with_the_nominal_p_and_the_comparisons_and_is_never_below_it() -> None:
    rule = rule_of(labels=11)
    nominal = np.geomspace(1e-12, 1.0, 60)
    for j in (1, 4, 10):
        found = [rule.p("difference", 7, j, p) for p in nominal]
        assert all(a <= b for a, b in itertools.pairwise(found))
        assert all(p >= one for p, one in zip(found, nominal, strict=True))
        assert found[-1] == 1.0
    assert rule.p("difference", 7, 10, 0.001) > rule.p("difference", 7, 4, 0.001) > rule.p("difference", 7, 1, 0.001)


@pytest.mark.parametrize("ratio", [0.1, 0.25, 1.0])
def test_limits_of_independent_repeats_hold_where_repeats_share(ratio: float) -> None:
    """So that repeats on one held-out part of unknown size may be taken as independent."""
    looks = Looks(1, 0.0, 3, 12)
    rule = rule_of(looks, labels=4)
    limits = [rule.limit("difference", look, 3) for look in range(len(looks.repeats))]
    hit = [
        (sequential.nominal(drawn, looks._replace(ratio=ratio))[0] <= limits).any(axis=(1, 2))
        for drawn in sequential.studies(looks._replace(ratio=ratio), 4, 4000)
    ]
    assert np.concatenate(hit).mean() <= 0.055


def test_early_looks_have_narrower_limits() -> None:
    rule = rule_of()
    limits = [rule.limit("difference", look, 3) for look in range(len(rule.looks))]
    assert limits == sorted(limits)
    assert 0.15 < limits[0] / limits[-1] < 0.35


def test_one_look_is_the_test_without_looks() -> None:
    """Of one comparison, whose limit is then alpha itself."""
    once = sequential.boundaries(Looks(5, 0.25, 4, 4), labels=2, family="control", alpha=0.05)
    assert once.limit("difference", 0, 1) == pytest.approx(0.05, abs=0.004)
    assert once.limit("equivalence", 0, 1) == pytest.approx(0.05, abs=0.004)


def test_the_table_is_what_simulation_gives() -> None:
    tabled, fresh = rule_of(labels=4), sequential.simulated(FIVE, 4, 20_000)
    at = LEVELS.index(0.05)
    for kind, table in zip(sequential.KINDS, fresh, strict=True):
        for j in (1, 2, 3):
            known = getattr(tabled, kind)[j - 1][at]
            assert table[j - 1][at] == pytest.approx(known, rel=0.12)


def test_a_design_beside_the_table_is_simulated_and_always_alike() -> None:
    odd = Looks(4, 0.333333, 2, 7)
    assert sequential._tabled(odd, 2) is None
    first = rule_of(odd, labels=3)
    sequential.simulated.cache_clear()
    assert rule_of(odd, labels=3) == first


def test_all_pairs_hold_the_error_too_and_fewer_are_never_narrower() -> None:
    looks = Looks(5, 0.25, 2, 6)
    rule = sequential.boundaries(looks, labels=4, family="all_pairs", alpha=0.05)
    assert rule.comparisons == 6
    limits = [rule.limit("difference", 4, j) for j in range(1, 7)]
    assert limits == sorted(limits, reverse=True)
    rng, draws = np.random.default_rng(4), 3000
    scores = math.sqrt(0.2) * rng.normal(size=(draws, 4, 1)) + math.sqrt(0.8) * rng.normal(size=(draws, 4, 30))
    hit = np.zeros(draws, dtype=bool)
    for look, repeats in enumerate(looks.repeats):
        n = 5 * repeats
        for a in range(4):
            for b in range(a):
                d = scores[:, a, :n] - scores[:, b, :n]
                t = d.mean(axis=1) / (d.std(axis=1, ddof=1) * math.sqrt(1 / n + 0.25))
                hit |= 2 * stats.t.sf(np.abs(t), n - 1) <= rule.limit("difference", look, 6)
    assert 0.036 <= hit.mean() <= 0.064


def test_boundaries_travel_with_the_plan_unchanged() -> None:
    plan = dataclasses.replace(study(seed=1).plan, until_decided=rule_of())
    assert from_json(to_json(plan)) == plan


def test_a_plan_of_before_has_none() -> None:
    raw = json.loads(to_json(study(seed=1).plan))
    del raw["until_decided"]
    assert from_json(json.dumps(raw)).until_decided is None
