"""``executor: allocation`` on a real Slurm: steps of the job that the driver is in, without sbatch."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurm import clusters
from slurm.allocation import cluster as module
from slurm.allocation import enclosing
from slurm.allocation.cluster import AllocationCluster
from slurm.allocation.enclosing import Node
from slurm.dev.cluster import DevCluster
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Costs, JobReport, JobState
from slurm.profile import Profile
from slurm.scheduler.commands import Scheduler

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("dev")]

Wait = Callable[..., dict[str, JobReport]]
Folds = Callable[..., list[Any]]
Run = Callable[..., str]
FINISHED = JobState.FINISHED


@pytest.fixture
def here() -> Profile:
    return Profile(name="test", executor="allocation", signal_lead_s=20, poll_min_s=0.5, poll_max_s=2, reserve_s=10)


def texts(folds: list[Any], seconds: float = 0.1) -> list[str]:
    return [fold.text(seconds) for fold in folds]


def test_the_job_around_the_driver_is_known_node_by_node(salloc: Callable[..., str]) -> None:
    job = salloc("--nodes=2", "--gpus=5", "--time=7")
    found = enclosing.look(Scheduler(Costs()))
    assert (found.job, found.nodes) == (job, (Node(name="gpu1", cores=1, gpus=4), Node(name="gpu2", cores=1, gpus=1)))
    assert found.end is not None
    assert 390 < found.end - time.time() <= 420


@pytest.mark.parametrize("form", ["gpu[1-2,4]", "a[01-03,9]b[1-2],c7", "n[9-11]", "login,x-[099-101]"])
def test_names_of_nodes_mean_what_they_mean_to_slurm(form: str, slurm: Run) -> None:
    assert list(enclosing.expand(form)) == slurm("scontrol", "show", "hostnames", form).split()


def test_each_node_runs_one_job_at_a_time_with_all_that_it_has(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    salloc("--nodes=2", "--exclusive")
    cluster = AllocationCluster(here, tmp_path)
    assert cluster.room(0) == 2
    mine = folds(3, epochs=4)
    jobs = cluster.submit(stand_in, texts(mine, 0.2), name="steps", folder=tmp_path)
    assert cluster.poll(jobs)[jobs[2]].reason == "waits for a node of the allocation"
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {FINISHED}
    assert all(fold.done_exactly_once() and fold.attempts() == 1 for fold in mine)
    assert {fold.lines()[0]["gpu"] for fold in mine} == {"0,1,2,3"}
    assert {fold.lines()[0]["node"] for fold in mine[:2]} == {"gpu1", "gpu2"}
    assert cluster.costs.calls == {"srun": 3, "scontrol": 1}
    log = clusters.log(jobs[0], tmp_path)
    assert log is not None
    assert "Job completed successfully" in log.read_text()


def test_a_driver_killed_anywhere_finds_its_steps(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    salloc("--nodes=2", "--gpus-per-node=1")
    mine = folds(6, epochs=8)
    for number, place in enumerate(["before srun", "before its record", "before its pickle", "after all"]):
        words = [sys.executable, "-c", DRIVER, str(tmp_path), stand_in, mine[number].text(0.2), f"cut-{number}", place]
        assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
        cluster = AllocationCluster(here, tmp_path)
        found = cluster.recover(f"cut-{number}", tmp_path)
        assert list(found) == [0]
        assert {each.state for each in wait(cluster, list(found.values())).values()} == {FINISHED}
        assert mine[number].done_exactly_once()
        assert mine[number].attempts() == 1


DRIVER = """
import os, signal, sys
from pathlib import Path
from slurm import executor
from slurm.allocation import cluster, step
from slurm.profile import Profile
folder, call, text, name, place = Path(sys.argv[1]), *sys.argv[2:]
def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "before srun":
    step.Step._start = killed
if place == "before its record":
    write = step.write_record
    step.write_record = lambda path, record: killed() if path.name == "started.json" else write(path, record)
if place == "before its pickle":
    executor.place_pickle = killed
