"""What a worker's job was given: from Slurm's variables, the cores it may use, and what nvidia-smi says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm.pool import devices, time_left
from slurm.pool.child import Answer
from slurm.pool.endings import ending
from slurm.pool.tickets import Ended, Pool, Ticket, ends

SMI = """#!/bin/sh
case "$*" in
  *query-gpu=index*) printf '0\\n1\\n2\\n3\\n' ;;
  *query-gpu=name*--id=0,1*) printf 'NVIDIA H100 80GB HBM3, 81559\\nNVIDIA H100 80GB HBM3, 81559\\n' ;;
  *query-gpu=name*--id=2*) printf 'NVIDIA H100 PCIe, [N/A]\\n' ;;
  *memory.used*--id=0,1,2,3*) printf '4000, 81559\\n10, 81559\\n70000, 81559\\n0, 81559\\n' ;;
  *) echo "No devices were found"; exit 6 ;;
esac
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with 16 cores and four GPUs."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return monkeypatch


def found(**given):
    return [(each.name, each.gpus, each.cores) for each in devices.found(**{"cpus": 1, "most": None, **given})]


def test_gpus_come_in_groups_with_their_share_of_the_cores(node):
    assert found(gpus=1)[1] == ("1", ("1",), (4, 5, 6, 7))
    assert found(gpus=2) == [("0,1", ("0", "1"), tuple(range(8))), ("2,3", ("2", "3"), tuple(range(8, 16)))]
    node.setenv("CUDA_VISIBLE_DEVICES", "GPU-a1,MIG-b2,3")
    assert [each[0] for each in found(gpus=1)] == ["GPU-a1", "MIG-b2", "3"]
    assert [each[0] for each in found(gpus=2)] == ["GPU-a1,MIG-b2"]
    assert [each[0] for each in found(gpus=1, most=2)] == ["GPU-a1", "MIG-b2"]
    node.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    with pytest.raises(RuntimeError, match=r"need 1 GPU each and this job sees 0 .*NoDevFiles.*gpus_per_pack: 0"):
        found(gpus=1)


def test_cores_come_in_groups_and_those_of_others_are_left_alone(node):
    assert found(gpus=0, cpus=6) == [
        ("cores 0-5", (), tuple(range(6))),
        ("cores 6-11", (), tuple(range(6, 12))),
    ]
    assert len(found(gpus=0, cpus=64)) == 1
    node.setenv("SLURM_CPUS_PER_TASK", "4")  # of 16 that nothing keeps us from
    assert found(gpus=0, cpus=2) == [("2 cores (1)", (), ()), ("2 cores (2)", (), ())]
    assert found(gpus=1)[0][2] == ()
    node.setenv("SLURM_CPUS_PER_TASK", "64")  # a node that claims more than it has
    assert len(found(gpus=0)) == 16
    assert found(gpus=0, cpus=2, most=1) == [("2 cores (1)", (), ())]
    node.setattr(os, "sched_getaffinity", lambda pid: {1, 2, 5})
    node.delenv("SLURM_CPUS_PER_TASK")
    assert found(gpus=0, cpus=3)[0][0] == "cores 1-2,5"


def test_kinds_and_memory_are_as_the_driver_of_the_gpu_says(node, tmp_path):
    group = devices.found(gpus=2, cpus=1, most=None)
    assert devices.kind(group[0]) == "2 x NVIDIA H100 80GB HBM3, 81559"
    assert devices.kind(devices.found(gpus=1, cpus=1, most=None)[2]) == "1 x GPU"  # it does not tell all
    assert devices.memory(group, []) == (70000, 81559)
    node.setenv("PATH", str(tmp_path))
    assert devices.memory(group, []) is None
    assert devices.kind(group[0]) == "2 x GPU"


def test_memory_of_cores_is_what_the_processes_have_of_what_the_job_may_have(node):
    cores = devices.found(gpus=0, cpus=2, most=None)
    node.setenv("SLURM_MEM_PER_NODE", "300")
    used, there = devices.memory(cores, [os.getpid(), 2**22 + 1])
    assert 5 < used < 20000
    assert there == 300
    assert devices.memory(cores, [2**22 + 1]) is None
    assert "2 cores of" in devices.kind(cores[0])


