"""A disk that is full at any one write of the driver: it ends with the system's word, and the next one goes on to the
same end; nothing half written is taken for whole."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.stand_in import StandIn
from sweeps.study.reading import load
from sweeps.testing import decisions, numbers

EVERY = int(os.environ.get("ACTSWEEP_FULL_DISK_EVERY", "5"))
"""Of the writes, which are tried; 1: all."""
STUDY = """
name: pretended
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
search: {algorithm: random, samples: 2, folds: 1}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""


class Disk:
    """Counts what is forced to disk, and is full at one of those calls: half of what was written is there then."""

    def __init__(self, full_at: int | None) -> None:
        self.calls, self._full_at, self._fsync = 0, full_at, os.fsync

    def fsync(self, descriptor: int) -> None:
        self.calls += 1
        if self.calls == self._full_at:
            file = Path(f"/proc/self/fd/{descriptor}").readlink()
            os.truncate(file, file.stat().st_size // 2 if file.name != ledger.FILE else file.stat().st_size - 9)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        self._fsync(descriptor)


def driven(path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", disk.fsync)
        study = load(STUDY)
        session.make(study, path, ["test"])
        node = Node(data_root=None, scratch=None, code="")
        driver = Driver(path, study, StandIn(4), None, node)
        try:
            driver.mend()
            for _ in range(50):
                driver.tick()
                if driver.done:
                    return
        finally:
            driver.close()
    pytest.fail("not finished")


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_write_costs_nothing_but_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = Disk(None)
    driven(tmp_path / "calm", calm, monkeypatch)
    for full_at in range(1, calm.calls + 1, EVERY):
        path = tmp_path / f"full-{full_at}"
        with contextlib.suppress(OSError):  # what nothing rests on may be left out
            driven(path, Disk(full_at), monkeypatch)
        driven(path, Disk(None), monkeypatch)
        assert numbers(path) == numbers(tmp_path / "calm"), full_at
        assert decisions(path) == decisions(tmp_path / "calm"), full_at
        assert not [file for file in path.rglob(".*") if file.name.startswith(".") and file.is_file()], full_at
    assert calm.calls > 30
