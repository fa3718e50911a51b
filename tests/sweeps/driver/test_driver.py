"""The driver over a real local cluster whose packs pretend to train: kills, losses, stops and pauses."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from slurm.clusters import open_cluster
from slurm.profile import parse
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.errors import FolderBusy, LedgerError
from sweeps.folder import layout, ledger, lock
from sweeps.folder.lock import Lock
from sweeps.folder.records import Completed, GaveUp, JobOver, Reported, Stopping, Submitting
from sweeps.folder.state import replay
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.testing import decisions, numbers
from sweeps.view import progress, status
from sweeps.view.savings import savings
from trainer.journal import FoldHistory, read_fold

PRETEND = "trainer.testing:pretend"
PROFILE = "name: pretend\nexecutor: local\nmax_jobs: 4\nmem_gb: 0.5\n"
STUDY = """
name: pretended
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
"""
ASHA = STUDY.replace("samples: 3", "samples: 8, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}")


@pytest.fixture(autouse=True)
def _quick_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.05")


def made(path: Path, text: str = STUDY) -> Study:
    path.parent.mkdir(exist_ok=True)
    profile = path.parent / "pretend.yaml"
    profile.write_text(PROFILE)
    study = shipped.on_profile(load(text), str(profile))
    session.make(study, path, ["test"])
    return study


def driver_on(path: Path, study: Study) -> Driver:
    cluster = open_cluster(parse(PROFILE, source="pretend.yaml"), path / "jobs")
    return Driver(path, study, cluster, None, Node(data_root=None, scratch=None, code=""), call=PRETEND)


def drive(path: Path) -> None:
    with session.driving(path, call=PRETEND) as driver:
        session.drive(driver, lambda now: None, interval_s=0.05)


def finish(driver: Driver, *, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not driver.done:
        driver.tick()
        time.sleep(0.02)
        assert time.monotonic() < deadline, "the study did not finish"


def histories(path: Path) -> list[FoldHistory]:
    found = [read_fold(spec.parent) for spec in (path / "trials").glob("*/fold-*/spec.json")]
    return [history for history in found if history is not None]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    driver = driver_on(path, made(path))
    finish(driver)
    driver.close()
    return path


def test_a_study_is_searched_then_confirmed_on_fresh_splits(undisturbed: Path) -> None:
    added, chosen = decisions(undisturbed)
    assert sorted(added) == ["dsrelu-c000", "dsrelu-s000", "dsrelu-s001", "dsrelu-s002", "relu-c000"]
    assert all(len(folds) == (2 if "-s" in trial else 3) for trial, (_, _, folds) in added.items())
    repeats = {trial: {fold.split("/fold-")[1][0] for fold in folds} for trial, (_, _, folds) in added.items()}
    assert repeats["dsrelu-s000"] == {"0"}
    assert repeats["dsrelu-c000"] == repeats["relu-c000"] == {"1"}
    winner, among = chosen["dsrelu"]
    assert among == 3
    assert added["dsrelu-c000"][0] == added[winner][0]


def test_the_winner_has_the_least_mean_validation_loss(undisturbed: Path) -> None:
    losses = {
        record.trial: record.metrics["validation/loss"]
        for record in ledger.read(undisturbed / ledger.FILE)
        if isinstance(record, Completed) and "-s" in record.trial
    }
    assert decisions(undisturbed)[1]["dsrelu"][0] == min(losses, key=losses.__getitem__)


def test_nothing_decided_rests_on_held_out_metrics(undisturbed: Path) -> None:
    for record in ledger.read(undisturbed / ledger.FILE):
        if isinstance(record, Completed | Reported):
            assert not [name for name in record.metrics if name.startswith("heldout")]


def test_each_fold_is_trained_once(undisturbed: Path) -> None:
    assert [history.attempts for history in histories(undisturbed)] == [1] * 12


def test_a_finished_study_does_nothing_more(undisturbed: Path) -> None:
    before = (undisturbed / ledger.FILE).read_bytes()
    driver = driver_on(undisturbed, session.opened(undisturbed))
    driver.tick()
    driver.close()
    assert (undisturbed / ledger.FILE).read_bytes() == before


@pytest.mark.slow
def test_a_driver_killed_at_random_moments_loses_nothing_and_decides_the_same(
    undisturbed: Path, tmp_path: Path, fork: Callable[[Callable[[], object]], int]
) -> None:
    """Ten kills over several runs; each fold is trained by one attempt, since its job outlives the driver."""
    chance, began = random.Random(11), time.monotonic()
    made(tmp_path / "calm" / "study")
    drive(tmp_path / "calm" / "study")  # also loads MLflow, which the children then have
    usual_s = time.monotonic() - began
    kills = rounds = 0
    while kills < 10:
        rounds += 1
        path = tmp_path / f"round-{rounds}" / "study"
        made(path)
        for number in range(1, 100):
            child = fork(lambda path=path: drive(path))
            if number <= 5:
                time.sleep(0.2 * usual_s * chance.random())
                os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)[1]
            if not os.WIFSIGNALED(ended):
                break
            kills += 1
        assert ended == 0
        assert numbers(path) == numbers(undisturbed)
        assert decisions(path) == decisions(undisturbed)
        assert {history.attempts for history in histories(path)} == {1}


@pytest.mark.slow
def test_folds_killed_at_random_moments_end_as_if_they_had_not_been(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.4")
    path = tmp_path / "study"
    study = made(path)
    driver = driver_on(path, study)
    chance, kills, deadline = random.Random(5), 0, time.monotonic() + 200
    while not driver.done:
        assert time.monotonic() < deadline
        driver.tick()
        time.sleep(0.05)
        training = [h for h in histories(path) if h.end is None and psutil.pid_exists(h.start.pid)]
        if training and kills < 10 and chance.random() < 0.5:
            os.kill(chance.choice(training).start.pid, signal.SIGKILL)
            kills += 1
    driver.close()
    assert kills == 10
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)


def test_a_torn_last_line_is_dropped_and_decided_again(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path)
    lines = (undisturbed / ledger.FILE).read_bytes().splitlines(keepends=True)
    (path / ledger.FILE).write_bytes(b"".join(lines[:2]) + lines[2][: len(lines[2]) // 2])
    driver = driver_on(path, study)
    finish(driver)
    driver.close()
    assert decisions(path) == decisions(undisturbed)


@pytest.mark.slow
def test_asha_stops_losers_of_a_search_and_never_a_confirmation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.4")
    path = tmp_path / "study"
    driver = driver_on(path, made(path, ASHA))
    finish(driver)
    records = list(ledger.read(path / ledger.FILE))
    driver.close()
    stopped = [record for record in records if isinstance(record, Stopping)]
    assert stopped
    assert all("-s" in record.trial for record in stopped)
    ended = {record.trial: record.status for record in records if isinstance(record, Completed)}
    assert {ended[record.trial] for record in stopped} <= {"stopped", "finished"}
    assert "stopped" in ended.values()
    saved = savings(session.opened(path), replay(records), path / "trials")
    assert saved is not None
    assert saved.trials == len(stopped)
    trained = sum(
        len(h.epochs)
        for r in stopped
        for f in driver.state.trials[r.trial].folds
        if (h := read_fold(path / "trials" / f))
    )
    assert saved.epochs == saved.planned - trained > 0
    assert saved.device_s == pytest.approx(0.4 * saved.epochs, rel=0.3)
    seen = progress.view(driver)
    told = status.read(path).now  # how jobs stand, it asks nobody
    assert seen == dataclasses.replace(told, jobs_running=seen.jobs_running, waiting=seen.waiting)
    assert seen.epochs_planned - seen.epochs_most == saved.epochs
    assert seen.epochs_done == seen.epochs_most == sum(len(history.epochs) for history in histories(path))
    reported = [record for record in records if isinstance(record, Reported) and record.stop]
    assert [record.trial for record in reported] == [record.trial for record in stopped]


@pytest.mark.slow
def test_a_paused_study_goes_on_and_its_pause_costs_no_retry(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path)
    driver = driver_on(path, study)
    while not histories(path):
        driver.tick()
        time.sleep(0.02)
    driver.pause()
    driver.close()
    again = driver_on(path, study)
    finish(again)
    again.close()
    records = list(ledger.read(path / ledger.FILE))
    assert not [record for record in records if isinstance(record, JobOver) and record.counted and record.folds]
    assert numbers(path) == numbers(undisturbed)


@pytest.mark.slow
def test_a_fold_that_never_gets_on_is_given_up_by_name(tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path, STUDY.replace("search: {algorithm: random, samples: 3, folds: 2}\n", "").replace(
        "{activation: dsrelu, space: {k: {uniform: [1, 9]}}}", "dsrelu"))  # fmt: skip
    cluster = open_cluster(parse(PROFILE, source="pretend.yaml"), path / "jobs")
    driver = Driver(
        path, study, cluster, None, Node(data_root=None, scratch=None, code=""), call="trainer.testing:missing"
    )
    finish(driver)
    given_up = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, GaveUp)]
    driver.close()
    assert len(given_up) == 6
    assert "failed 4 times without finishing another epoch" in given_up[0].reason
    assert "trainer.testing has no function missing" in given_up[0].reason
    infra = path / "trials" / given_up[0].fold / "infra.json"
    assert json.loads(infra.read_text())["reason"] == given_up[0].reason


def test_a_submission_cut_short_is_looked_up_by_name(undisturbed: Path, tmp_path: Path) -> None:
    """A driver that died after the cluster took its packs and before the ledger said so."""
    path = tmp_path / "study"
    study = made(path)
    driver = driver_on(path, study)
    driver.tick()
    driver.close()
    lines = (path / ledger.FILE).read_text().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"kind":"submitted"' in line)
    (path / ledger.FILE).write_text("".join(lines[:cut]))
    again = driver_on(path, study)
    finish(again)
    again.close()
    begun = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, Submitting)]
    assert len({pack for record in begun for pack in record.packs}) == sum(len(record.packs) for record in begun)
    assert {history.attempts for history in histories(path)} == {1}
    assert numbers(path) == numbers(undisturbed)


def test_a_pause_finds_and_cancels_what_a_dead_driver_had_submitted(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path)
    driver = driver_on(path, study)
    driver.tick()
    jobs = set(driver.state.folds_of)
    driver.close()
    lines = (path / ledger.FILE).read_text().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"kind":"submitted"' in line)
    (path / ledger.FILE).write_text("".join(lines[:cut]))
    again = driver_on(path, study)
    assert not again.state.folds_of
    again.pause()
    assert jobs
    assert set(again.state.folds_of) == jobs
    assert all(report.state.over for report in again.cluster.poll(jobs).values())
    again.close()
    last = driver_on(path, study)
    finish(last)
    last.close()
    assert numbers(path) == numbers(undisturbed)


def test_a_wish_to_stop_that_nobody_answered_does_not_outlive_the_study(tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path, STUDY.replace("{algorithm: random, samples: 3, folds: 2}", "{samples: 1, folds: 1}"))
    driver = driver_on(path, study)
    request = path / layout.STOP
    driver.on_tick = lambda: request.write_text("") if driver.state.finished else None
    assert session.drive(driver, lambda now: request.write_text("") if now.done else None, interval_s=0.02)
    assert not request.exists()
    driver.close()
    request.write_text("")
    assert "nothing to stop" in session.stop(path)
    assert not request.exists()


def test_trials_without_a_ledger_are_not_taken_up(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = made(path)
    shutil.copytree(undisturbed / "trials", path / "trials")
    with pytest.raises(LedgerError, match=r"has trials but no ledger\.jsonl"):
        driver_on(path, study)


def test_two_drivers_never_hold_one_folder(tmp_path: Path) -> None:
    ours = Lock(tmp_path)
    other = f"import pathlib, sys; from sweeps.folder.lock import Lock; Lock(pathlib.Path({str(tmp_path)!r}))"
    run = subprocess.run([sys.executable, "-P", "-c", other], capture_output=True, text=True)
    assert run.returncode != 0
    assert FolderBusy.__name__ in run.stderr
    assert f"process {os.getpid()} on" in run.stderr
    ours.release()
    assert subprocess.run([sys.executable, "-P", "-c", other]).returncode == 0
    Lock(tmp_path).release()  # its holder is gone


def test_a_lock_that_was_taken_over_is_neither_kept_alive_nor_removed(tmp_path: Path) -> None:
    frozen = Lock(tmp_path)
    path = tmp_path / lock.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "another"}))
    long_ago = time.time() - lock.STALE_S - 60
    os.utime(path, (long_ago, long_ago))
    successor = Lock(tmp_path)
    successor._text = successor._text.replace('"job"', ' "job"')  # as another process has another text
    path.write_text(successor._text)
    with pytest.raises(FolderBusy, match="another driver"):
        frozen.beat()
    frozen.release()
    successor.beat()
    with pytest.raises(FolderBusy):
        Lock(tmp_path)
    successor.release()
    assert not path.exists()


def test_of_two_drivers_that_find_a_dead_lock_one_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / lock.FILE
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "started": 1.0, "job": None}))
    looked = lock.held
    quicker: list[Lock] = []

    def held(folder: Path) -> bool:
        found = looked(folder)
        if not quicker:
            monkeypatch.setattr(lock, "held", looked)
            quicker.append(Lock(folder))
        return found

    monkeypatch.setattr(lock, "held", held)
    with pytest.raises(FolderBusy):
        Lock(tmp_path)
    quicker[0].beat()
    quicker[0].release()


def test_a_full_disk_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, *args: object, **kwargs: object) -> object:
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sweeps.folder.lock.os.fdopen", full)
    with pytest.raises(OSError, match="No space"):
        Lock(tmp_path)
    assert not (tmp_path / lock.FILE).exists()
