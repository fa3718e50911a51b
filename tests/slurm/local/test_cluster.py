"""This machine as a cluster: jobs outlive the driver, and none is lost or started twice wherever it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from slurm import clusters, executor
from slurm.errors import ClusterError, SubmissionRejected
from slurm.jobs import JobReport, JobState
from slurm.local import cluster as module
from slurm.local.cluster import LocalCluster
from slurm.profile import Profile

Wait = Callable[..., dict[str, JobReport]]


def results(folder: Path, job: str) -> str:
    (path,) = (folder / job).glob("*_0_result.pkl")
    outcome = executor.result(folder / job, path.name.removesuffix("_0_result.pkl"))
    assert outcome is not None
    return outcome.text


def test_a_job_gives_its_text_its_log_and_its_host(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:shout", ["a", "b", "c"], name="first", folder=tmp_path)
    assert jobs == ["first.0", "first.1", "first.2"]
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert [results(tmp_path, job) for job in jobs] == ["A", "B", "C"]
    log = clusters.log(jobs[1], tmp_path)
    assert log is not None
    assert "working on b" in log.read_text()
    assert reports[jobs[0]].node


def test_a_job_starts_where_the_profile_says(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    (tmp_path / "there").mkdir()
    cluster = LocalCluster(local.model_copy(update={"working_folder": str(tmp_path / "there")}), tmp_path)
    (job,) = cluster.submit("os.path:abspath", ["."], name="where", folder=tmp_path)
    wait(cluster, [job])
    assert results(tmp_path, job) == str(tmp_path / "there")
    (tmp_path / "there").rmdir()
    with pytest.raises(
        SubmissionRejected, match=f"working_folder is {tmp_path / 'there'}, and there is no such folder"
    ):
        cluster.submit("os.path:abspath", ["."], name="nowhere", folder=tmp_path)


def test_no_more_run_than_the_profile_allows(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    marks = tmp_path / "marks"
    marks.mkdir()
    jobs = cluster.submit(f"{payloads}:count", [str(marks)] * 4, name="many", folder=tmp_path)
    wait(cluster, jobs, lambda _: len(list(marks.glob("start-*"))) == 2)
    states = [report.state for report in cluster.poll(jobs).values()]
    assert states == [JobState.RUNNING] * 2 + [JobState.PENDING] * 2
    assert cluster.room(active=4) == 0
    assert cluster.room(active=1) == 1
    (marks / "go").touch()
    wait(cluster, jobs)
    assert len(list(marks.glob("start-*"))) == 4


def test_room_follows_cores_memory_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.processes, "cores", lambda: 16)
    monkeypatch.setattr(module.processes, "memory_gb", lambda: 40.0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5")

    def room(**fields: int | None) -> int:
        return LocalCluster(Profile.model_validate({"name": "x", "executor": "local", **fields})).room(0)

    assert room(cpus_per_pack=1, mem_gb=1, gpus_per_pack=0) == 16
    assert room(cpus_per_pack=4, mem_gb=1, gpus_per_pack=0) == 4
    assert room(cpus_per_pack=1, mem_gb=15, gpus_per_pack=0) == 2
    assert room(cpus_per_pack=1, mem_gb=1, gpus_per_pack=None) == 3
    assert room(cpus_per_pack=1, mem_gb=1, gpus_per_pack=2) == 1
    assert room(cpus_per_pack=99, mem_gb=1, gpus_per_pack=0) == 1
    assert room(cpus_per_pack=1, mem_gb=1, gpus_per_pack=0, max_jobs=7) == 7


def test_gpus_are_dealt_out_and_the_environment_is_the_profiles(
    payloads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    profile = Profile(
        name="x",
        executor="local",
        cpus_per_pack=3,
        mem_gb=0.1,
        max_jobs=2,
        environment={"MINE": "yes"},
        setup=("A=1", "export A"),
    )
    cluster = LocalCluster(profile, tmp_path)
    keys = json.dumps(["CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MINE", "SLURM_JOB_ID", "A"])
    jobs = cluster.submit(f"{payloads}:environment", [keys] * 2, name="env", folder=tmp_path)
    wait(cluster, jobs)
    seen = [json.loads(results(tmp_path, job)) for job in jobs]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in seen] == ["4", "7"]
    assert {(one["OMP_NUM_THREADS"], one["MINE"], one["SLURM_JOB_ID"], one["A"]) for one in seen} == {
        ("3", "yes", None, "1")
    }
    assert all(one["flags"] for one in seen)


def test_a_job_loads_nothing_heavy(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:loaded", [""], name="light", folder=tmp_path)
    wait(cluster, jobs)
    loaded = set(json.loads(results(tmp_path, jobs[0])))
    assert "slurm.payload" in loaded
    assert not loaded & {"ray", "mlflow", "pydantic", "torch", "yaml", "pandas", "slurm.profile", "trainer", "sweeps"}


def test_only_names_and_texts_are_pickled(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:shout", ["hear me"], name="text", folder=tmp_path)
    wait(cluster, jobs)
    (path,) = (tmp_path / jobs[0]).glob("*_submitted.pkl")
    words = path.read_bytes()
    assert b"slurm.payload" in words
    assert b"hear me" in words
    assert len(words) < 400


def test_a_failure_gives_the_last_line_of_its_error(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:fail", ["this"], name="bad", folder=tmp_path)
    jobs += cluster.submit(f"{payloads}:vanish", ["this"], name="gone", folder=tmp_path)
    jobs += cluster.submit(f"{payloads}:vanish_silently", ["this"], name="still", folder=tmp_path)
    reports = wait(cluster, jobs)
    assert [report.state for report in reports.values()] == [JobState.FAILED] * 3
    assert reports["bad.0"].reason == "ValueError: cannot work on this"
    assert reports["gone.0"].reason.endswith("last line of its log: about to go")
    assert reports["still.0"].reason.endswith("last line of its log: none")


def test_cancelling_ends_waiting_and_running_jobs(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    files = [str(tmp_path / f"up-{number}") for number in range(3)]
    jobs = cluster.submit(f"{payloads}:saving", files, name="stop", folder=tmp_path)
    wait(cluster, jobs, lambda _: all(Path(file).exists() for file in files[:2]))
    cluster.cancel(jobs)
    assert {report.state for report in wait(cluster, jobs).values()} == {JobState.CANCELLED_BY_US}
    assert not Path(files[2]).exists()
    again = LocalCluster(local, tmp_path)
    assert {report.state for report in again.poll(jobs).values()} == {JobState.CANCELLED_BY_US}


def test_a_job_that_is_deaf_to_the_end_is_killed(
    local: Profile, payloads: str, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KILL_AFTER_S", 0.3)
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:deaf", [str(tmp_path / "up")], name="deaf", folder=tmp_path)
    wait(cluster, jobs, lambda _: (tmp_path / "up").exists())
    cluster.cancel(jobs)
    assert wait(cluster, jobs)["deaf.0"].state is JobState.CANCELLED_BY_US


def test_a_job_told_to_stop_by_another_is_worth_a_retry(
    local: Profile, payloads: str, tmp_path: Path, wait: Wait
) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:saving", [str(tmp_path / "up")], name="told", folder=tmp_path)
    wait(cluster, jobs, lambda _: (tmp_path / "up").exists())
    for pid in module.processes.with_variable(module.MARK, str(tmp_path / "told.0")):
        os.kill(pid, signal.SIGTERM)
    assert wait(cluster, jobs)["told.0"].state is JobState.TIMED_OUT


DRIVER = """
import sys, time
from pathlib import Path
from slurm.local.cluster import LocalCluster
from slurm.profile import Profile
from slurm import executor
folder, call, marks, die = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
import os, signal
def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if die == "before-work":
    executor.utils.JobPaths.move_temporary_file = killed
