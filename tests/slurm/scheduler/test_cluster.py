"""Slurm as a cluster, against fake commands: refusals, broken connections, garbled answers, crashes in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm import clusters, executor
from slurm.clusters import open_cluster
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import JobState
from slurm.local.cluster import LocalCluster
from slurm.profile import Profile
from slurm.scheduler import poller as poller_module
from slurm.scheduler.cluster import SlurmCluster, render
from slurm.testing import FakeSlurm

FAILED = "sbatch: error: Batch job submission failed: "


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    return fake


@pytest.fixture
def profile() -> Profile:
    return Profile(
        name="lab", executor="slurm", partition="gpu", time_min=60, max_array_size=1001, poll_min_s=1.0, poll_max_s=8.0
    )


class Clock:
    def __init__(self) -> None:
        self.time = 1e9

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_slurm(tmp_path: Path, clock: Clock) -> Callable[[Profile], SlurmCluster]:
    return lambda profile: SlurmCluster(profile, tmp_path / "jobs", now=clock)


Open = Callable[[Profile], SlurmCluster]


def test_an_array_runs_and_its_tasks_are_reported(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, payloads: str, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit(f"{payloads}:shout", ["a", "b", "c"], name="first", folder=tmp_path / "jobs")
    assert jobs == ["100_0", "100_1", "100_2"]
    assert {report.state for report in cluster.poll(jobs).values()} == {JobState.PENDING}
    assert fake.run(jobs[1], node="node7") == 0
    fake.put(jobs[2], "RUNNING", node="node8")
    clock.time += 10
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.PENDING, JobState.FINISHED, JobState.RUNNING]
    assert reports[jobs[1]].node == "node7"
    outcome = executor.result(tmp_path / "jobs" / "first", jobs[1])
    assert outcome is not None
    assert outcome.text == "B"
    log = clusters.log(jobs[1], tmp_path / "jobs")
    assert log is not None
    assert "working on b" in log.read_text()
    assert clusters.log(jobs[0], tmp_path / "jobs") is None


def test_the_script_says_what_the_profile_says(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    full = profile.model_copy(
        update={
            "account": "lab",
            "qos": "long",
            "constraint": "a100|h100",
            "gpus_per_pack": 2,
            "gpu_type": "a100",
            "cpus_per_pack": 3,
            "mem_gb": 1.5,
            "signal_lead_s": 77,
            "setup": ("module load cuda",),
            "python": "apptainer exec image.sif python",
            "environment": {"MINE": "a b"},
            "array_throttle": 2,
            "sbatch": {"exclusive": True, "mail-type": "FAIL", "overcommit": False},
        }
    )
    open_slurm(full).submit("m:f", ["a"] * 3, name="say", folder=tmp_path / "jobs", avoid=["n2", "n1"])
    script = fake.jobs()["100_0"]["script"]
    for line in (
        "--account=lab",
        "--array=0-2%2",
        "--constraint='a100|h100'",
        "--cpus-per-task=3",
        "--exclude=n1,n2",
        "--exclusive",
        "--gpus-per-node=a100:2",
        "--job-name=say.0",
        "--mail-type=FAIL",
        "--mem=1536M",
        "--partition=gpu",
        "--qos=long",
        "--requeue",
        "--signal=USR2@77",
        "--time=60",
    ):
        assert f"#SBATCH {line}\n" in script
    assert "wckey" not in script
    assert "overcommit" not in script
    assert "export MINE='a b'\n" in script
    assert "export OMP_NUM_THREADS=3\n" in script
    assert "module load cuda\n" in script
    assert "apptainer exec image.sif python -P -u -m actsweep_start -u -m submitit" in script
    shown = render(full, 3, name="say", folder=tmp_path / "jobs")
    assert shown.tasks == (3,)
    assert shown.scripts[0] == script.replace("#SBATCH --exclude=n1,n2\n", "")


def test_texts_are_dealt_out_to_arrays_and_partitions(profile: Profile, tmp_path: Path) -> None:
    assert render(profile, 50, name="x", folder=tmp_path).tasks == (50,)
    small = profile.model_copy(update={"max_array_size": 21})
    shown = render(small, 50, name="x", folder=tmp_path)
    assert shown.tasks == (20, 20, 10)
    assert [f"--job-name=x.{start}\n" in text for start, text in zip((0, 20, 40), shown.scripts, strict=True)] == [
        True
    ] * 3
    shared = Profile.model_validate(
        {
            "name": "two",
            "executor": "slurm",
            "time_min": 9,
            "partitions": ({"name": "a", "share": 3}, {"name": "b", "share": 1, "time_min": 99}),
        }
    )
    shown = render(shared, 8, name="x", folder=tmp_path)
    assert shown.tasks == (6, 2)
    assert "--partition=b\n" in shown.scripts[1]
    assert "--time=99\n" in shown.scripts[1]
    ordered = Profile.model_validate(
        {
            "name": "two",
            "executor": "slurm",
            "time_min": 9,
            "partitions": ({"name": "a", "max_jobs": 5}, {"name": "b", "max_jobs": 2}),
        }
    )
    assert render(ordered, 4, name="x", folder=tmp_path).tasks == (4,)
    assert render(ordered, 9, name="x", folder=tmp_path).tasks == (5, 4)


def test_an_enclosing_jobs_variables_do_not_reach_sbatch(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "environment"
    program = fake.folder / "bin" / "sbatch"
    program.rename(program.with_name("sbatch.real"))
    program.write_text(f'#!/bin/sh\nenv > {seen}\nexec {program}.real "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CONF", "kept")
    monkeypatch.setenv("SBATCH_PARTITION", "wrong")
    open_slurm(profile).submit("m:f", ["a"], name="in", folder=tmp_path / "jobs")
    lines = seen.read_text().splitlines()
    assert "SLURM_CONF=kept" in lines
    assert not [line for line in lines if line.startswith(("SLURM_JOB_ID", "SBATCH_"))]
    assert os.environ["SLURM_JOB_ID"] == "7"


@pytest.mark.parametrize(
    "words",
    [
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "Unable to contact slurm controller (connect failure)",
        "RPC rate limit exceeded, please retry",
    ],
)
def test_a_refusal_submits_nothing_and_is_tried_later(
    words: str, fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    fake.refuse("sbatch", FAILED + words, times=2)
    with pytest.raises(SubmissionRefused, match=words[:20]):
        cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs")
    assert cluster.room(0) == 0
    with pytest.raises(SubmissionRefused, match="a moment ago"):
        cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs")
    clock.time += 1.01
    with pytest.raises(SubmissionRefused, match="sbatch"):
        cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs")
    clock.time += 1.01
    assert cluster.room(0) == 0, "the second wait is longer"
    clock.time += 1.01
    assert cluster.room(0) > 0
    assert cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs") == ["100_0", "100_1"]
    assert len(fake.calls("sbatch")) == 3
    assert cluster.costs.calls["sbatch"] == 3


def test_what_can_never_run_is_rejected(fake: FakeSlurm, profile: Profile, open_slurm: Open, tmp_path: Path) -> None:
    cluster = open_slurm(profile)
    fake.refuse("sbatch", FAILED + "Requested node configuration is not available")
    with pytest.raises(SubmissionRejected, match="Requested node configuration is not available"):
        cluster.submit("m:f", ["a"], name="first", folder=tmp_path / "jobs")
    assert cluster.room(0) > 0
    with pytest.raises(SubmissionRejected, match="cannot name jobs"):
        cluster.submit("m:f", ["a"], name="a,b", folder=tmp_path / "jobs")
    cluster.submit("m:f", ["a"], name="first", folder=tmp_path / "jobs")
    with pytest.raises(SubmissionRejected, match="recover"):
        cluster.submit("m:f", ["a"], name="first", folder=tmp_path / "jobs")


def test_a_machine_without_slurm_is_told_so(
    profile: Profile, open_slurm: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SubmissionRejected, match="no sbatch"):
        open_slurm(profile).submit("m:f", ["a"], name="first", folder=tmp_path / "jobs")


def test_a_full_queue_takes_fewer_until_all_are_in(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    fake.site(max_submit=6)
    cluster = open_slurm(profile)
    given: list[str] = []
    refusals = []
    for _ in range(20):
        clock.time += 10
        active = [job for job, report in cluster.poll(given).items() if not report.state.over]
        for job in active[:4]:
            fake.put(job, "COMPLETED")
        if room := min(12 - len(given), cluster.room(len(active))):
            try:
                given += cluster.submit("m:f", ["t"] * room, name=f"n{len(given)}", folder=tmp_path / "jobs")
            except SubmissionRefused as refusal:
                refusals.append(str(refusal))
        if len(given) == 12:
            break
    assert len(given) == len(fake.jobs()) == 12
    assert refusals
    assert all("QOSMaxSubmitJobPerUserLimit" in words for words in refusals)


def test_a_later_array_refused_takes_the_earlier_back(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, tmp_path: Path
) -> None:
    fake.site(max_submit=5)
    cluster = open_slurm(profile.model_copy(update={"max_array_size": 4}))
    with pytest.raises(SubmissionRefused):
        cluster.submit("m:f", ["a"] * 6, name="two", folder=tmp_path / "jobs")
    assert {job["word"].split()[0] for job in fake.jobs().values()} == {"CANCELLED"}
    assert cluster.recover("two", tmp_path / "jobs") == {}


def test_a_broken_connection_adopts_the_job_that_slurm_took(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, payloads: str, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    fake.refuse("sbatch", FAILED + "Socket timed out on send/recv operation", accept=True)
    jobs = cluster.submit(f"{payloads}:shout", ["a", "b"], name="first", folder=tmp_path / "jobs")
    assert jobs == ["100_0", "100_1"]
    assert fake.run("100_1") == 0
    outcome = executor.result(tmp_path / "jobs" / "first", "100_1")
    assert outcome is not None
    assert outcome.text == "B"


def test_a_job_that_turns_up_late_is_cancelled_unused(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    fake.refuse("sbatch", FAILED + "Socket timed out on send/recv operation", accept=True)
    fake.refuse("squeue", "slurm_load_jobs error: Socket timed out on send/recv operation")
    with pytest.raises(SubmissionRefused, match="timed out"):
        cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs")
    clock.time += 5
    again = cluster.submit("m:f", ["a", "b"], name="first", folder=tmp_path / "jobs")
    assert again == ["101_0", "101_1"]
    clock.time += 5
    assert {report.state for report in cluster.poll(again).values()} == {JobState.PENDING}
    words = {id_: job["word"].split()[0] for id_, job in fake.jobs().items()}
    assert words == {"100_0": "CANCELLED", "100_1": "CANCELLED", "101_0": "PENDING", "101_1": "PENDING"}


def test_a_driver_killed_before_it_read_the_id_finds_its_jobs_by_name(
    fake: FakeSlurm,
    profile: Profile,
    open_slurm: Open,
    payloads: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    folder = tmp_path / "jobs"
    with monkeypatch.context() as patch:
        patch.setattr(executor.utils.JobPaths, "move_temporary_file", killed)
        with pytest.raises(Killed):
            open_slurm(profile).submit(f"{payloads}:shout", ["a", "b"], name="first", folder=folder)
    fake.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller")
    cluster = open_slurm(profile)
    with pytest.raises(SubmissionRefused, match="not known yet"):
        cluster.recover("first", folder)
    assert cluster.recover("first", folder) == {0: "100_0", 1: "100_1"}
    assert cluster.recover("other", folder) == {}
    assert fake.run("100_0") == 0
    assert cluster.poll(["100_0"])["100_0"].state is JobState.FINISHED
    assert open_slurm(profile).recover("first", folder) == {0: "100_0", 1: "100_1"}


def test_one_question_serves_all_and_answers_come_from_memory_between(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = [
        job
        for number in range(3)
        for job in cluster.submit("m:f", ["a", "b"], name=f"n{number}", folder=tmp_path / "jobs")
    ]
    for _ in range(100):
        clock.time += 0.5
        cluster.poll(jobs)
    asked = fake.calls("squeue")
    assert 6 <= len(asked) <= 14, "backs off from 1 s to 8 s over 50 s"
    assert "--name=n0.0,n1.0,n2.0" in asked[0]
    assert "--states=all" in asked[0]
    assert fake.calls("sacct") == []
    assert cluster.costs.calls["squeue"] == len(asked)


def test_accounting_is_asked_only_for_what_the_queue_forgot(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"] * 4, name="n", folder=tmp_path / "jobs")
    fake.put(jobs[0], "NODE_FAIL", node="bad1")
    fake.put(jobs[1], "CANCELLED by 1234")
    fake.put(jobs[2], "OUT_OF_MEMORY")
    fake.forget(*jobs[:3])
    clock.time += 5
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [
        JobState.NODE_FAILED,
        JobState.CANCELLED,
        JobState.OUT_OF_MEMORY,
        JobState.PENDING,
    ]
    assert reports[jobs[0]].node == "bad1"
    assert "user 1234" in reports[jobs[1]].reason
    assert reports[jobs[2]].reason == "it was given 8 GB; raise mem_gb in the profile, or give a pack fewer folds"
    assert len(fake.calls("sacct")) == 1
    for _ in range(10):
        clock.time += 10
        cluster.poll(jobs)
    assert len(fake.calls("sacct")) == 1


def test_garbled_answers_are_asked_again_and_believed_never(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a", "b"], name="n", folder=tmp_path / "jobs")
    fake.garble("squeue", times=3)
    fake.refuse("squeue", "slurm_load_jobs error: Unexpected message received", times=3)
    for _ in range(6):
        clock.time += 20
        assert {report.state for report in cluster.poll(jobs).values()} == {JobState.PENDING}
    assert fake.calls("sacct") == []
    fake.put(jobs[0], "PREEMPTED")
    fake.put(jobs[1], "TIMEOUT")
    fake.forget(*jobs)
    fake.garble("sacct")
    clock.time += 20
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.PENDING, JobState.TIMED_OUT]
    clock.time += 20
    assert cluster.poll(jobs)[jobs[0]].state is JobState.PREEMPTED


def test_a_notice_before_the_rows_is_no_row(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a", "b"], name="n", folder=tmp_path / "jobs")
    fake.put(jobs[0], "RUNNING", node="node7")
    fake.notice("squeue", "NOTICE: this system is in use by authorised users only\n\nMaintenance on Monday", times=9)
    for _ in range(4):
        clock.time += 20
        reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.RUNNING, JobState.PENDING]
    assert cluster.trouble == ""


def test_rows_that_can_be_read_are_read_and_the_rest_is_told_within_three_polls(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a", "b", "c"], name="n", folder=tmp_path / "jobs")
    for job in jobs:
        fake.put(job, "RUNNING", node="node7")
    fake.garble("squeue", times=3)
    told = []
    for _ in range(3):
        clock.time += 20
        reports = cluster.poll(jobs)
        told.append(cluster.trouble)
    assert [reports[job].state for job in jobs].count(JobState.RUNNING) == 2, "all but the torn one"
    assert told[:2] == ["", ""]
    assert told[2].startswith("squeue answers what cannot be read, 3 times in a row: ")
    fake.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller", times=99)
    clock.time += 20
    cluster.poll(jobs)
    assert "does not answer, 4 times in a row: slurm_load_jobs error: Unable to contact" in cluster.trouble


def test_trouble_ends_with_the_first_sound_answer(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"], name="n", folder=tmp_path / "jobs")
    fake.refuse("squeue", "slurm_load_jobs error: Connection refused", times=3)
    for expected in (False, False, True, False):
        clock.time += 20
        cluster.poll(jobs)
        assert bool(cluster.trouble) is expected


def test_without_accounting_a_forgotten_job_is_judged_by_what_it_left(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, payloads: str, tmp_path: Path
) -> None:
    fake.site(accounting=False)
    cluster = open_slurm(profile)
    folder = tmp_path / "jobs"
    jobs = cluster.submit(f"{payloads}:shout", ["a", "b"], name="good", folder=folder)
    jobs += cluster.submit(f"{payloads}:fail", ["a"], name="bad", folder=folder)
    fake.run(jobs[0])
    fake.run(jobs[2])
    fake.forget(*jobs)
    reports = cluster.poll(jobs)
    for _ in range(poller_module.FORGOTTEN_BEFORE_LOST + 1):
        clock.time += 20
        reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.FINISHED, JobState.FAILED, JobState.FAILED]
    assert "no longer knows" in reports[jobs[1]].reason
    assert reports[jobs[2]].reason == "ValueError: cannot work on a"
    assert len(fake.calls("sacct")) == 1


def test_a_silent_accounting_is_not_taken_for_an_answer(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"], name="n", folder=tmp_path / "jobs")
    fake.put(jobs[0], "COMPLETED")
    fake.forget(*jobs)
    fake.refuse("sacct", "sacct: error: slurm_persist_conn_open_without_init: Connection refused", times=5)
    for _ in range(5):
        clock.time += 20
        assert not cluster.poll(jobs)[jobs[0]].state.over
    clock.time += 20
    assert cluster.poll(jobs)[jobs[0]].state is JobState.FINISHED


def test_cancelling_is_remembered_by_the_next_driver(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"] * 3, name="n", folder=tmp_path / "jobs")
    cluster.cancel(jobs[:2])
    cluster.cancel(jobs[:2])
    assert fake.calls("scancel") == [jobs[:2]]
    clock.time += 5
    states = {job: report.state for job, report in open_slurm(profile).poll(jobs).items()}
    assert states == {
        jobs[0]: JobState.CANCELLED_BY_US,
        jobs[1]: JobState.CANCELLED_BY_US,
        jobs[2]: JobState.PENDING,
    }


def test_a_cancellation_that_did_not_get_through_is_repeated(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"] * 2, name="n", folder=tmp_path / "jobs")
    fake.refuse("scancel", "scancel: error: Kill job error on job id 100: Unable to contact slurm controller", times=2)
    cluster.cancel(jobs)
    for _ in range(8):
        clock.time += 5
        reports = cluster.poll(jobs)
    assert {report.state for report in reports.values()} == {JobState.CANCELLED_BY_US}
    assert len(fake.calls("scancel")) == 3


def test_a_requeued_task_and_a_held_one_are_pending(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit("m:f", ["a"] * 2, name="n", folder=tmp_path / "jobs")
    fake.put(jobs[0], "REQUEUE_HOLD")
    fake.put(jobs[1], "COMPLETING")
    clock.time += 5
    reports = cluster.poll(jobs)
    assert reports[jobs[0]].state is JobState.PENDING
    assert "scontrol release" in reports[jobs[0]].reason
    assert reports[jobs[1]].state is JobState.RUNNING


def test_a_job_that_slurm_is_slow_to_clear_away_has_ended_by_its_own_result(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, clock: Clock, payloads: str, tmp_path: Path
) -> None:
    cluster = open_slurm(profile)
    jobs = cluster.submit(f"{payloads}:shout", ["a", "b"], name="n", folder=tmp_path / "jobs")
    fake.run(jobs[0])
    for job in jobs:
        fake.put(job, "COMPLETING")
    clock.time += 5
    reports = cluster.poll(jobs)
    assert [reports[job].state for job in jobs] == [JobState.FINISHED, JobState.RUNNING]


def test_room_keeps_to_the_profile_and_the_site(
    fake: FakeSlurm, profile: Profile, open_slurm: Open, tmp_path: Path
) -> None:
    fake.site(MaxArraySize="51", MaxJobCount="70")
    cluster = open_slurm(profile.model_copy(update={"max_array_size": None}))
    assert [cluster.room(active) for active in (0, 40, 80)] == [50, 30, 0]
    assert len(fake.calls("scontrol")) == 1
    assert open_slurm(profile.model_copy(update={"max_jobs": 7})).room(4) == 3
    fake.refuse("scontrol", "Access denied")
    assert open_slurm(profile.model_copy(update={"max_array_size": None})).room(0) == 1000


def test_the_profile_decides_which_cluster_opens(profile: Profile, tmp_path: Path) -> None:
    assert isinstance(open_cluster(profile, tmp_path), SlurmCluster)
    assert isinstance(open_cluster(Profile(name="here", executor="local"), tmp_path), LocalCluster)