profile = Profile(name="x", executor="allocation", poll_min_s=0.5, poll_max_s=2, signal_lead_s=20, reserve_s=10)
cluster.AllocationCluster(profile, folder).submit(call, [text], name=name, folder=folder)
killed()
"""


def test_what_is_cancelled_saves_first(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    salloc("--nodes=1", "--gpus-per-node=1")
    cluster = AllocationCluster(here, tmp_path)
    (fold,) = folds(1, epochs=200)
    jobs = cluster.submit(stand_in, texts([fold], 0.2), name="saved", folder=tmp_path)
    wait(cluster, jobs, lambda _: fold.last_epoch() >= 2)
    AllocationCluster(here, tmp_path).cancel(jobs)  # another driver's process
    cluster = AllocationCluster(here, tmp_path)
    assert {report.state for report in wait(cluster, jobs).values()} == {JobState.CANCELLED_BY_US}
    assert fold.lines()[-1]["interrupted"] == [signal.SIGUSR2]


def test_a_step_whose_srun_and_whose_task_are_killed_is_over_and_says_how(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    salloc("--nodes=2", "--gpus-per-node=1")
    cluster = AllocationCluster(here, tmp_path)
    mine = folds(2, epochs=200)
    jobs = cluster.submit(stand_in, texts(mine, 0.2), name="killed", folder=tmp_path)
    wait(cluster, jobs, lambda _: all(fold.last_epoch() for fold in mine))
    os.kill(int(str(mine[0].lines()[0]["pid"])), signal.SIGKILL)
    process = cluster._jobs[jobs[1]].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    reports = wait(cluster, jobs)
    assert reports[jobs[0]].state is JobState.FAILED
    assert "task 0: Killed" in reports[jobs[0]].reason
    assert reports[jobs[1]].state in (JobState.CANCELLED, JobState.FAILED)
    assert "CANCELLED AT" in reports[jobs[1]].reason


def test_the_end_of_the_allocation_is_told_to_steps_in_time_and_nothing_begins_after(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    salloc("--nodes=2", "--gpus-per-node=1", "--time=1")
    cluster = AllocationCluster(here, tmp_path)
    mine = folds(3, epochs=300)
    jobs = cluster.submit(stand_in, texts(mine[:1], 0.2), name="short", folder=tmp_path)
    wait(cluster, jobs, lambda _: "too few to begin" in cluster._too_late())
    with pytest.raises(SubmissionRefused, match="too few to begin anything"):
        cluster.submit(stand_in, texts(mine[1:2]), name="late", folder=tmp_path)
    report = wait(cluster, jobs)[jobs[0]]
    assert (report.state, report.reason) == (JobState.TIMED_OUT, "was told to end, and saved")
    assert mine[0].lines()[-1]["interrupted"] == [signal.SIGUSR2]
    with pytest.raises(SubmissionRejected, match="go on in another job with `actsweep resume`"):
        cluster.submit(stand_in, texts(mine[1:2]), name="late", folder=tmp_path)


def test_an_allocation_that_is_over_and_the_next_one(
    here: Profile, salloc: Callable[..., str], stand_in: str, folds: Folds, wait: Wait, tmp_path: Path, slurm: Run
) -> None:
    first = salloc("--nodes=1", "--gpus-per-node=1")
    cluster = AllocationCluster(here, tmp_path)
    mine = folds(3, epochs=200)
    jobs = cluster.submit(stand_in, texts(mine[:1], 60), name="first", folder=tmp_path)  # too slow to save
    wait(cluster, jobs, lambda _: mine[0].lines())
    second = salloc("--nodes=1", "--gpus-per-node=1")
    late = AllocationCluster(here, tmp_path)
    assert late.poll(jobs)[jobs[0]].state is JobState.RUNNING  # the first job still holds its node
    slurm("scancel", first)
    report = wait(late, jobs)[jobs[0]]
    assert report.state is JobState.PREEMPTED
    assert report.reason == f"job {first}, which it ran in, is over"
    more = late.submit(stand_in, texts([dataclasses.replace(mine[1], epochs=4)]), name="second", folder=tmp_path)
    assert wait(late, more)[more[0]].state is FINISHED
    report = wait(cluster, jobs)[jobs[0]]  # a driver that outlived its allocation
    assert report.state is JobState.PREEMPTED
    slurm("scancel", second)
    unaware = late.submit(stand_in, texts(mine[2:]), name="unaware", folder=tmp_path)
    assert wait(late, unaware)[unaware[0]].state is JobState.PREEMPTED
    with pytest.raises(SubmissionRejected, match=f"job {second}, which this process runs in, is over"):
        late.submit(stand_in, texts(mine[2:]), name="never", folder=tmp_path)


def test_without_the_scheduler_another_jobs_steps_are_over_and_ones_own_unknown(
    dev: DevCluster,
    here: Profile,
    salloc: Callable[..., str],
    stand_in: str,
    folds: Folds,
    wait: Wait,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    salloc("--nodes=1", "--gpus-per-node=1")
    cluster = AllocationCluster(here, tmp_path)
    (fold,) = folds(1, epochs=200)
    jobs = cluster.submit(stand_in, texts([fold], 0.2), name="away", folder=tmp_path)
    wait(cluster, jobs, lambda _: fold.last_epoch())
    process = cluster._jobs[jobs[0]].process
    assert process is not None
    monkeypatch.setattr(module, "RESULT_LAG_S", 1.0)
    dev.stop_controller()
    try:
        os.kill(process.pid, signal.SIGKILL)
        wait(cluster, jobs, lambda reports: reports[jobs[0]].state is JobState.UNKNOWN)
        assert "squeue does not answer" in cluster.trouble
        monkeypatch.setenv("SLURM_JOB_ID", "987654")
        other = AllocationCluster(here, tmp_path)
        report = wait(other, jobs)[jobs[0]]
        assert report.state is JobState.PREEMPTED
    finally:
        dev.start_controller()
