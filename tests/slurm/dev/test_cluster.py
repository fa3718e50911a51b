"""What the development cluster says when it cannot start; that it does start is for the tests on a real one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from slurm.dev import cluster, config
from slurm.dev.cluster import Shape
from slurm.errors import DevClusterError


def test_missing_packages_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevClusterError, match="apt-get install mariadb-server munge slurm-wlm slurmdbd"):
        cluster.up(folder=tmp_path / "c")
    assert cluster.missing_packages(Shape(accounting=False)) == ["munge", "slurm-wlm"]
    assert not (tmp_path / "c").exists()


def test_folders_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "missing_packages", lambda shape: [])
    (tmp_path / "mine").write_text("keep")
    with tempfile.TemporaryDirectory(prefix="mine-") as short:
        (Path(short) / "mine").write_text("keep")
        with pytest.raises(DevClusterError, match="not empty"):
            cluster.up(folder=Path(short))
        assert (Path(short) / "mine").read_text() == "keep"
    with pytest.raises(DevClusterError, match="too long"):
        cluster.up(folder=tmp_path / ("x" * 90))
    with pytest.raises(DevClusterError, match="needs accounting"):
        cluster.up(folder=tmp_path / "c", shape=Shape(accounting=False, max_submit=3))
    for act in (cluster.status, cluster.down):
        with pytest.raises(DevClusterError, match="no development cluster"):
            act(tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"


def test_free_ports_differ() -> None:
    assert len(set(config.free_ports(20))) == 20