if die == "before-record":
    LocalCluster._started = killed
profile = Profile(name="x", executor="local", mem_gb=0.1, max_jobs=2, gpus_per_pack=0)
cluster = LocalCluster(profile, folder)
cluster.submit(call, [marks] * 3, name="kept", folder=folder)
killed()
"""


@pytest.mark.parametrize("die", ["before-work", "before-record", "after"])
def test_a_driver_killed_while_it_submits_loses_and_doubles_nothing(
    die: str, local: Profile, payloads: str, tmp_path: Path, wait: Wait
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    words = [sys.executable, "-c", DRIVER, str(tmp_path), f"{payloads}:count", str(marks), die]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    cluster = LocalCluster(local, tmp_path)
    found = cluster.recover("kept", tmp_path)
    assert found == {0: "kept.0", 1: "kept.1", 2: "kept.2"}
    assert cluster.recover("other", tmp_path) == {}
    (marks / "go").touch()
    reports = wait(cluster, list(found.values()))
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert len(list(marks.glob("start-*"))) == 3
    assert len(list(marks.glob("end-*"))) == 3


def test_a_reused_process_number_is_not_the_job(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:count", [str(tmp_path)], name="pid", folder=tmp_path)
    wait(cluster, jobs, lambda _: bool(list(tmp_path.glob("start-*"))))
    record = tmp_path / "pid.0" / "started.json"
    started = json.loads(record.read_text())
    os.killpg(started["process"]["pid"], signal.SIGKILL)
    wait(cluster, jobs)
    started["process"] |= {"pid": os.getpid(), "started": 1.0}
    record.write_text(json.dumps(started))
    assert LocalCluster(local, tmp_path).poll(jobs)["pid.0"].state is JobState.FAILED
    started["process"] |= {"host": "elsewhere"}
    record.write_text(json.dumps(started))
    report = LocalCluster(local, tmp_path).poll(jobs)["pid.0"]
    assert report.state is JobState.UNKNOWN
    assert "elsewhere" in report.reason


def test_a_task_whose_controller_was_killed_is_ended(local: Profile, payloads: str, tmp_path: Path, wait: Wait) -> None:
    cluster = LocalCluster(local, tmp_path)
    jobs = cluster.submit(f"{payloads}:count", [str(tmp_path)], name="orphan", folder=tmp_path)
    wait(cluster, jobs, lambda _: bool(list(tmp_path.glob("start-*"))))
    (mark,) = tmp_path.glob("start-*")
    task = int(mark.name.removeprefix("start-"))
    os.kill(json.loads((tmp_path / "orphan.0" / "started.json").read_text())["process"]["pid"], signal.SIGKILL)
    assert wait(cluster, jobs)["orphan.0"].state is JobState.FAILED
    end = time.monotonic() + 5
    while psutil.pid_exists(task) and psutil.Process(task).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_names_are_checked_and_never_used_twice(local: Profile, payloads: str, tmp_path: Path) -> None:
    cluster = LocalCluster(local, tmp_path)
    with pytest.raises(SubmissionRejected, match="cannot name jobs"):
        cluster.submit(f"{payloads}:shout", ["a"], name="../up", folder=tmp_path)
    cluster.submit(f"{payloads}:shout", ["a"], name="once", folder=tmp_path)
    with pytest.raises(SubmissionRejected, match="recover"):
        cluster.submit(f"{payloads}:shout", ["a"], name="once", folder=tmp_path)
    assert cluster.poll(["never.0"])["never.0"].state is JobState.UNKNOWN


def test_a_record_of_another_version_is_refused(local: Profile, tmp_path: Path) -> None:
    (tmp_path / "old.0").mkdir()
    (tmp_path / "old.0" / "claim.json").write_text("{}")
    (tmp_path / "old.0" / "started.json").write_text('{"schema": 99}')
    with pytest.raises(ClusterError, match="another version"):
        LocalCluster(local, tmp_path).poll(["old.0"])
