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
    assert "sbatch --test-only: Job 100 to start at" in preview.submission(find("smoke"), example)
    assert len(fake.calls("sbatch")) == 2, "one for each partition"
    fake.refuse("sbatch", "sbatch: error: Batch job submission failed: Invalid qos specification")
    with pytest.raises(StudyError, match=r"profile example-gpu: sbatch --test-only refuses this: .*Invalid qos"):
        preview.submission(find("smoke"), example)
    fake.refuse("sbatch", "sbatch: error: Unable to contact slurm controller (connect failure)")
    assert "sbatch --test-only: Unable to contact slurm controller" in preview.submission(find("smoke"), example)
