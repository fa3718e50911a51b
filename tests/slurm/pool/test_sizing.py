"""How many jobs texts need, and how many texts may wait for jobs."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.pool import sizing
from slurm.pool.sizing import GIVEN_AT_ONCE, Standing


def standing(
    staying: Collection[int] = (),
    leaving: Collection[int] = (),
    pending: int = 0,
    slots: int | None = 4,
    most: int = 10,
) -> Standing:
    return Standing(staying=staying, leaving=leaving, pending=pending, slots=slots, most=most)


@pytest.mark.parametrize(
    ("now", "texts", "further"),
    [
        (standing(), 0, 0),
        (standing(), 1, 1),
        (standing(), 9, 3),
        (standing(), 100, 10),
        (standing(staying=[4], pending=1), 8, 0),
        (standing(staying=[4], pending=1), 9, 1),
        (standing(staying=[8, 2]), 11, 1),  # nodes of two sizes
        (standing(leaving=[3]), 4, 1),  # what runs on it goes on, and it takes no more
        (standing(leaving=[3]), 3, 0),
        (standing(slots=None), 50, 1),  # nobody knows yet what a node has
        (standing(slots=None, pending=1), 50, 0),
        (standing(slots=None, leaving=[0]), 50, 1),
        (standing(most=0), 5, 0),
    ],
)
def test_jobs_for_texts(now: Standing, texts: int, further: int) -> None:
    assert sizing.further(now, texts) == further


@pytest.mark.parametrize(
    ("now", "active", "ended", "room"),
    [
        (standing(most=1), 0, 0, 8),  # what one job runs, and as many for the places that become free
        (standing(staying=[4], most=1), 4, 0, 4),
        (standing(staying=[4], most=1), 8, 0, 0),
        (standing(staying=[4], most=1), 8, 9, 14),  # short ones: as many as end within two steps
        (standing(staying=[4, 4], pending=1, most=3), 12, 0, 8),
        (standing(leaving=[2], most=1), 2, 0, 0),  # no further job may be sent
        (standing(slots=None, most=10), 0, 0, 16),
        (standing(most=10_000), 0, 0, GIVEN_AT_ONCE),
    ],
)
def test_texts_for_jobs(now: Standing, active: int, ended: int, room: int) -> None:
    assert sizing.room(now, active, ended=ended) == room


MANY = st.lists(st.integers(0, 16), max_size=5)


@given(MANY, MANY, st.integers(0, 5), st.none() | st.integers(1, 16), st.integers(0, 20), st.integers(0, 300))
def test_there_is_always_one_that_will_take_what_waits_and_never_more_than_there_may_be(
    staying: list[int], leaving: list[int], pending: int, slots: int | None, most: int, texts: int
) -> None:
    now = standing(staying, leaving, pending, slots, most)
    more = sizing.further(now, texts)
    assert 0 <= more <= max(0, most - now.jobs)
    if texts > sum(leaving) and not pending and not any(staying) and most > now.jobs and not staying:
        assert more >= 1
    if texts <= sum(staying) + sum(leaving):
        assert more == 0 or slots is None
