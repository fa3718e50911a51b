"""One cluster for several drivers: one question to it, one limit, and nobody starves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.jobs import Costs, JobReport, JobState
from sweeps.suite.sharing import Share, SharedCluster

FOLDER = Path("jobs")


class Machine:
    """A cluster of a number of slots whose jobs end when told to."""

    def __init__(self, slots: int) -> None:
        self.slots, self.costs = slots, Costs()
        self.running: list[str] = []
        self.over: set[str] = set()
        self.most = 0

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        jobs = [f"{name}.{at}" for at in range(len(texts))]
        self.running += jobs
        self.most = max(self.most, len(self.running))
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return {at: job for at, job in enumerate(self.running) if job.startswith(f"{name}.")}

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self.costs.count("squeue")
        return {
            job: JobReport(job=job, state=JobState.FINISHED if job in self.over else JobState.RUNNING) for job in jobs
        }

    def cancel(self, jobs: Collection[str]) -> None:
        self.end(jobs)

    def end(self, jobs: Collection[str]) -> None:
        self.running = [job for job in self.running if job not in jobs]
        self.over.update(jobs)

    def room(self, active: int) -> int:
        return max(0, self.slots - active)

    def release(self) -> None:
        pass


class User:
    """A driver that has ``waiting`` packs to submit and submits them as there is room."""

    def __init__(self, name: str, share: Share, waiting: int) -> None:
        self.name, self.share, self.waiting = name, share, waiting
        self.jobs: list[str] = []
        self.batches = 0

    def step(self) -> None:
        reports = self.share.poll(self.jobs)
        self.jobs = [job for job in self.jobs if not reports[job].state.over]
        if not self.waiting:
            return
        count = min(self.waiting, self.share.room(len(self.jobs)))
        if count:
            self.jobs += self.share.submit("f", ["t"] * count, name=f"{self.name}{self.batches}", folder=FOLDER)
            self.waiting -= count
            self.batches += 1


def started(slots: int, *waiting: int) -> tuple[Machine, SharedCluster, list[User]]:
    machine = Machine(slots)
    shared = SharedCluster(machine)
    users = [User("abcdefgh"[at], shared.share("abcdefgh"[at]), count) for at, count in enumerate(waiting)]
    return machine, shared, users


def a_round(shared: SharedCluster, users: list[User]) -> None:
    """As the suite's driver goes about it."""
    shared.begin_round()
    for user in sorted(users, key=lambda user: (shared.live(user.name), user.batches)):
        user.step()


def test_what_is_free_is_divided_among_those_that_wait() -> None:
    _, shared, users = started(9, 20, 20, 20)
    a_round(shared, users)
    assert [len(user.jobs) for user in users] == [3, 3, 3]


def test_what_one_leaves_the_next_takes() -> None:
    _, shared, users = started(9, 20, 1, 20)
    a_round(shared, users)
    assert [len(user.jobs) for user in users] == [3, 1, 5]
    _, shared, users = started(9, 20, 0, 0)
    a_round(shared, users)
    a_round(shared, users)
    a_round(shared, users)
    assert len(users[0].jobs) == 9


def test_one_slot_goes_round() -> None:
    machine, shared, users = started(1, 5, 5, 5)
    turns = []
    for _ in range(6):
        a_round(shared, users)
        turns.append(machine.running[0][0])
        machine.end(machine.running)
    assert turns == ["a", "b", "c", "a", "b", "c"]


def test_what_becomes_free_goes_to_the_one_that_has_least() -> None:
    machine, shared, users = started(2, 9, 9, 9)
    a_round(shared, users)
    assert [len(user.jobs) for user in users] == [1, 1, 0]
    machine.end(users[0].jobs)
    a_round(shared, users)
    assert [len(user.jobs) for user in users] == [0, 1, 1]


@given(
    slots=st.integers(1, 7),
    waiting=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    ends=st.lists(st.integers(0, 6), min_size=1, max_size=20),
)
def test_the_limit_holds_and_everybody_comes_to_an_end(slots: int, waiting: list[int], ends: list[int]) -> None:
    machine, shared, users = started(slots, *waiting)
    for at in range(300):
        a_round(shared, users)
        assert len(machine.running) <= slots
        if machine.running:
            machine.end([machine.running[ends[at % len(ends)] % len(machine.running)]])
    assert [user.waiting for user in users] == [0] * len(users)


def test_all_are_asked_for_at_once() -> None:
    machine, shared, users = started(6, 2, 2, 2)
    a_round(shared, users)
    before = machine.costs.calls.get("squeue", 0)
    a_round(shared, users)
    assert machine.costs.calls["squeue"] == before + 1


def test_one_that_asks_again_hears_what_is_new() -> None:
    machine, shared, users = started(6, 2, 2)
    a_round(shared, users)
    a_round(shared, users)
    machine.end(users[0].jobs)
    jobs = list(users[0].jobs)
    assert all(report.state is JobState.RUNNING for report in users[1].share.poll(users[1].jobs).values())
    assert {report.state for report in users[0].share.poll(jobs).values()} == {JobState.FINISHED}


def test_jobs_of_one_that_left_count_until_they_are_over() -> None:
    machine, shared, users = started(2, 2, 5)
    users[0].step()
    shared.leave("a")
    left = list(users[0].jobs)
    taken = len(left)
    a_round(shared, users[1:])
    assert len(users[1].jobs) == 2 - taken
    machine.end(left)
    a_round(shared, users[1:])
    assert len(users[1].jobs) == 2


@pytest.mark.parametrize("name", ["a", "b"])
def test_jobs_found_again_count(name: str) -> None:
    machine, shared, users = started(3, 5, 5)
    machine.running = ["lost.0"]
    share = next(user.share for user in users if user.name == name)
    assert share.recover("lost", FOLDER) == {0: "lost.0"}
    assert shared.live(name) == 1
    a_round(shared, [user for user in users if user.name != name])
    assert len(machine.running) <= 3
