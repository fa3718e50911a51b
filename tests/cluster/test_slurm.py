"""A real Slurm does to jobs what clusters do, and every fold is still trained once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurm import clusters, processes, time_limit
from slurm.dev import cluster as devcluster
from slurm.dev import daemons
from slurm.dev.cluster import DevCluster, Shape
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import JobReport, JobState
from slurm.profile import Profile
from slurm.scheduler.cluster import SlurmCluster

pytestmark = pytest.mark.cluster

Wait = Callable[..., dict[str, JobReport]]
Folds = Callable[..., list[Any]]
Run = Callable[..., str]


def texts(folds: list[Any], seconds: float = 0.1) -> list[str]:
    return [fold.text(seconds) for fold in folds]


def begun(folds: list[Any], epoch: int = 1) -> Callable[[object], bool]:
    return lambda _: all(fold.last_epoch() >= epoch for fold in folds)


@pytest.fixture(scope="session")
def long_job(main_cluster: DevCluster, stand_in: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """A job whose time limit comes before its end; submitted early, looked at last."""
    folder = tmp_path_factory.mktemp("limit")
    profile = Profile(
        name="test",
        executor="slurm",
        partition="main",
        mem_gb=0.25,
        time_min=1,
        signal_lead_s=20,
        poll_min_s=0.5,
        poll_max_s=2,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(main_cluster.conf))
        cluster = SlurmCluster(profile, folder)
        text = '{"folder": "%s", "epochs": 140, "seconds": 0.5}' % (folder / "fold")
        jobs = cluster.submit(stand_in, [text], name="limit", folder=folder)
    return cluster, jobs, folder / "fold"


@pytest.mark.usefixtures("dev", "long_job")
def test_an_array_of_sixty_over_four_nodes_keeps_its_throttle(
    profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    cluster = SlurmCluster(profile.model_copy(update={"array_throttle": 10}), tmp_path)
    mine = folds(60, epochs=2)
    jobs = cluster.submit(stand_in, texts(mine, 0.5), name="sixty", folder=tmp_path)
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert all(fold.done_exactly_once() and fold.attempts() == 1 for fold in mine)
    spans = [(fold.lines()[0]["at"], fold.lines()[-1]["at"]) for fold in mine]
    at_once = [sum(begin <= moment <= end for begin, end in spans) for moment, _ in spans]
    assert 8 <= max(at_once) <= 10
    assert len({report.node for report in reports.values()}) > 1
    assert {fold.lines()[0]["gpu"] for fold in mine} <= {"0", "1", "2", "3"}
    assert cluster.costs.calls["sbatch"] == 1
    assert cluster.costs.calls["squeue"] <= 40


@pytest.mark.usefixtures("dev")
def test_nobody_shares_a_gpu(profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    mine = folds(14, epochs=4)
    jobs = cluster.submit(stand_in, texts(mine, 0.5), name="apart", folder=tmp_path)
    wait(cluster, jobs, begun(mine))
    places = [(fold.lines()[0]["node"], fold.lines()[0]["gpu"]) for fold in mine]
    assert len(set(places)) == len(places)
    wait(cluster, jobs)


@pytest.mark.usefixtures("dev")
def test_scancel_by_another_and_by_us(
    profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path, slurm: Run
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    mine = folds(3, epochs=200)
    jobs = cluster.submit(stand_in, texts(mine, 0.2), name="stopped", folder=tmp_path)
    wait(cluster, jobs, begun(mine))
    slurm("scancel", jobs[0])
    cluster.cancel([jobs[1]])
    reports = wait(cluster, jobs[:2])
    assert reports[jobs[0]].state is JobState.CANCELLED
    assert reports[jobs[1]].state is JobState.CANCELLED_BY_US
    assert SlurmCluster(profile, tmp_path).poll(jobs)[jobs[1]].state is JobState.CANCELLED_BY_US
    wait(cluster, jobs, lambda reports: reports[jobs[2]].state is JobState.RUNNING, seconds=20)
    cluster.cancel(jobs)
    wait(cluster, jobs)
    assert [fold.attempts() for fold in mine] == [1, 1, 1]


@pytest.mark.usefixtures("dev")
def test_a_requeued_job_goes_on_under_its_id(
    profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path, slurm: Run
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    mine = folds(2, epochs=30)
    jobs = cluster.submit(stand_in, texts(mine, 0.2), name="again", folder=tmp_path)
    wait(cluster, jobs, begun(mine, 3))
    slurm("scontrol", "requeue", jobs[0])
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert all(fold.done_exactly_once() for fold in mine)
    assert [fold.attempts() for fold in mine] == [2, 1]
    assert max(int(line["start"]) for line in mine[0].lines() if "start" in line) >= 3


@pytest.mark.usefixtures("dev")
def test_preempted_jobs_come_back_and_lose_nothing(
    profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path, slurm: Run
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    mine = folds(15, epochs=40)
    jobs = cluster.submit(stand_in, texts(mine, 0.2), name="yield", folder=tmp_path)
    wait(cluster, jobs, begun(mine[:12]))
    slurm("sbatch", "--partition=urgent", "--gpus-per-node=4", "--nodes=1", "--output=/dev/null", "--wrap=sleep 2")
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert all(fold.done_exactly_once() for fold in mine)
    assert sum(fold.attempts() == 2 for fold in mine) >= 2  # of a node's four, one may have been about to end


def test_a_node_that_is_cut_off_trains_on_and_spoils_nothing(
    dev: DevCluster, profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    (mine,) = folds(1, epochs=300)
    jobs = cluster.submit(stand_in, texts([mine], 0.2), name="zombie", folder=tmp_path)
    reports = wait(cluster, jobs, begun([mine], 2))
    wait(cluster, jobs, lambda reports: reports[jobs[0]].node is not None)
    node = cluster.poll(jobs)[jobs[0]].node
    assert node is not None
    dev.kill_node(node)
    reports = wait(cluster, jobs, lambda _: mine.attempts() == 2, seconds=90)
    first = [line for line in mine.lines() if line["attempt"] == 1]
    reports = wait(cluster, jobs)
    dev.start_node(node)
    assert reports[jobs[0]].state is JobState.FINISHED
    assert mine.done_exactly_once()
    first = [line for line in mine.lines() if line["attempt"] == 1]
    second = [line for line in mine.lines() if line["attempt"] == 2]
    assert "superseded" in first[-1]
    assert "end" in second[-1]
    assert first[0]["node"] != second[0]["node"]


def test_a_scheduler_that_is_away_delays_and_loses_nothing(
    dev: DevCluster, profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    mine = folds(4, epochs=40)
    jobs = cluster.submit(stand_in, texts(mine[:2], 0.2), name="before", folder=tmp_path)
    wait(cluster, jobs, begun(mine[:2]))
    wait(cluster, jobs, lambda reports: {report.state for report in reports.values()} == {JobState.RUNNING})
    dev.stop_controller()
    away = time.monotonic()
    with pytest.raises(SubmissionRefused, match="sbatch"):
        cluster.submit(stand_in, texts(mine[2:], 0.2), name="meanwhile", folder=tmp_path)
    assert cluster.room(0) == 0
    assert {report.state for report in cluster.poll(jobs).values()} == {JobState.RUNNING}
    while time.monotonic() - away < 30:
        time.sleep(0.1)
    dev.start_controller()
    end = time.monotonic() + 60
    while not cluster.room(len(jobs)):
        assert time.monotonic() < end
        time.sleep(0.1)
    jobs += cluster.submit(stand_in, texts(mine[2:], 0.2), name="after", folder=tmp_path)
    reports = wait(cluster, jobs)
    assert {report.state for report in reports.values()} == {JobState.FINISHED}
    assert all(fold.done_exactly_once() and fold.attempts() == 1 for fold in mine)


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize("form", ["90", "90:30", "1:00:00", "1:75:00", "2-12", "2-12:30", "2-12:00:01"])
def test_a_time_limit_means_to_slurm_what_it_means_here(form: str, slurm: Run) -> None:
    job = slurm("sbatch", "--parsable", "--hold", f"--time={form}", "--output=/dev/null", "--wrap=true").strip()
    try:
        told = re.search(r"TimeLimit=(?:(\d+)-)?(\d+):(\d+):(\d+)", slurm("scontrol", "show", "job", job))
    finally:
        slurm("scancel", job)
    assert told is not None
    days, hours, minutes, seconds = (int(part) for part in told.groups(default="0"))
    assert time_limit.minutes(form) == (days * 24 + hours) * 60 + minutes
    assert seconds == 0


DRIVER = """
import os, signal, sys
from pathlib import Path
from slurm import executor
from slurm.scheduler import cluster, submissions
from slurm.profile import Profile
folder, call, texts, die = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split("|"), sys.argv[4]
def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
rename = executor.utils.JobPaths.move_temporary_file
def dies_at_pickles(self, path, name, *args, **kwargs):
    killed() if name == "submitted_pickle" else rename(self, path, name, *args, **kwargs)
