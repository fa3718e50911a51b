"""The rule by which settings are dropped from a race: its constant, its guarantee, what it never does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sweeps.search import racing
from sweeps.search.racing import Race


def race(settings: int, looks: int = 3, error: float = 0.05, ratio: float = 0.25) -> Race:
    return Race(settings=settings, looks=looks, error=error, ratio=ratio)


@pytest.mark.parametrize(("others", "freedom"), [(4, 7), (19, 9), (39, 19)])
def test_the_constant_is_dunnetts_one_sided_one(others: int, freedom: int) -> None:
    h = racing.constant(others, freedom, 0.05)
    shape = np.full((others, others), 0.5) + 0.5 * np.eye(others)
    kept = stats.multivariate_t(shape=shape, df=freedom, seed=1, allow_singular=True).cdf(
        np.full(others, h), maxpts=10**5
    )
    assert kept == pytest.approx(0.95, abs=0.004)


def test_the_constant_of_a_pair_is_students_t_and_never_beyond_the_union_bound() -> None:
    assert racing.constant(1, 9, 0.05) == pytest.approx(stats.t.isf(0.05, 9), rel=1e-4)
    for others in (4, 19, 99):
        assert racing.constant(others, 9, 0.01) < stats.t.isf(0.01 / others, 9)


def drawn(rng: np.random.Generator, settings: int, folds: int, ratio: float, truth: np.ndarray) -> np.ndarray:
    """Equicorrelated scores, as two folds that share items have, with a part of each fold's own."""
    rho = ratio / (1 + ratio)
    own, each = rng.normal(size=(settings, 1)), rng.normal(size=(settings, folds))
    return truth[:, None] + rng.normal(0, 3, folds) + math.sqrt(rho) * own + math.sqrt(1 - rho) * each


@pytest.mark.parametrize("count", [3, 10])
def test_one_look_drops_the_best_of_equal_settings_as_often_as_is_said(count: int) -> None:
    """At the error of one look, 3,000 races: within three standard errors above, and not idle. The pair's own noise
    takes a part of it."""
    rng = np.random.default_rng(7)
    one = Race(settings=count, looks=1, error=0.2, ratio=0.25)
    lost = 0
    for _ in range(3000):
        scores = drawn(rng, count, 2, 0.25, np.zeros(count))
        lost += 0 in racing.lost(scores, scores, one)
    assert 0.04 < lost / 3000 < 0.2 + 3 * math.sqrt(0.2 * 0.8 / 3000)


def test_what_is_far_behind_is_dropped_on_two_folds_and_what_is_near_is_not() -> None:
    rng = np.random.default_rng(3)
    truth = np.array([0.0, -0.2] + [-30.0 - number for number in range(18)])
    scores = drawn(rng, 20, 2, 0.25, truth)
    assert set(racing.lost(scores, scores, race(20))) == set(range(2, 20))


def test_a_setting_is_held_against_the_one_that_it_is_furthest_behind_of() -> None:
    rng = np.random.default_rng(5)
    scores = drawn(rng, 12, 3, 0.25, -10.0 * np.arange(12))
    for at, loss in racing.lost(scores, scores, race(12)).items():
        assert loss.gap > loss.limit > 0
        assert loss.gap == pytest.approx(float((scores[loss.behind] - scores[at]).mean()))


def test_noise_of_bad_settings_saves_nobody() -> None:
    """A quarter of the settings are lost and wild; the rest is told apart as if they were not there."""
    rng = np.random.default_rng(2)
    good = drawn(rng, 15, 2, 0.25, np.array([0.0] * 5 + [-20.0] * 10))
    wild = -500 + 200 * rng.normal(size=(5, 2))
    scores = np.concatenate([good, wild])
    assert set(racing.lost(scores, scores, race(20))) >= set(range(5, 15))
    assert racing.noise(scores) < 3


def test_a_pair_that_is_noisier_than_the_others_is_held_to_its_own_noise() -> None:
    rng = np.random.default_rng(4)
    scores = drawn(rng, 12, 4, 0.25, np.zeros(12)) * 0.01
    scores[0] = [-9.0, 9.0, -9.0, 5.0]
    assert 0 not in racing.lost(scores, scores[:, :2] * 0.01, race(12))


def test_without_noise_or_rivals_nothing_is_dropped() -> None:
    same = np.ones((5, 3))
    assert racing.lost(same, same, race(5)) == {}
    apart = np.arange(5.0)[:, None] + np.arange(3.0)[None]
    assert racing.lost(apart, apart, race(5)) == {}
    assert racing.lost(same[:1], same[:1], race(1)) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 25),
    st.integers(2, 4),
    st.integers(0, 3),
    st.floats(0.01, 0.5),
    st.floats(0, 5),
)
def test_one_always_stays_and_neither_order_nor_folds_nor_units_matter(
    seed: int, count: int, first: int, more: int, error: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = drawn(rng, count, first + more, 0.25, rng.normal(0, 10 * spread, count))
    begun = scores[:, :first]
    here = race(count, error=error)
    found = set(racing.lost(scores, begun, here))
    assert len(found) < count
    assert int(scores.mean(axis=1).argmax()) not in found
    order = rng.permutation(count)
    again = racing.lost(scores[order], begun[order], here)
    assert {int(order[at]) for at in again} == found
    easier = rng.normal(0, 50, first + more)
    moved = 7 * (scores + easier)
    assert set(racing.lost(moved, moved[:, :first], here)) == found
    assert set(racing.lost(scores, begun, race(count, error=error / 2))) <= found
