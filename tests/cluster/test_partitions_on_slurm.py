"""A real Slurm gives packs in each partition what that partition says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.dev.cluster import DevCluster
from slurm.jobs import JobReport
from slurm.profile import parse
from slurm.scheduler import rehearsal
from slurm.scheduler.cluster import SlurmCluster

pytestmark = pytest.mark.cluster

MIXED = """
executor: slurm
time: 5
gpus_per_pack: 1
mem_gb: 0.25
setup: [export SET=profile]
environment: {MINE: profile}
poll_min_s: 0.5
poll_max_s: 2
partitions:
  - {name: main, max_jobs: 1}
  - name: urgent
    gpus_per_pack: 0
    cpus_per_pack: 2
    mem_gb: null
    mem_per_cpu_gb: 0.25
    exclude: [gpu1]
    setup: [export SET=partition]
    environment: {MINE: partition}
"""
TOLD = """
import json, os
from pathlib import Path
NAMES = ("ACTSWEEP_DEVICE", "CUDA_VISIBLE_DEVICES", "SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS", "SLURM_JOB_PARTITION",
         "SLURM_MEM_PER_CPU", "SLURM_MEM_PER_NODE", "SLURMD_NODENAME", "SET", "MINE")

def tell(text):
    Path(text).write_text(json.dumps({name: os.environ.get(name, "") for name in NAMES}))
    return "{}"
"""


def test_gpus_cores_memory_and_setup_are_each_partitions_own(
    dev: DevCluster, wait: Callable[..., dict[str, JobReport]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "told_here.py").write_text(TOLD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    mixed = parse(MIXED, source="mixed.yaml")
    for script in rehearsal.scripts(mixed, name="x", folder=tmp_path).values():
        answer = rehearsal.rehearse([script])
        assert answer is not None
        assert not answer.refused, answer.words
    cluster = SlurmCluster(mixed, tmp_path / "jobs")
    texts = [str(tmp_path / "on-gpu"), str(tmp_path / "on-cpu")]
    jobs = cluster.submit("told_here:tell", texts, name="both", folder=tmp_path / "jobs")
    wait(cluster, jobs)
    gpu, cpu = (json.loads(Path(text).read_text()) for text in texts)
    assert (gpu["SLURM_JOB_PARTITION"], cpu["SLURM_JOB_PARTITION"]) == ("main", "urgent")
    assert (gpu["ACTSWEEP_DEVICE"], cpu["ACTSWEEP_DEVICE"]) == ("cuda", "cpu")
    assert gpu["CUDA_VISIBLE_DEVICES"] != ""
    assert cpu["CUDA_VISIBLE_DEVICES"] == ""
    assert (gpu["SLURM_CPUS_PER_TASK"], cpu["SLURM_CPUS_PER_TASK"]) == ("1", "2")
    assert (gpu["OMP_NUM_THREADS"], cpu["OMP_NUM_THREADS"]) == ("1", "2")
    assert (gpu["SLURM_MEM_PER_NODE"], cpu["SLURM_MEM_PER_CPU"]) == ("256", "256")
    assert (gpu["SET"], gpu["MINE"]) == ("profile", "profile")
    assert (cpu["SET"], cpu["MINE"]) == ("partition", "partition")
    assert cpu["SLURMD_NODENAME"] != "gpu1"
