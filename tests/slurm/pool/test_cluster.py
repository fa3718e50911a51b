"""PoolCluster over a cluster that does what the test says, with workers of this process."""

from __future__ import annotations

from pathlib import Path

from slurm.jobs import JobState
from slurm.pool.cluster import PoolCluster
from slurm.pool.testing import Inner, Run
from slurm.profile import Profile

CALL = "trainer.entry:run"


def profile(**keys: object) -> Profile:
    return Profile.model_validate({"name": "site", "executor": "slurm", "time": 60, "jobs": "pilot", **keys})


def opened(path: Path, inner: Inner, **keys: object) -> PoolCluster:
    return PoolCluster(profile(**keys), inner, path / "jobs" / "pool")


def test_texts_run_on_workers_and_end_once(tmp_path: Path) -> None:
    inner = Inner()
    cluster = opened(tmp_path, inner)
    jobs = cluster.submit(CALL, ["a", "b", "c"], name="s.1.0.x", folder=tmp_path / "jobs")
    assert jobs == ["s.1.0.x.0", "s.1.0.x.1", "s.1.0.x.2"]
    assert {report.state for report in cluster.poll(jobs).values()} == {JobState.PENDING}
    assert len(inner.jobs) == 3  # a pilot of one place each, until one has told
    run = Run(inner, "100", devices=2)
    first, second = run.take()
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.RUNNING, JobState.RUNNING, JobState.PENDING]
    assert reports[jobs[0]].node == "n1"
    run.end(first)
    run.end(second, JobState.FAILED, "ValueError: no")
    run.take()
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.FINISHED, JobState.FAILED, JobState.RUNNING]
    assert reports[jobs[1]].reason == "ValueError: no"
    run.leave(JobState.NODE_FAILED)
    assert cluster.poll(jobs)[jobs[2]].state is JobState.NODE_FAILED
    again = opened(tmp_path, inner)
    assert again.poll(jobs) == cluster.poll(jobs)
    assert again.recover("s.1.0.x", tmp_path / "jobs") == dict(enumerate(jobs))
