"""The try-out for the number of tickets at a time: pure, from what tickets tell; and with real processes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.pool.company import Company
from slurm.pool.slots import MOST, Slots


def tell(slots: Slots, company: int, **seconds: float) -> None:
    """Enough epochs of each job with so many on the device."""
    for job, each in seconds.items():
        for _ in range(3):
            slots.epoch(job, each, company)


def test_a_number_is_no_trial() -> None:
    slots = Slots(3)
    tell(slots, 3, a=1.0)
    assert (slots.now, slots.settled, slots.may_double) == (3, True, False)


def test_twice_as_many_are_let_in_as_long_as_they_gain() -> None:
    slots = Slots("auto")
    slots.epoch("a", 1.0, 1)
    slots.epoch("a", 1.0, 1)
    assert (slots.now, slots.may_double) == (1, False)
    slots.epoch("a", 1.0, 1)
    assert slots.may_double
    assert slots.double(None)
    assert slots.now == 2
    tell(slots, 2, b=9.0)  # tells nothing: it was never alone
    assert not slots.weigh(frozenset("ab"))
    tell(slots, 2, a=1.5)  # 2 / 1.5 = 1.33 of the work
    assert slots.weigh(frozenset("ab"))
    assert slots.now == 1  # until b was alone, too
    assert not slots.weigh(frozenset("ab"))
    tell(slots, 1, b=7.0)
    assert slots.weigh(frozenset("b"))
    assert (slots.now, slots.settled) == (2, False)
    assert slots.double(None)
    tell(slots, 4, b=19.0)  # half as fast each: nothing gained
    assert slots.weigh(frozenset("bcd"))
    assert (slots.now, slots.settled) == (2, True)
    assert "4 at a time give 0.95" in slots.why
    assert slots.record["slots"] == 2


def test_a_newcomer_that_is_starved_keeps_the_number_down() -> None:
    slots = Slots("auto")
    tell(slots, 1, a=1.0)
    slots.double(None)
    tell(slots, 2, a=1.1, b=9.0)
    slots.weigh(frozenset("ab"))
    tell(slots, 1, b=1.0)
    assert slots.weigh(frozenset("b"))
    assert (slots.now, slots.settled) == (1, True)  # 1 / 1.1 + 1 / 9 = 1.02


def test_a_newcomer_that_ends_before_it_was_alone_is_not_waited_for() -> None:
    slots = Slots("auto")
    tell(slots, 1, a=1.0)
    slots.double(None)
    tell(slots, 2, a=1.1, b=9.0)
    slots.weigh(frozenset("ab"))
    assert slots.weigh(frozenset("a"))
    assert slots.now == 2


def test_each_ticket_is_weighed_against_itself_however_much_they_differ() -> None:
    slots = Slots("auto")
    tell(slots, 1, a=1.0, long=100.0)  # on two devices
    slots.double(None)
    tell(slots, 2, a=1.2)
    assert not slots.weigh(frozenset(["a", "long"]))  # the other one runs and will tell
    tell(slots, 2, long=200.0)
    assert slots.weigh(frozenset(["a", "long"]))
    assert slots.now == 2  # 2 * (1/1.2 + 1/2) / 2 = 1.33


@pytest.mark.parametrize(("used", "now"), [(39.0, 2), (41.0, 1)])
def test_a_fifth_of_the_memory_stays_free(used: float, now: int) -> None:
    slots = Slots("auto")
    tell(slots, 1, a=1.0)
    slots.double((used, 100.0))
    assert slots.now == now
    assert slots.settled == (now == 1)


def test_tickets_too_short_for_epochs_tell_by_how_long_they_take() -> None:
    slots = Slots("auto")
    tell(slots, 1, a=1.0)
    slots.double(None)
    assert slots.weigh(frozenset())  # a has ended
    assert (slots.now, slots.settled, slots.may_double) == (1, False, False)
    tell(slots, 1, b=1.0)
    assert not slots.may_double
    for _ in range(3):
        slots.whole(4.0, 1)
    assert slots.may_double
    slots.double(None)
    slots.whole(5.0, 2)
    slots.whole(5.0, 2)
    assert not slots.weigh(frozenset("c"))
    slots.whole(5.0, 2)
    assert slots.weigh(frozenset("c"))
    assert slots.now == 2  # 2 * 4 / 5


def test_a_trial_comes_to_an_end() -> None:
    slots = Slots("auto")
    job = 0
    while not slots.settled:
        tell(slots, slots.now, **{f"j{job}": 1.0})
        if slots.may_double:
            slots.double(None)
        else:
            slots.weigh(frozenset([f"j{job}"]))
    assert slots.now == MOST


def test_memory_that_falls_short_halves_the_number_for_good() -> None:
    slots = Slots(8)
    assert slots.crowded(8)
    assert not slots.crowded(8)  # the neighbours that fell with it
    assert slots.crowded(4)
    assert (slots.now, slots.record["crowded"]) == (2, True)
    for _ in range(3):
        slots.crowded(slots.now)
    assert slots.now == 1
    tried = Slots("auto")
    tell(tried, 1, a=1.0)
    tried.double(None)
    tried.crowded(2)
    assert (tried.now, tried.settled) == (1, True)


def test_what_was_found_is_where_later_workers_begin() -> None:
    found = Slots("auto")
    tell(found, 1, a=1.0)
    found.double(None)
    tell(found, 2, a=1.0)
    found.weigh(frozenset("a"))
    found.double(None)  # and is cut off
    later = Slots("auto", found.record)
    assert (later.now, later.settled) == (2, False)
    tell(found, 4, a=2.0)
    found.weigh(frozenset("a"))
    assert (Slots("auto", found.record).now, Slots("auto", found.record).settled) == (2, True)
    assert Slots(8, found.record).now == 8  # a number that is asked for is not found out
    found.crowded(2)
    assert Slots(8, found.record).now == 1


def test_epochs_count_that_the_same_company_trained_through() -> None:
    company = Company()
    company.came("a", 0.0)
    assert company.epoch("a", 1.0, 1.0) is None  # its first
    assert company.epoch("a", 1.0, 2.0) == 1
    company.came("b", 2.5)
    assert company.epoch("a", 1.0, 3.0) is None  # b came
    assert company.epoch("a", 1.0, 4.0) is None  # b does not train yet
    assert company.epoch("b", 2.0, 4.5) is None
    assert company.epoch("a", 1.0, 5.0) is None  # b began within it
    assert company.epoch("a", 0.4, 5.4) == 2
    assert company.went("a", 5.5) == (5.5, None)  # alone at first
    company.came("c", 5.5)
    assert company.went("b", 6.5) == (4.0, 2)  # c took a's place at once
    assert company.went("c", 8.0)[0] == 2.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alone", "takes", "slots"),
    # of one at a time, a busy machine may make two look better for a moment, but never four
    [(False, 0.02, {2, 4, 8, 16, 32}), (True, 0.06, {1, 2})],
)
def test_auto_finds_on_a_node_what_gains(workers, pool, tmp_path, alone, takes, slots):
    """Epochs that wait for nothing gain from company; those of which one goes on at a time do not."""
    order = {"file": str(tmp_path / "lock"), "epochs": 15 if alone else 25, "takes": takes, "alone": alone}
    for number in range(10):
        workers.put("epochs", order, number)
    pool.close()
    assert workers.run(gpus_per_ticket=0, slots="auto", devices=1, seconds=60)["ended"] == 10
    told = pool.runs()["worker.0"].slots
    assert told in slots
    if alone:
        assert "2 at a time give" in workers.log()
        assert {json.loads(each.text)["slots"] for each in workers.ended().values()} <= {"1", "2", "4"}
    (kept,) = pool.kept_slots()
    assert kept["slots"] in slots
    pool.reopen()
    workers.put("note", {"file": str(tmp_path / "notes")}, 20)
    workers.run(gpus_per_ticket=0, slots="auto", devices=1, worker="later")
    assert f"{kept['slots']} at a time on a device: as an earlier job found" in workers.log(1)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("epoch"), st.sampled_from("abcdef"), st.floats(0.01, 100), st.sampled_from([1, 2, 4, 8])),
        st.tuples(st.just("whole"), st.floats(0.01, 100), st.sampled_from([1, 2, 4, 8])),
        st.tuples(st.just("step"), st.frozensets(st.sampled_from("abcdef"))),
        st.tuples(st.just("crowded"), st.sampled_from([1, 2, 4, 8])),
    ),
    max_size=80,
)


@given(EVENTS, st.one_of(st.just("auto"), st.integers(1, MOST)))
def test_whatever_is_told_the_number_stays_within_bounds_and_never_rises_once_settled(events, wanted) -> None:
    slots = Slots(wanted)
    settled_at: int | None = None
    for what, *told in events:
        if what == "epoch":
            slots.epoch(*told)
        elif what == "whole":
            slots.whole(*told)
        elif what == "crowded":
            slots.crowded(*told)
        elif slots.may_double:
            slots.double(None)
        else:
            slots.weigh(*told)
        assert 1 <= slots.now <= MOST
        assert 1 <= slots.record["slots"] <= slots.now or slots.settled
        if slots.settled:
            assert settled_at is None or slots.now <= settled_at
            settled_at = slots.now
        assert Slots("auto", slots.record).now == slots.record["slots"]
