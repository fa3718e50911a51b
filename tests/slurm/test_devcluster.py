"""What the development cluster says when it cannot start; that it does start is for the tests on a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm import devcluster, devconf
from slurm.devcluster import Shape
from slurm.errors import DevClusterError


def test_missing_packages_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devconf, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevClusterError, match="apt-get install mariadb-server munge slurm-wlm slurmdbd"):
        devcluster.up(folder=tmp_path / "c")
    assert devcluster.missing_packages(Shape(accounting=False)) == ["munge", "slurm-wlm"]
    assert not (tmp_path / "c").exists()


def test_folders_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devcluster, "missing_packages", lambda shape: [])
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(DevClusterError, match="not empty"):
        devcluster.up(folder=tmp_path)
    with pytest.raises(DevClusterError, match="too long"):
        devcluster.up(folder=tmp_path / ("x" * 90))
    with pytest.raises(DevClusterError, match="needs accounting"):
        devcluster.up(folder=tmp_path / "c", shape=Shape(accounting=False, max_submit=3))
    for act in (devcluster.status, devcluster.down):
        with pytest.raises(DevClusterError, match="no development cluster"):
            act(tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"


def test_free_ports_differ() -> None:
    assert len(set(devconf.free_ports(20))) == 20
