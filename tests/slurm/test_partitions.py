"""What a partition says stands in the place of what the profile says, everywhere where packs get anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slurm.pool import outfit
from slurm.profile import DEVICE_VARIABLE, Profile, parse
from slurm.profile_sections import Partition
from slurm.scheduler import rehearsal
from slurm.scheduler.cluster import SlurmCluster
from slurm.testing import FakeSlurm
from trainer import device

MIXED = """
executor: slurm
time: 60
qos: normal
constraint: a100|h100
gpus_per_pack: 2
gpu_type: a100
gres: [lscratch:50]
exclude: [gpu7]
cpus_per_pack: 8
mem_per_gpu_gb: 20
setup: [module load cuda]
environment: {MINE: one, ALL: same}
sbatch: {exclusive: true, mail-type: FAIL}
price_per_gpu_hour: 2.5
partitions:
  - {name: gpu}
  - {name: old, gpu_type: v100, gpus_per_pack: 1, constraint: null, gres: [], time: 2-0, qos: null}
  - name: cpu
    gpus_per_pack: 0
    constraint: null
    cpus_per_pack: 4
    mem_per_cpu_gb: 1.5
    exclude: [n1, n2]
    setup: [module load python]
    environment: {MINE: two}
    sbatch: {exclusive: false, nice: 5}
    price_per_gpu_hour: 0.1
