"""What a whole study costs the scheduler, in calls: a number that may only fall."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from slurm.clusters import open_cluster
from slurm.profile import load as load_profile
from slurm.testing import FakeSlurm
from sweeps.driver import accounted, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.study import shipped
from sweeps.study.reading import load

STUDY = """
name: counted
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
activations: [relu, dsrelu]
"""
PROFILE = "executor: slurm\npartition: gpu\ntime: 60\npoll_min_s: 0.001\npoll_max_s: 0.002\n"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["22.05.8", "24.11.5"])
def test_a_study_asks_no_more_than_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """One sbatch for all its packs; one squeue a poll, for states, reasons and expected starts together; no sacct while
    it runs, and one for all its jobs when it is over."""
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.01")
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    fake.site(version=version)
    (tmp_path / "lab.yaml").write_text(PROFILE)
    path = tmp_path / "study"
    study = shipped.on_profile(load(STUDY), str(tmp_path / "lab.yaml"))
    session.make(study, path, ["test"])
    cluster = open_cluster(load_profile(str(tmp_path / "lab.yaml")), path / "jobs")
    node = Node(data_root=None, scratch=None, code="")
    driver = Driver(path, study, cluster, None, node, call="trainer.testing:pretend")
    driver.tick()
    for reason in ("Priority", "Resources", "Priority"):
        for job in fake.jobs():
            fake.put(job, "PENDING", reason=reason, start=time.time() + 900)
        time.sleep(0.01)
        driver.tick()
    for job in fake.jobs():
        assert fake.run(job) == 0
        end = str(int(time.time()))
        fake.account(job, {"Submit": end, "Eligible": end, "Start": end, "End": end, "ElapsedRaw": "1"})
    time.sleep(0.01)
    driver.tick()
    driver.tick()
    assert driver.done
    driver.close()
    assert cluster.costs.calls == {"scontrol": 1, "sbatch": 1, "squeue": 4, "sacct": 1}
    kept = accounted.read(path)
    assert kept is not None
    assert (kept.source, kept.complete, len(kept.runs)) == ("sacct", True, 2)
