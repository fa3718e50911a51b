"""What a pack's job holds, and the end that it makes when its seconds are used up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer import meter
from trainer.codec import from_text, to_text
from trainer.meter import BEAT_S, CUT, LEAVING_S, Meter
from trainer.spec import Pack


def run(folder: Path, number: int, **facts: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = {"began": 100.0, "seen": 110.0, "ended": True, "cut": False}
    (folder / f"run-{number}.json").write_text(json.dumps(known | facts))


def test_a_run_is_charged_from_its_begin_to_its_end(tmp_path: Path) -> None:
    run(tmp_path, 0)
    found = meter.held(tmp_path)
    assert found is not None
    assert (found.seconds, found.seen_s, found.ended) == (10 + LEAVING_S, 10, True)


def test_a_run_that_was_killed_is_charged_until_it_may_have_beaten_again(tmp_path: Path) -> None:
    run(tmp_path, 0, ended=False)
    found = meter.held(tmp_path)
    assert found is not None
    assert found.seconds == 10 + BEAT_S + LEAVING_S


def test_a_run_without_an_end_is_charged_until_the_job_was_started_again(tmp_path: Path) -> None:
    run(tmp_path, 0, ended=False)
    run(tmp_path, 1, began=200.0, seen=230.0)
    found = meter.held(tmp_path)
    assert found is not None
    assert found.seconds == 100 + 30 + LEAVING_S


def test_the_tenth_run_comes_after_the_ninth(tmp_path: Path) -> None:
    for number in range(11):
        run(tmp_path, number, ended=number == 10)
    found = meter.held(tmp_path)
    assert found is not None
    assert found.ended


def test_a_run_that_was_killed_before_its_first_line_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run-0.json").touch()
    assert meter.held(tmp_path) is None
    run(tmp_path, 1)
    assert meter.held(tmp_path) is not None


def test_each_run_of_a_job_writes_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        with Meter(str(tmp_path), None):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-0.json", "run-1.json"]


def test_it_asks_to_leave_before_the_seconds_are_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "CLOSING_S", 28.2)  # so early that a slow machine does not end these tests with it
    monkeypatch.setattr(meter, "CLOSING_SHARE", 1.0)
    asked: list[float] = []
    began = time.monotonic()
    with Meter(str(tmp_path), LEAVING_S + 29.0) as running:
        running.ask = lambda: asked.append(time.monotonic() - began)
        while not asked and time.monotonic() - began < 5:
            time.sleep(0.02)
    assert len(asked) == 1
    assert asked[0] < 5.0
    found = meter.held(tmp_path)
    assert found is not None
    assert (found.cut, found.ended) == (True, True)


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    asked: list[bool] = []
    with Meter(str(tmp_path), 30.0) as running:
        running.ask = lambda: asked.append(True)
        assert running.fits(5.0)
        assert not running.fits(29.0)
        assert not running.fits(1.0), "it is on its way out"
    assert asked == [True]


def test_a_job_that_was_started_again_has_what_its_first_run_left(tmp_path: Path) -> None:
    run(tmp_path, 0, seen=120.0)
    with Meter(str(tmp_path), 30.0) as running:
        assert running.fits(0.2)
        assert not running.fits(6.0)


def test_without_a_limit_everything_fits() -> None:
    with Meter(None, None) as running:
        assert running.fits(1e9)


STUCK = """
import sys, time
from trainer.meter import Meter
with Meter(sys.argv[1], 2.5):
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_process_that_does_not_leave_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STUCK, str(tmp_path)], timeout=50, check=False)
    assert done.returncode == CUT
    assert time.monotonic() - began < 30
    found = meter.held(tmp_path)
    assert found is not None
    assert (found.cut, found.ended) == (True, True)
    assert found.seconds <= 2.5 + 0.5


def test_a_job_of_slurm_began_when_slurm_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_START_TIME", "900")
    assert meter.job_began(1000.0) == 900.0
    monkeypatch.setenv("SLURM_JOB_START_TIME", "2000")  # a clock that is ahead
    assert meter.job_began(1000.0) == 1000.0


def test_a_job_of_this_machine_began_with_what_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    assert meter.job_began(time.time()) == pytest.approx(meter.process_start(os.getppid()), abs=0.1)


def test_a_pack_of_before_has_no_limit() -> None:
    old = json.loads(to_text(Pack(launches=(), data_root=None)))
    del old["meter"], old["seconds"]
    assert from_text(Pack, json.dumps(old)) == Pack(launches=(), data_root=None)