"""


def read(text: str) -> Profile:
    return parse(text, source="lab.yaml")


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, str]:
    return rehearsal.scripts(read(MIXED), name="x", folder=tmp_path)


def options(script: str) -> set[str]:
    return set(re.findall(r"#SBATCH (--.*)", script))


def test_each_partition_gets_what_it_says_and_else_what_the_profile_says(scripts: dict[str, str]) -> None:
    gpu, old, cpu = (options(scripts[name]) for name in ("gpu", "old", "cpu"))
    assert {"--gpus-per-node=a100:2", "--constraint='a100|h100'", "--mem-per-gpu=20480M", "--exclude=gpu7"} <= gpu
    assert {"--qos=normal", "--time=60", "--gres=lscratch:50", "--cpus-per-task=8", "--exclusive"} <= gpu
    assert {"--gpus-per-node=v100:1", "--mem-per-gpu=20480M", "--time=2880", "--exclude=gpu7"} <= old
    assert {"--mem-per-cpu=1536M", "--exclude=n1,n2", "--cpus-per-task=4", "--nice=5", "--mail-type=FAIL"} <= cpu


def test_null_and_an_empty_list_take_away_what_the_profile_says(scripts: dict[str, str]) -> None:
    assert not re.search(r"--(constraint|gres|qos)", scripts["old"])
    assert not re.search(r"SBATCH --(constraint|gpus|exclusive|mem-per-gpu)", scripts["cpu"])


def test_setup_is_instead_of_the_profiles_and_the_environment_over_it(scripts: dict[str, str]) -> None:
    cpu = scripts["cpu"]
    assert "module load python" in cpu
    assert "module load cuda" not in cpu
    assert "export MINE=two\n" in cpu
    assert "export ALL=same\n" in cpu
    assert "export OMP_NUM_THREADS=4\n" in cpu
    assert "module load cuda" in scripts["old"]


def test_every_key_of_a_partition_is_a_key_of_the_profile_of_the_same_kind() -> None:
    for name, field in Partition.model_fields.items():
        if name not in ("name", "share", "max_jobs"):
            own = Profile.model_fields[name]
            assert (own.annotation, own.metadata) == (field.annotation, field.metadata), name


def test_a_pack_trains_where_its_partition_has_gpus_or_not_at_all(
    scripts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = read(MIXED)
    assert mixed.device_for("auto") == "auto", "the text is the same wherever it lands"
    assert f"export {DEVICE_VARIABLE}=cuda\n" in scripts["gpu"]
    assert f"export {DEVICE_VARIABLE}=cpu\n" in scripts["cpu"]
    assert device.VARIABLE == DEVICE_VARIABLE
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv(DEVICE_VARIABLE, "cuda")
    with pytest.raises(RuntimeError, match="torch finds none here"):
        device.choose("auto")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    assert device.choose("auto").type == "cpu"
    monkeypatch.setenv(DEVICE_VARIABLE, "tpu")
    with pytest.raises(RuntimeError, match="ACTSWEEP_DEVICE: got 'tpu', accepts auto, cpu or cuda"):
        device.choose("auto")


def test_where_all_partitions_are_alike_the_texts_say_the_device() -> None:
    both = read(
        "executor: slurm\ntime: 60\ngpus_per_pack: 0\n"
        "partitions: [{name: a, gpus_per_pack: 1}, {name: b, gpus_per_pack: 2}]\n"
    )
    assert both.device_for("auto") == "cuda"
    assert DEVICE_VARIABLE not in both.at("a").environment
    said = read(MIXED.replace("time: 60", "time: 60\ndevice: auto"))
    assert DEVICE_VARIABLE not in said.at("gpu").environment, "the CPU will do, the profile says"


def test_what_ran_out_of_memory_is_told_by_its_own_partition(tmp_path: Path) -> None:
    mixed = read(MIXED)
    assert mixed.out_of_memory("gpu") == (
        "it was given 40 GB; raise mem_per_gpu_gb in the profile, or give a pack fewer folds"
    )
    assert mixed.out_of_memory("cpu").startswith("it was given 6 GB; raise partitions[2].mem_per_cpu_gb in the profile")
    assert (
        read("executor: slurm\ntime: 9\nmem_gb: 3\npartitions: [{name: a, mem_gb: null}]\n")
        .out_of_memory("a")
        .startswith("it used more than the site gives a job; raise partitions[0].mem_gb")
    )


def test_the_scheduler_is_told_and_asked_by_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:/usr/bin:/bin")
    partitions = "partitions: [{name: a, max_jobs: 1}, {name: b, mem_gb: 3}]"
    text = f"executor: slurm\ntime: 9\nmem_gb: 1\npoll_min_s: 1\n{partitions}\n"
    times = iter(range(0, 10_000, 50))
    cluster = SlurmCluster(read(text), tmp_path / "jobs", now=lambda: float(next(times)))
    first, second = cluster.submit("m:f", ["1", "2"], name="n", folder=tmp_path / "jobs")
    for job in (first, second):
        fake.put(job, "OUT_OF_MEMORY")
    reports = cluster.poll([first, second])
    assert reports[first].reason.startswith("it was given 1 GB; raise mem_gb")
    assert reports[second].reason.startswith("it was given 3 GB; raise partitions[1].mem_gb")


def test_the_drivers_job_takes_nothing_of_a_partitions_packs(tmp_path: Path) -> None:
    driver = read(MIXED).for_driver()
    assert (driver.partition, driver.gpus_per_pack, driver.setup) == ("gpu", 0, ("module load cuda",))
    assert DEVICE_VARIABLE not in driver.environment


def test_jobs_that_hold_several_packs_get_what_their_partition_says(tmp_path: Path) -> None:
    node = read(
        "executor: slurm\ntime: 60\njobs: node\ngpus_per_node: 4\ncpus_per_pack: 2\nmem_gb: 10\n"
        "setup: [module load a]\n"
        "partitions:\n  - {name: new, gpu_type: h100}\n"
        "  - {name: old, gpu_type: a100, mem_per_cpu_gb: 3, constraint: big, setup: [module load b]}\n"
    )
    found = rehearsal.scripts(outfit.for_worker(node), name="x", folder=tmp_path)
    assert {"--gpus-per-node=h100:4", "--cpus-per-task=8", "--mem=40960M"} <= options(found["new"])
    assert {"--gpus-per-node=a100:4", "--cpus-per-task=8", "--mem-per-cpu=3072M", "--constraint=big"} <= options(
        found["old"]
    )
    assert "module load b" in found["old"]
    assert "export OMP_NUM_THREADS=2\n" in found["old"], "of a pack"
