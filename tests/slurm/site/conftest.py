"""A fake site by its name, on a machine that has nothing else of Slurm."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.testing import FakeSlurm

SITES = Path(__file__).parent / "sites"
PROGRAMS = ("bash", "sh", "env", "cat", "uname", "hostname", "ldconfig", "git")
"""What the fake machines have beside Slurm: this one's PATH may have a Slurm of its own."""


@pytest.fixture
def be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FakeSlurm]:
    def be(name: str) -> FakeSlurm:
        fake = FakeSlurm(tmp_path / "slurm")
        bare = tmp_path / "bin"
        bare.mkdir()
        for program in PROGRAMS:
            if (found := shutil.which(program)) is not None:
                (bare / program).symlink_to(found)
        monkeypatch.setenv("PATH", f"{fake.install()}:{bare}")
        monkeypatch.chdir(tmp_path)
        fake.be(SITES / name)
        return fake

    return be
