"""A driver that was sent as a job: found, shown and ended while it waits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it
from click.testing import CliRunner, Result

from slurm.testing import FakeSlurm
from sweeps.cli.main import main
from sweeps.driver import sent, session
from sweeps.driver.preflight import Checked
from sweeps.folder import ledger
from sweeps.folder.lock import Lock
from sweeps.folder.records import GaveUp
from sweeps.folder.state import replay
from sweeps.study.planner import UNSEEN

STUDY = "name: tiny\ndata: {name: wine}\nmodel: {name: mlp}\nfolds: {folds: 3}\nactivations: [relu, elu]\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    monkeypatch.setattr("sweeps.driver.preflight.check", lambda study: Checked([], "", UNSEEN))
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def path(fake: FakeSlurm, tmp_path: Path) -> Path:
    """The folder of a study whose driver was sent, and waits."""
    (tmp_path / "lab.yaml").write_text("executor: slurm\ntime_min: 60\n")
    (tmp_path / "tiny.yaml").write_text(STUDY)
    assert asked("run", "tiny.yaml", "--cluster", "lab.yaml", "--detach").exit_code == 0
    return Path("runs/tiny")


def asked(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def the_driver(path: Path) -> str:
    (only,) = sent.sent(path)
    return only.job


def word(fake: FakeSlurm, job: str) -> str:
    return str(fake.jobs()[job]["word"])


def test_a_driver_that_waits_is_not_called_for_again(path: Path) -> None:
    job, said = the_driver(path), asked("status", str(path)).output
    assert f"no driver is at work; its driver, job {job}, has not begun: `squeue --jobs {job}` says why" in said
    assert f"if it is gone, `actsweep resume {path} --detach`" in said


def test_a_driver_that_was_interrupted_may_come_again(path: Path) -> None:
    job = the_driver(path)
    (folder,) = path.glob("jobs/tiny.driver.*")
    (folder / f"{job}_0_log.out").write_text("interrupted")
    said = asked("status", str(path)).output
    assert f"its driver, job {job}, goes on by itself if `squeue --jobs {job}` still has it; else " in said


def test_stop_ends_the_driver_that_waits(fake: FakeSlurm, path: Path) -> None:
    job = the_driver(path)
    said = asked("stop", str(path)).output
    assert said == f"0 jobs and its driver, job {job}, cancelled; go on with `actsweep resume {path}`\n"
    assert word(fake, job).startswith("CANCELLED")
    assert list(sent.sent(path)) == []
    assert f"no driver is at work; go on with `actsweep resume {path}`" in asked("status", str(path)).output


def test_a_driver_that_is_sent_takes_the_place_of_one_that_waits(fake: FakeSlurm, path: Path) -> None:
    first = the_driver(path)
    assert asked("resume", str(path), "--detach").exit_code == 0
    assert word(fake, first).startswith("CANCELLED")
    assert word(fake, the_driver(path)) == "PENDING"


def test_none_is_sent_while_one_is_at_work(fake: FakeSlurm, path: Path) -> None:
    lock, before = Lock(path), fake.jobs()
    try:
        done = asked("resume", str(path), "--detach")
    finally:
        lock.release()
    assert done.exit_code == 4
    assert fake.jobs() == before


def test_what_is_tried_again_is_written_down_before_its_driver_is_sent(
    fake: FakeSlurm, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session.driving(path) as driver:
        driver.tick()
        folds = sorted(driver.state.trials["relu-c000"].folds)
        for fold in folds:
            driver.ledger.write(GaveUp(fold=fold, reason="no space left"))
        driver.tick()
    done = asked("resume", str(path), "--detach", "--retry-failed", "--no-report")
    assert done.exit_code == 0, done.output
    assert f"trying 3 folds again: {', '.join(folds)}" in done.output
    assert not replay(ledger.read(path / ledger.FILE)).gave_up
    texts = max(path.glob("jobs/tiny.driver.*/texts.jsonl"), key=lambda file: file.stat().st_mtime)
    asked_for = json.loads(json.loads(texts.read_text()))
    assert asked_for == {"path": str(path.absolute()), "interval_s": 1.0, "no_report": True}
