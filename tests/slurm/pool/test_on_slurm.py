"""Workers as jobs of a Slurm that is a fake: what it is asked for, and how often."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from slurm.clusters import open_cluster
from slurm.jobs import JobState
from slurm.pool import outfit, place
from slurm.pool.cluster import PoolCluster
from slurm.pool.testing import Inner, Run
from slurm.pool.tickets import Pool
from slurm.profile import parse
from slurm.scheduler.cluster import SlurmCluster, render
from slurm.testing import FakeSlurm

HEAD = "executor: slurm\ntime: 60\npoll_min_s: 0.01\npoll_max_s: 0.02\n"
NODES = HEAD + "jobs: node\ngpus_per_node: 4\nslots_per_gpu: 2\ncpus_per_pack: 2\nmem_gb: 3\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    return fake


def calls(fake: FakeSlurm, command: str) -> int:
    with fake.state() as state:
        return sum(call[0] == command for call in state["calls"])


def worked(pool: Pool, works: dict[str, str]) -> None:
    """The workers of these jobs run all that is open, four GPUs at a time."""
    inner = Inner()
    for job, worker in works.items():
        inner.works[job] = {"worker": worker, "pool": str(pool.folder)}
        inner.jobs[job] = JobState.RUNNING
        run = Run(inner, job, devices=4, slots=2)
        for ticket in list(run.take()):
            run.end(ticket)
        run.tell("idle")


def test_two_whole_nodes_cost_one_sbatch_and_a_fraction_of_the_questions(fake: FakeSlurm, tmp_path: Path) -> None:
    profile = parse(NODES, source="site.yaml")
    jobs = tmp_path / "jobs"
    cluster = open_cluster(profile, jobs)
    assert isinstance(cluster, PoolCluster)
    ids = cluster.submit("trainer.entry:run", ["{}"] * 16, name="s.1.0.x", folder=jobs)
    assert calls(fake, "sbatch") == 1
    assert len(fake.jobs()) == 2
    for job in fake.jobs():
        fake.put(job, "RUNNING", node="n1")
    live = {sent.job: sent.worker for sent in cluster._fleet.live.values() if sent.job}
    assert live.keys() == fake.jobs().keys()
    assert {report.state for report in cluster.poll(ids).values()} == {JobState.PENDING}
    worked(Pool(place.folder(jobs)), live)
    asked = calls(fake, "squeue")
    assert {report.state for report in cluster.poll(ids).values()} == {JobState.FINISHED}
    assert calls(fake, "squeue") <= asked + 1  # for all of them, and the workers alone
    assert calls(fake, "sbatch") == 1
    assert calls(fake, "sacct") == 0
    again = open_cluster(profile, jobs)
    assert {report.state for report in again.poll(ids).values()} == {JobState.FINISHED}
    one_each = open_cluster(profile.for_one_pack(), tmp_path / "others")
    assert isinstance(one_each, SlurmCluster)


def test_a_worker_asks_for_what_its_packs_need_together_and_gives_each_its_own_threads(tmp_path: Path) -> None:
    profile = parse(NODES, source="site.yaml")
    (script,) = render(outfit.for_worker(profile), 1, name="x", folder=tmp_path).scripts
    assert "#SBATCH --gpus-per-node=4\n" in script
    assert "#SBATCH --cpus-per-task=16\n" in script
    assert "--cpus-per-task=16 " in script.splitlines()[-1]
    assert f"#SBATCH --mem={8 * 3 * 1024}M\n" in script
    assert "export OMP_NUM_THREADS=2\n" in script
    told = outfit.work(profile, pool="/p", worker="w", preload="trainer.entry")
    assert (told.gpus_per_ticket, told.cpus_per_ticket, told.slots, told.devices) == (1, 2, 2, 4)
    assert (told.limit_s, told.lead_s, told.reserve_s) == (3600.0, 120.0, outfit.RESERVE_S)


def test_a_node_of_which_nobody_says_how_many_cores_it_has_is_asked_for_whole(tmp_path: Path) -> None:
    profile = parse(HEAD + "jobs: node\ngpus_per_pack: 0\ncpus_per_pack: 2\n", source="site.yaml")
    (script,) = render(outfit.for_worker(profile), 1, name="x", folder=tmp_path).scripts
    assert "#SBATCH --exclusive\n" in script
    assert "#SBATCH --mem=0M\n" in script
    assert "gpus" not in script
    assert "--cpus-per-task" not in script.splitlines()[-1]  # the step would have two cores of the node
    assert "SRUN_CPUS_PER_TASK=$SLURM_CPUS_ON_NODE" in script


SHARED = [
    ("slots_per_gpu: 2\ncpus_per_pack: 3\nmem_gb: 5\n", "--cpus-per-task=6", "--mem=10240M"),
    ("jobs: pilot\ncpus_per_pack: 3\nmem_gb: 5\n", "--cpus-per-task=3", "--mem=5120M"),
    ("slots_per_gpu: 2\ngpus_per_pack: 0\ncpus_per_pack: 3\nmem_gb: 5\n", "--cpus-per-task=3", "--mem=10240M"),
    ("jobs: node\ngpus_per_node: 4\nmem_per_cpu_gb: 2\ncpus_per_node: 64\n", "--cpus-per-task=64", "--mem-per-cpu"),
    ("jobs: node\ngpus_per_node: 4\nmem_per_node_gb: 100\n", "--cpus-per-task=4", "--mem=102400M"),
]


@pytest.mark.parametrize(("text", "cores", "memory"), SHARED)
def test_packs_that_share_a_job_have_its_memory_together(tmp_path: Path, text: str, cores: str, memory: str) -> None:
    (script,) = render(outfit.for_worker(parse(HEAD + text, source="x")), 1, name="x", folder=tmp_path).scripts
    assert re.search(rf"#SBATCH {cores}\n", script)
    assert f"#SBATCH {memory}" in script


def test_threads_that_the_profile_names_are_those_of_each_pack() -> None:
    profile = parse(NODES + "environment: {OMP_NUM_THREADS: '5'}\n", source="x")
    assert outfit.work(profile, pool="/p", worker="w", preload="m").environment == {"OMP_NUM_THREADS": "5"}