def test_mps_is_used_where_its_daemon_runs(node, tmp_path):
    node.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert "no MPS here" in devices.mps()
    os.mkfifo(tmp_path / "control")
    assert devices.mps() == f"MPS runs here ({tmp_path}): GPUs are shared through it"


def test_the_end_of_the_job_is_slurms_word_else_the_limit(monkeypatch):
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_START_TIME", "SUBMITIT_EXECUTOR", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert time_left.of_this_job(limit_s=None, lead_s=5, now=1000.0).allows(1e9, 1e9, fresh=False)
    plain = time_left.of_this_job(limit_s=100, lead_s=10, now=1000.0)
    assert (plain.since, plain.until, plain.warned_at) == (1000, 1100, 1090)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_START_TIME", "400")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "4000")
    job = time_left.of_this_job(limit_s=100, lead_s=10, now=1000.0)
    assert (job.since, job.until, job.warned_at) == (400, 4000, 3930)  # Slurm warns up to a minute early
    assert job.allows(100, 3830, fresh=False)
    assert not job.allows(101, 3830, fresh=True)
    assert job.allows(5000, 1000, fresh=True)  # no job would have time enough
    assert not job.allows(5000, 1000, fresh=False)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")  # a driver inside a job: Slurm's word is not of this one
    assert time_left.of_this_job(limit_s=100, lead_s=10, now=1000.0).until < 4000


@pytest.mark.parametrize(
    ("answer", "given", "state", "words"),
    [
        (Answer(text='{"interrupted": false}'), {}, "finished", ""),
        (Answer(text="no json"), {"told": True}, "finished", ""),
        (Answer(text='{"interrupted": true, "folds": 1}'), {"told": True}, "timed out", "and saved"),
        (Answer(text='{"interrupted": true}'), {"told": True}, None, "before it had begun"),
        (Answer(text='{"interrupted": true}'), {}, "timed out", "and saved"),
        (Answer(text='{"interrupted": true}'), {"told": True, "cancelled": True}, "cancelled by us", ""),
        (Answer(text='{"crowded": true}'), {"may_share": True}, None, "short of the device's memory"),
        (Answer(text='{"crowded": true}'), {}, "out of memory", "larger GPU"),
        (Answer(text=None, error="MemoryError", out_of_memory=True), {"may_share": True}, None, "MemoryError"),
        (Answer(text=None, error="MemoryError", out_of_memory=True), {}, "failed", "MemoryError"),
        (Answer(text=None, error="killed by signal 9", killed=True), {"cancelled": True}, "cancelled by us", ""),
        (Answer(text=None, error="killed by signal 9", killed=True), {"overdue": "late"}, "timed out", "late"),
    ],
)
def test_each_end_has_its_state(answer, given, state, words):
    said = ending(answer, **{"may_share": False, **given})
    assert (said.state.value if said.state else None) == state
    assert words in said.reason
    assert said.crowded == (state is None and not given.get("told", False))


def test_an_end_that_was_torn_is_passed_over_and_said_again(tmp_path: Path):
    pool = Pool(tmp_path)
    pool.make()
    run = pool.join("w")
    pool.put(Ticket(number=0, job="j.0", call="a:b", text='{"least_s": 3}', log=""))
    ticket = pool.take(pool.open_files()[0], run)
    assert ticket.least_s == 3
    file = tmp_path / "ended" / f"{run}.jsonl"
    file.write_bytes(b'{"schema": 1, "job": "j.0", "sta')
    assert ends(file) == ([], 0)
    pool.end(Ended(job="j.0", state="finished"), run, ticket.file)
    pool.end(Ended(job="j.1", state="failed"), run, "none")
    found, offset = ends(file)
    assert [each.job for each in found] == ["j.0", "j.1"]
    assert ends(file, offset) == ([], offset)
    assert pool.taken_files() == {}
