"""PoolCluster over a cluster that does what the test says, with workers of this process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from slurm import clusters
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import JobState
from slurm.pool import place
from slurm.pool.cluster import GONE_AFTER_S, PoolCluster
from slurm.pool.succession import Succession
from slurm.pool.testing import Inner, Run
from slurm.pool.tickets import Pool
from slurm.profile import Profile

CALL = "trainer.entry:run"


def profile(**keys: object) -> Profile:
    given = {"name": "site", "executor": "slurm", "time": 60, "jobs": "node", "gpus_per_node": 2, **keys}
    return Profile.model_validate(given)


class Site:
    """A study's folder of jobs, an inner cluster, and the driver's cluster, which can be opened again."""

    def __init__(self, path: Path, **keys: object) -> None:
        self.jobs_folder, self.inner, self.clock, self.keys = path / "jobs", Inner(), 1000.0, keys
        self.count = 0
        self.open()

    def open(self) -> PoolCluster:
        pool = place.folder(self.jobs_folder)
        self.cluster = PoolCluster(profile(**self.keys), self.inner, pool, now=lambda: self.clock)
        return self.cluster

    def submit(self, count: int, avoid: tuple[str, ...] = ()) -> list[str]:
        name = f"s.1.{self.count}.x"
        self.count += 1
        return self.cluster.submit(CALL, ["{}"] * count, name=name, folder=self.jobs_folder, avoid=avoid)

    def states(self, jobs: list[str]) -> list[JobState]:
        reports = self.cluster.poll(jobs)
        return [reports[job].state for job in jobs]

    def live(self) -> list[str]:
        return [job for job, state in self.inner.jobs.items() if not state.over]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_texts_wait_run_and_end_once_for_every_driver(site: Site) -> None:
    jobs = site.submit(3)
    assert jobs == ["s.1.0.x.0", "s.1.0.x.1", "s.1.0.x.2"]
    assert site.states(jobs) == [JobState.PENDING] * 3
    assert site.cluster.poll(jobs)[jobs[0]].reason == "Priority"  # what the workers' jobs wait for
    assert len(site.inner.jobs) == 2  # of two GPUs each
    run = Run(site.inner, "100")
    first, second = list(run.take())
    assert site.states(jobs) == [JobState.RUNNING, JobState.RUNNING, JobState.PENDING]
    assert site.cluster.poll(jobs)[jobs[0]].node == "n1"
    run.end(first)
    run.end(second, JobState.FAILED, "ValueError: no")
    run.take()
    assert site.states(jobs) == [JobState.FINISHED, JobState.FAILED, JobState.RUNNING]
    assert site.cluster.poll(jobs)[jobs[1]].reason == "ValueError: no"
    run.leave(JobState.NODE_FAILED)
    assert site.states(jobs)[2] is JobState.NODE_FAILED
    before = site.cluster.poll(jobs)
    assert site.open().poll(jobs) == before
    assert site.cluster.recover("s.1.0.x", site.jobs_folder) == dict(enumerate(jobs))
    with pytest.raises(SubmissionRejected, match="submitted before"):
        site.cluster.submit(CALL, ["{}"], name="s.1.0.x", folder=site.jobs_folder)


ENDS = [
    (JobState.TIMED_OUT, 2, JobState.TIMED_OUT),
    (JobState.PREEMPTED, 2, JobState.PREEMPTED),
    (JobState.CANCELLED, 1, JobState.CANCELLED),
    (JobState.FINISHED, 1, JobState.NODE_FAILED),  # it left one
    (JobState.OUT_OF_MEMORY, 1, JobState.OUT_OF_MEMORY),
    (JobState.OUT_OF_MEMORY, 2, JobState.FAILED),  # which of the two it was, nobody knows
]


@pytest.mark.parametrize(("ended", "together", "state"), ENDS)
def test_what_a_worker_leaves_without_an_end_ends_as_its_job_did(
    site: Site, ended: JobState, together: int, state: JobState
) -> None:
    jobs = site.submit(together)
    run = Run(site.inner, "100")
    run.take()
    assert set(site.states(jobs)) == {JobState.RUNNING}
    run.leave(ended)
    assert set(site.states(jobs)) == {state}
    late = Pool(run.pool.folder)
    for ticket in list(run.held):  # the worker was cut off, not dead
        run.end(ticket)
        late.give_back(ticket, run.run)
    assert set(site.states(jobs)) == {state}
    site.open()
    assert set(site.states(jobs)) == {state}
    assert not late.open_files()


def test_an_end_that_was_said_as_its_worker_died_counts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = site.submit(1)
    run = Run(site.inner, "100")
    (ticket,) = run.take()
    site.states(jobs)
    seize = Pool.seize

    def said_meanwhile(pool: Pool, at: str, file: str) -> bool:
        moved = seize(pool, at, file)
        run.end(ticket)
        return moved

    monkeypatch.setattr(Pool, "seize", said_meanwhile)
    run.inner.jobs["100"] = JobState.NODE_FAILED
    assert site.states(jobs) == [JobState.FINISHED]


def test_a_requeued_worker_has_lost_what_its_earlier_run_had(site: Site) -> None:
    jobs = site.submit(2)
    run = Run(site.inner, "100")
    run.take()
    assert site.states(jobs) == [JobState.RUNNING] * 2
    again = Run(site.inner, "100")
    assert again.run.endswith(".1")
    assert site.states(jobs) == [JobState.NODE_FAILED] * 2
    more = site.submit(1)
    again.take()
    assert site.states(more) == [JobState.RUNNING]
    site.inner.jobs["100"] = JobState.PENDING  # seen to run, and to wait: requeued, though no newer run is there yet
    assert site.states(more) == [JobState.NODE_FAILED]


def test_a_job_that_is_said_to_wait_though_its_worker_runs_is_believed_later(site: Site) -> None:
    jobs = site.submit(1)
    run = Run(site.inner, "100")
    run.take()
    site.inner.jobs["100"] = JobState.PENDING  # an answer from memory
    assert site.states(jobs) == [JobState.RUNNING]


def test_a_ticket_that_is_given_back_waits_again(site: Site) -> None:
    (job,) = site.submit(1)
    run = Run(site.inner, "100")
    (ticket,) = run.take()
    run.give_back(ticket)
    assert site.states([job]) == [JobState.PENDING]
    run.take()
    run.end(ticket)
    assert site.states([job]) == [JobState.FINISHED]


def test_cancelled_open_ones_end_at_once_and_taken_ones_by_their_worker(site: Site) -> None:
    jobs = site.submit(4)
    run = Run(site.inner, "100")
    first, second = list(run.take())
    site.cluster.cancel(jobs)
    assert run.pool.asked_to_end() == set(jobs[:2])
    states = [JobState.RUNNING, JobState.RUNNING, JobState.CANCELLED_BY_US, JobState.CANCELLED_BY_US]
    assert site.states(jobs) == states
    run.end(first, JobState.TIMED_OUT, "was told to end, and saved")
    run.give_back(second)
    assert site.states(jobs) == [JobState.CANCELLED_BY_US] * 4
    site.open()
    assert site.states(jobs) == [JobState.CANCELLED_BY_US] * 4
    assert not run.pool.asked_to_end()
    assert not run.pool.open_files()


def test_one_that_finished_before_it_could_be_cancelled_has_finished(site: Site) -> None:
    (job,) = site.submit(1)
    run = Run(site.inner, "100")
    (ticket,) = run.take()
    run.end(ticket)
    site.cluster.cancel([job])
    assert site.states([job]) == [JobState.FINISHED]
    assert not run.pool.asked_to_end()


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.OUT_OF_MEMORY, JobState.NODE_FAILED])
def test_workers_that_end_before_they_take_anything_use_up_the_tries_of_what_is_open(
    site: Site, state: JobState
) -> None:
    jobs = site.submit(5)
    site.states(jobs)
    site.inner.jobs["100"] = state
    reports = site.cluster.poll(jobs)
    ended = [report for report in reports.values() if report.state.over]
    assert len(ended) == 2  # as many as a worker has places
    assert {each.state for each in ended} == {JobState.FAILED if state is JobState.OUT_OF_MEMORY else state}
    assert "before it took anything" in ended[0].reason
    assert "because" in ended[0].reason
    assert len(site.live()) == 2  # for the three that are left
    site.inner.jobs["101"] = JobState.PREEMPTED  # not the doing of what is open
    assert sum(state.over for state in site.states(jobs)) == 2


def test_a_worker_that_came_and_took_nothing_says_why(site: Site) -> None:
    (job,) = site.submit(1)
    os.utime(next((place.folder(site.jobs_folder) / "open").glob("*.json")), (time.time() - 60, time.time() - 60))
    site.states([job])
    run = Run(site.inner, "100")
    site.states([job])
    run.leave(saying="time left for nothing: 50 s, the pack needs 900 s")
    report = site.cluster.poll([job])[job]
    assert report.state is JobState.TIMED_OUT
    assert "the pack needs 900 s" in report.reason


def test_one_that_left_as_something_came_says_nothing_against_it(site: Site) -> None:
    jobs = site.submit(1)
    run = Run(site.inner, "100")
    (ticket,) = run.take()
    run.end(ticket)
    site.states(jobs)
    idle = Run(site.inner, "100")
    more = site.submit(1)
    idle.leave()
    assert site.states(more) == [JobState.PENDING]
    assert len(site.live()) == 1  # another one comes for it


def test_nodes_to_keep_from_are_told_to_the_scheduler_and_to_workers(site: Site) -> None:
    (job,) = site.submit(1, avoid=("n1",))
    assert site.inner.avoided == [("n1",)]
    run = Run(site.inner, "100", host="n1")
    assert not run.take()
    assert site.states([job]) == [JobState.PENDING]  # there is no other node, so that one has to do
    assert run.take()


def test_a_scheduler_without_other_nodes_is_asked_for_any(site: Site) -> None:
    submit = site.inner.submit

    def no_such_nodes(call: str, texts: list[str], **more: object) -> list[str]:
        if more["avoid"]:
            raise SubmissionRejected("Requested node configuration is not available")
        return submit(call, texts, **more)  # type: ignore[arg-type]

    site.inner.submit = no_such_nodes  # type: ignore[assignment, method-assign]
    (job,) = site.submit(1, avoid=("n1",))
    assert Run(site.inner, "100", host="n1").take()
    assert site.states([job]) == [JobState.RUNNING]
    assert len(site.cluster._fleet.live) == 1


def test_a_rejected_worker_leaves_no_ticket(site: Site) -> None:
    site.inner.rejects("Invalid account")
    with pytest.raises(SubmissionRejected, match="Invalid account"):
        site.submit(2)
    assert not Pool(place.folder(site.jobs_folder)).open_files()
    assert site.cluster.recover("s.1.0.x", site.jobs_folder) == {}
    site.inner.refuse = None
    assert site.states(site.submit(1)) == [JobState.PENDING]


def test_a_refused_worker_is_asked_for_again_later_and_told_meanwhile(site: Site) -> None:
    site.inner.refuse = SubmissionRefused("sbatch: Socket timed out")
    jobs = site.submit(1)
    assert "Socket timed out" in site.cluster.trouble
    assert "Socket timed out" in site.cluster.poll(jobs)[jobs[0]].reason
    site.inner.refuse = None
    site.states(jobs)
    assert not site.inner.jobs  # not at once
    site.clock += 15
    site.states(jobs)
    assert len(site.live()) == 1
    assert not site.cluster.trouble


def test_a_worker_of_which_no_answer_came_is_found_and_not_sent_twice(site: Site) -> None:
    site.inner.answers = False
    jobs = site.submit(1)
    site.inner.answers = True
    site.clock += 15
    site.open()
    assert site.states(jobs) == [JobState.PENDING]
    assert site.live() == ["100"]
    Run(site.inner, "100").take()
    assert site.states(jobs) == [JobState.RUNNING]


def test_release_closes_and_ends_what_has_not_begun(site: Site) -> None:
    jobs = site.submit(4)
    run = Run(site.inner, "100")
    for ticket in list(run.take()):
        run.end(ticket)
    site.cluster.release()
    assert not run.pool.closed  # two are open
    site.cluster.cancel(jobs)
    site.states(jobs)
    site.cluster.release()
    assert run.pool.closed
    assert site.inner.jobs == {"100": JobState.RUNNING, "101": JobState.CANCELLED_BY_US}  # the first leaves by itself
    more = site.submit(1)
    assert not run.pool.closed
    assert site.states(more) == [JobState.PENDING]


def test_release_ends_what_runs_cancelled_packs(site: Site) -> None:
    jobs = site.submit(2)
    run = Run(site.inner, "100")
    run.take()
    site.cluster.cancel(jobs)
    site.cluster.release()
    assert site.inner.jobs["100"] is JobState.CANCELLED_BY_US
    assert site.states(jobs) == [JobState.CANCELLED_BY_US] * 2


def test_workers_that_wait_for_nothing_are_cancelled_after_a_while(site: Site) -> None:
    jobs = site.submit(2)
    site.cluster.cancel(jobs)
    site.states(jobs)
    site.clock += 30
    site.states(jobs)
    assert site.live() == ["100"]
    site.clock += 60
    site.states(jobs)
    assert not site.live()


def test_a_ticket_without_a_trace_is_lost_after_a_while(site: Site) -> None:
    (job,) = site.submit(1)
    for path in (place.folder(site.jobs_folder) / "open").glob("*"):
        path.unlink()
    assert site.states([job]) == [JobState.UNKNOWN]
    site.clock += GONE_AFTER_S
    assert site.states([job]) == [JobState.NODE_FAILED]
    site.open()
    assert site.states([job]) == [JobState.NODE_FAILED]


def test_only_one_worker_comes_while_nobody_knows_what_a_node_has(tmp_path: Path) -> None:
    site = Site(tmp_path, gpus_per_pack=0, gpus_per_node=None)
    jobs = site.submit(20)
    assert len(site.live()) == 1
    assert site.cluster.room(20) <= 20
    Run(site.inner, "100", devices=8)
    site.states(jobs)
    assert len(site.live()) == 3
    assert site.cluster.room(20) >= 4


def test_studies_of_a_suite_share_a_pool_and_each_finds_it_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "jobs", tmp_path / "b" / "jobs"
    inner = Inner()
    cluster = PoolCluster(profile(), inner, place.folder(one, two))
    mine = cluster.submit(CALL, ["{}"], name="a.1.0.x", folder=one)
    other = cluster.submit(CALL, ["{}"], name="b.2.0.x", folder=two)
    alone = PoolCluster(profile(), inner, place.folder(two))
    alone.cancel(other)
    assert alone.poll(other)[other[0]].state is JobState.CANCELLED_BY_US
    alone.release()
    assert not Pool(place.folder(one)).closed  # the other study's pack still waits
    assert cluster.poll(mine)[mine[0]].state is JobState.PENDING


def test_a_study_goes_on_with_another_kind_of_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    open_one, taken = site.submit(2)
    run = Run(site.inner, "100")
    ticket = run.take(1)[0]
    assert ticket.job == open_one
    with_packs = clusters.open_cluster(profile(jobs="pack"), site.jobs_folder)
    assert isinstance(with_packs, Succession)
    monkeypatch.setattr(with_packs._earlier, "inner", site.inner)
    monkeypatch.setattr(with_packs._earlier._fleet, "cluster", site.inner)  # type: ignore[attr-defined]
    reports = with_packs.poll([open_one, taken])
    assert [reports[job].state for job in (open_one, taken)] == [JobState.RUNNING, JobState.PREEMPTED]
    run.end(ticket)
    assert with_packs.poll([open_one])[open_one].state is JobState.FINISHED


def test_jobs_of_one_pack_each_are_known_to_a_pool_that_follows(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    here = Profile(name="here", executor="local", mem_gb=0.1)
    before = clusters.open_cluster(here, jobs)
    (job,) = before.submit("slurm.payload:job_id", ["x"], name="s.1.0.x", folder=jobs)
    after = clusters.open_cluster(here.model_copy(update={"jobs": "node"}), jobs)
    deadline = time.monotonic() + 60
    while not (report := after.poll([job])[job]).state.over and time.monotonic() < deadline:
        time.sleep(0.2)
    assert report.state is JobState.FAILED  # "module:function" of two arguments: by the process of before
    assert after.recover("s.1.0.x", jobs) == {0: job}
