"""The driver over jobs that hold several packs: on this machine one worker, whose children pretend to train."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from slurm import clusters
from slurm.pool import place
from slurm.pool.tickets import Pool
from sweeps.driver import profiles, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.errors import StudyError
from sweeps.folder import ledger
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import GaveUp, JobOver, LedgerRecord
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.testing import attempts, decisions, numbers
from trainer.journal import read_fold

PRETEND = "trainer.testing:pretend"
PROFILE = "executor: local\nmem_gb: 0.1\nidle_s: 20\n"
STUDY = """
name: pooled
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 4, patience: null}
folds: {folds: 3}
search: {algorithm: random, samples: 3, folds: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
cluster: {pack: PACK}
"""
DRIVE = f"""
import pathlib, sys
from sweeps.driver import session
with session.driving(pathlib.Path(sys.argv[1]), call={PRETEND!r}) as driver:
    session.drive(driver, lambda now: None, interval_s=0.05)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.05")


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    """Workers of a test that failed are not left to the next."""
    yield
    for process in psutil.process_iter(["environ"]):
        if str(tmp_path) in (process.info["environ"] or {}).get("ACTSWEEP_JOB_FOLDER", ""):
            process.kill()


def made(path: Path, *, pack: str = "node", profile: str = PROFILE, text: str = STUDY) -> Study:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.parent / "here.yaml"
    file.write_text(profile)
    study = shipped.on_profile(load(text.replace("PACK", pack)), str(file))
    session.make(study, path, ["test"])
    return study


def driver_on(path: Path, study: Study, call: str = PRETEND) -> Driver:
    cluster = clusters.open_cluster(profiles.of(study), path / "jobs")
    return Driver(path, study, cluster, None, Node(data_root=None, scratch=None, code=""), call=call)


def finish(driver: Driver, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not driver.done:
        driver.tick()
        time.sleep(0.05)
        assert time.monotonic() < deadline, "the study did not finish"
    driver.close()


def pool(path: Path) -> Pool:
    return Pool(place.folder(path / "jobs"))


def workers(path: Path) -> list[int]:
    """Processes of workers that are there."""
    return [said.pid for said in pool(path).runs().values() if psutil.pid_exists(said.pid)]


@pytest.fixture(scope="module")
def one_pack_a_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("apart") / "study"
    os.environ["ACTSWEEP_PRETEND_EPOCH_S"] = "0.02"
    finish(driver_on(path, made(path, pack="fold")))
    return path


def test_a_study_on_whole_nodes_is_that_of_one_fold_a_job(one_pack_a_job: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    finish(driver_on(path, made(path)))
    assert numbers(path) == numbers(one_pack_a_job)
    assert decisions(path) == decisions(one_pack_a_job)
    assert set(attempts(path).values()) == {1}
    assert pool(path).closed
    job = next(record.job for record in ledger.read(path / ledger.FILE) if isinstance(record, JobOver))
    log = clusters.log(job, path / "jobs")
    assert log is not None
    assert log.name == "log.out"
    deadline = time.monotonic() + 30
    while workers(path):  # it leaves, since nothing more will come
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(pool(path).runs()) == 1


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_a_driver_killed_after_half_of_its_records_loses_and_doubles_nothing(
    one_pack_a_job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.01")
    path = tmp_path / "study"
    study, write, chance = made(path), Ledger.write, random.Random(2)

    def last_words(self: Ledger, *records: LedgerRecord) -> None:
        write(self, *records)
        if records and chance.random() < 0.5:  # one that is killed after each submits nothing
            raise Killed

    monkeypatch.setattr(Ledger, "write", last_words)
    kills, done, deadline = 0, False, time.monotonic() + 120
    while not done:
        assert time.monotonic() < deadline
        try:
            driver = driver_on(path, study)
        except Killed:
            kills += 1
            continue
        try:
            while not driver.done:
                driver.tick()
                time.sleep(0.02)
        except Killed:
            kills += 1
        done = driver.done
        driver.close()
    assert kills > 8
    assert numbers(path) == numbers(one_pack_a_job)
    assert decisions(path) == decisions(one_pack_a_job)
    assert set(attempts(path).values()) == {1}


@pytest.mark.slow
def test_drivers_workers_and_packs_that_are_killed_change_nothing(
    one_pack_a_job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.2")
    path = tmp_path / "study"
    made(path)
    chance, kills = random.Random(4), {"driver": 0, "worker": 0, "pack": 0}
    deadline = time.monotonic() + 200
    driver: subprocess.Popen[bytes] | None = None
    while driver is None or driver.poll() is None:
        assert time.monotonic() < deadline
        if driver is None:
            driver = subprocess.Popen([sys.executable, "-P", "-c", DRIVE, str(path)], start_new_session=True)
        time.sleep(0.5 + chance.random())
        victim = chance.choice(list(kills))
        folds = [read_fold(spec.parent) for spec in path.glob("trials/*/fold-*/spec.json")]
        training = [h.start.pid for h in folds if h is not None and h.end is None and psutil.pid_exists(h.start.pid)]
        targets = {"driver": [driver.pid], "worker": workers(path), "pack": training}[victim]
        if kills[victim] < 2 and targets and driver.poll() is None:
            os.kill(chance.choice(targets), signal.SIGKILL)
            kills[victim] += 1
            if victim == "driver":
                driver.wait()
                driver = None
    assert driver.returncode == 0
    assert all(kills.values()), kills
    assert numbers(path) == numbers(one_pack_a_job)
    assert decisions(path) == decisions(one_pack_a_job)


def test_a_paused_study_goes_on_and_its_pause_costs_no_retry(one_pack_a_job: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path)
    driver = driver_on(path, study)
    while not list(path.glob("trials/*/fold-*/attempt-*")):
        driver.tick()
        time.sleep(0.02)
    driver.pause()
    driver.close()
    deadline = time.monotonic() + 30
    while workers(path):  # what it held is free
        assert time.monotonic() < deadline
        time.sleep(0.1)
    finish(driver_on(path, study))
    over = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, JobOver)]
    assert not [record for record in over if record.counted and record.folds]
    assert numbers(path) == numbers(one_pack_a_job)


@pytest.mark.slow
def test_a_wrong_set_up_ends_the_study_after_few_workers(tmp_path: Path) -> None:
    path = tmp_path / "study"
    text = STUDY.replace("search: {algorithm: random, samples: 3, folds: 2}\n", "").replace(
        "{activation: dsrelu, space: {k: {uniform: [1, 9]}}}", "dsrelu"
    )
    study = made(path, profile=PROFILE + "python: /bin/false\n", text=text)
    finish(driver_on(path, study))
    given_up = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, GaveUp)]
    assert len(given_up) == 6
    assert "before it took anything" in given_up[0].reason
    sent = (path / "jobs" / "pool" / "workers.jsonl").read_text().count('"workers"')
    assert sent <= 4 * 6


CASES = [
    ("node", "jobs: pilot\n", "jobs: pilot, which asks for what one pack needs"),
    ("fold, slots_per_gpu: 2", "jobs: pack\n", "slots_per_gpu is 2: accepts 1 with jobs: pack"),
    ("node", "executor: slurm\ntime: 60\n", "gpus_per_node is missing"),
]


@pytest.mark.parametrize(("said", "profile", "words"), CASES)
def test_what_a_study_says_of_jobs_has_to_go_with_its_profile(
    tmp_path: Path, said: str, profile: str, words: str
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(profile if "executor" in profile else f"executor: local\n{profile}")
    study = shipped.on_profile(load(STUDY.replace("PACK", said)), str(file))
    with pytest.raises(StudyError, match=words) as told:
        profiles.of(study)
    assert str(told.value).startswith(f"pooled: cluster: {'pack: node' if 'node' in said else 'slots_per_gpu'}")


def test_a_study_may_say_what_its_jobs_hold(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("executor: slurm\ntime: 60\ngpus_per_node: 4\n")
    found = profiles.of(shipped.on_profile(load(STUDY.replace("PACK", "node, slots_per_gpu: 2")), str(file)))
    assert (found.holds, found.slots_per_gpu) == ("node", 2)
    assert profiles.of(shipped.on_profile(load(STUDY.replace("PACK", "fold")), str(file))).holds == "pack"
