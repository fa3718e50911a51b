"""What sbatch says of a script is asked without sending it, and told by ``check``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm import profile as profiles
from slurm.scheduler.rehearsal import rehearse
from slurm.testing import FakeSlurm
from sweeps.errors import StudyError
from sweeps.study.shipped import find
from sweeps.view import preview


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    slurm = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm.install()}:{os.environ['PATH']}")
    return slurm


def test_nothing_is_submitted(fake: FakeSlurm) -> None:
    answer = rehearse(["#!/bin/bash\n#SBATCH --time=60\n"])
    assert answer is not None
    assert not answer.refused
    assert "to start at" in answer.words
    assert fake.jobs() == {}
    assert fake.calls("sbatch")[0][0] == "--test-only"


def test_without_sbatch_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rehearse(["#!/bin/bash\n"]) is None


def test_check_shows_the_answer_and_refuses_what_sbatch_refuses(fake: FakeSlurm) -> None:
    example = profiles.load("example-gpu")
    shown = preview.submission(find("smoke"), example)
    for partition in ("gpu", "gpu-long"):
        assert f"sbatch --test-only for partition {partition}: Job 100 to start at" in shown
    assert len(fake.calls("sbatch")) == 2, "one for each partition"
    fake.refuse("sbatch", "sbatch: error: Batch job submission failed: Invalid qos specification")
    refused = r"profile example-gpu: sbatch --test-only refuses this for partition gpu: .*Invalid qos"
    with pytest.raises(StudyError, match=refused):
        preview.submission(find("smoke"), example)
    fake.refuse("sbatch", "sbatch: error: Unable to contact slurm controller (connect failure)")
    assert "sbatch --test-only for partition gpu: Unable to contact slurm controller" in preview.submission(
        find("smoke"), example
    )


def test_check_shows_what_packs_get_otherwise_in_each_partition(tmp_path: Path, fake: FakeSlurm) -> None:
    lab = tmp_path / "lab.yaml"
    cpu = "{name: cpu, gpus_per_pack: 0, cpus_per_pack: 9, mem_per_cpu_gb: 2}"
    lab.write_text(f"executor: slurm\ntime: 60\npartitions: [{{name: gpu, gpu_type: a100}}, {cpu}]\n")
    shown = preview.submission(find("smoke"), profiles.load(lab))
    instead = shown.partition("in partition cpu instead:\n")[2]
    for line in ("- #SBATCH --gpus-per-node=a100:1", "+ #SBATCH --mem-per-cpu=2048M", "+ #SBATCH --cpus-per-task=9"):
        assert f"  {line}\n" in instead
    assert "--job-name" not in instead
    assert "srun" not in instead.partition("sbatch --test-only")[0]
    assert [call for call in fake.calls("sbatch") if "--test-only" in call][1:], "the other partition's is tried, too"