if die == "before sbatch":
    executor.submit_array = killed
if die == "before its id is kept":
    executor.utils.JobPaths.move_temporary_file = killed
if die == "before the pickles are placed":
    executor.utils.JobPaths.move_temporary_file = dies_at_pickles
if die == "before the record":
    submissions.Submission.with_job = killed
profile = Profile(name="x", executor="slurm", partition="main", mem_gb=0.25, time_min=10, max_array_size=4)
cluster.SlurmCluster(profile, folder).submit(call, texts, name="cut", folder=folder)
killed()
"""


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize(
    ("die", "arrays"),
    [
        ("before sbatch", 0),
        ("before its id is kept", 1),
        ("before the pickles are placed", 1),
        ("before the record", 1),
        ("after all", 2),
    ],
)
def test_a_driver_killed_while_it_submits_loses_and_doubles_nothing(
    die: str, arrays: int, profile: Profile, stand_in: str, folds: Folds, wait: Wait, tmp_path: Path
) -> None:
    mine = folds(5, epochs=2)
    words = [sys.executable, "-c", DRIVER, str(tmp_path), stand_in, "|".join(texts(mine)), die]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    cluster = SlurmCluster(profile, tmp_path)
    found = cluster.recover("cut", tmp_path)
    assert sorted(found) == [[], [0, 1, 2], [0, 1, 2, 3, 4]][arrays]
    jobs = list(found.values())
    rest = [text for index, text in enumerate(texts(mine)) if index not in found]
    if rest:
        jobs += cluster.submit(stand_in, rest, name="rest", folder=tmp_path)
    assert {report.state for report in wait(cluster, jobs).values()} == {JobState.FINISHED}
    assert all(fold.done_exactly_once() and fold.attempts() == 1 for fold in mine)


@pytest.mark.usefixtures("dev")
def test_an_impossible_request_is_rejected_with_slurms_words(
    profile: Profile, stand_in: str, folds: Folds, tmp_path: Path
) -> None:
    for change, words in (({"partition": "nowhere"}, "partition"), ({"gpus_per_pack": 9}, "not available")):
        cluster = SlurmCluster(profile.model_copy(update=change), tmp_path)
        with pytest.raises(SubmissionRejected, match=words):
            cluster.submit(stand_in, texts(folds(1)), name="never", folder=tmp_path)


def test_small_arrays_and_a_full_queue(
    start_cluster: Callable[[Shape], DevCluster],
    profile: Profile,
    stand_in: str,
    folds: Folds,
    drive: Callable[..., dict[str, JobReport]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = start_cluster(Shape(nodes=2, max_array_size=21, max_submit=30))
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    mine = folds(80, epochs=1)
    slurm = SlurmCluster(profile, tmp_path)
    assert slurm.room(0) == 20
    with pytest.raises(SubmissionRefused, match="limit"):
        slurm.submit(stand_in, texts(mine, 0.1), name="too-many", folder=tmp_path)
    assert all(fold.attempts() == 0 for fold in mine[20:])
    reports = drive(slurm, stand_in, texts(mine, 0.1), tmp_path)
    assert sum(report.state is JobState.FINISHED for report in reports.values()) == 80
    assert all(fold.ended() == 1 for fold in mine)
    cluster.end()


def test_without_accounting(
    start_cluster: Callable[[Shape], DevCluster],
    profile: Profile,
    stand_in: str,
    folds: Folds,
    wait: Wait,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slurm: Run,
) -> None:
    cluster = start_cluster(Shape(nodes=1, accounting=False, settings={"MinJobAge": "2"}))
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    runner = SlurmCluster(profile, tmp_path)
    mine = folds(3, epochs=3)
    jobs = runner.submit(stand_in, [*texts(mine[:1]), mine[1].text(60.0), "not a task"], name="quiet", folder=tmp_path)
    wait(runner, jobs, lambda reports: reports[jobs[0]].state.over)
    wait(runner, jobs, lambda _: mine[1].attempts() == 1)
    slurm("scancel", jobs[1])
    end = time.monotonic() + 60
    while slurm("squeue", "--noheader", "--states=all").strip():
        assert time.monotonic() < end
        time.sleep(0.5)
    late = SlurmCluster(profile, tmp_path)
    reports = wait(late, jobs)
    assert reports[jobs[0]].state is JobState.FINISHED
    assert reports[jobs[1]].state is JobState.FAILED
    assert "no longer knows" in reports[jobs[1]].reason
    assert reports[jobs[2]].state is JobState.FAILED
    assert "JSONDecodeError" in reports[jobs[2]].reason
    assert late.costs.calls["sacct"] == 1
    cluster.end()


def test_the_time_limit_ends_in_a_resumed_job(
    dev: DevCluster, long_job: tuple[Any, ...], wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, jobs, folder = long_job
    report = wait(cluster, jobs, seconds=200)[jobs[0]]
    assert report.state is JobState.FINISHED, clusters.log(jobs[0], folder.parent).read_text()
    attempts = sorted(folder.glob("attempt-*"))
    assert len(attempts) >= 2
    assert f'"interrupted": [{int(signal.SIGUSR2)}' in (attempts[0] / "journal.jsonl").read_text()


def test_a_cluster_is_up_soon_and_leaves_no_process_and_anothers_files_alone(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    in_use = tmp_path / "#sql-temptable-1-1-1.MAD"  # as another MariaDB's, which is being set up beside this one
    in_use.touch()
    code = """
import json, sys, time
from pathlib import Path
from slurm.dev import cluster as devcluster
from slurm.dev import daemons
begin = time.monotonic()
cluster = devcluster.up(nodes=2, gpus_per_node=2, folder=Path(sys.argv[1]))
print(json.dumps([time.monotonic() - begin, cluster.status().nodes]))
"""
    folder = tmp_path_factory.mktemp("up") / "c"
    words = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    up = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert in_use.exists()
    seconds, nodes = json.loads(up.stdout)
    assert seconds < 20
    assert nodes == {"gpu1": "idle", "gpu2": "idle"}
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run(
        ["sbatch", "--output=/dev/null", "--wrap=sleep 600"], env=environment, check=True, capture_output=True
    )
    with pytest.raises(devcluster.DevClusterError, match="already"):
        devcluster.up(folder=folder)
    assert devcluster.status(folder).running
    devcluster.down(folder)
    assert list(processes.with_variable(daemons.MARK, str(folder))) == []
    assert not folder.exists()
    with pytest.raises(devcluster.DevClusterError, match="cluster up"):
        devcluster.status(folder)
