"""A copy of a study folder is told from the study: its ledger names jobs that are the original's."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from slurm import processes
from slurm.processes import Identity
from sweeps.cli.main import main
from sweeps.driver import session
from sweeps.errors import StudyError
from sweeps.folder import lock, place
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.view import status

PRETEND = "trainer.testing:pretend"
PROFILE = "name: here\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n"
STUDY = """
name: kept
data: {name: digits}
model: tiny_cnn
training: {epochs: 300, patience: null}
folds: {folds: 2}
activations: [relu, elu]
"""
CHANGING = (["stop"], ["tick"], ["resume"])


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A study whose jobs run while no driver does."""
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.5")
    (tmp_path / "here.yaml").write_text(PROFILE)
    path = tmp_path / "study"
    session.make(shipped.on_profile(load(STUDY), str(tmp_path / "here.yaml")), path, ["test"])
    with session.driving(path, call=PRETEND) as driver:
        driver.tick()
    known = jobs(path)
    assert len(known) == 2
    yield path
    for job in known:
        processes.signal_group(job.pid, 9)


def jobs(path: Path) -> list[Identity]:
    return [
        Identity(**json.loads(record.read_text())["process"]) for record in sorted(path.glob("jobs/*/started.json"))
    ]


def command(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.output


def test_nothing_is_stopped_or_submitted_from_a_copy_and_the_original_goes_on(running: Path) -> None:
    copy = running.with_name("copy")
    shutil.copytree(running, copy)
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    for words in CHANGING:
        code, said = command(*words, str(copy))
        assert code == 2
        assert f"{copy}: a copy of the study in {running}, whose jobs are that folder's" in said
    with pytest.raises(StudyError, match="a copy of the study in"):
        session.make(session.opened(copy), copy, ["test"])
    assert {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()} == before
    assert all(processes.alive(job) for job in jobs(running))
    words = status.read(copy).words()
    assert f"a copy of the study in {running}, as that was" in words
    assert "actsweep resume" not in words
    assert json.loads(status.read(copy).json())["copy_of"] == str(running)
    assert json.loads(status.read(running).json())["copy_of"] is None
    assert "2 jobs cancelled" in session.stop(running)
    assert not any(processes.alive(job) for job in jobs(running))


def test_a_folder_that_was_moved_is_the_study_and_its_jobs_are_its_own(running: Path) -> None:
    moved = running.with_name("moved")
    running.rename(moved)
    assert "2 jobs cancelled" in session.stop(moved)
    assert not any(processes.alive(job) for job in jobs(moved))
    assert place.original(moved) is None
    known = place.read(moved)
    assert known is not None
    assert known.path == str(moved)


def test_a_copy_whose_original_was_removed_is_the_study(running: Path) -> None:
    copy = running.with_name("copy")
    shutil.copytree(running, copy)
    shutil.rmtree(running)
    assert "2 jobs cancelled" in session.stop(copy)
    assert not any(processes.alive(job) for job in jobs(copy))


def test_another_study_in_the_old_place_makes_no_copy_of_one_that_was_moved(running: Path) -> None:
    moved = running.with_name("moved")
    running.rename(moved)
    session.make(session.opened(moved), running, ["test"])
    assert place.original(moved) is None
    assert "2 jobs cancelled" in session.stop(moved)


def test_a_link_to_a_study_is_the_study(running: Path) -> None:
    link = running.with_name("link")
    link.symlink_to(running)
    assert "2 jobs cancelled" in session.stop(link)


def test_on_another_machine_a_copy_and_a_moved_folder_cannot_be_told_apart(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = running.with_name("copy")
    shutil.copytree(running, copy)
    known = place.read(copy)
    assert known is not None
    elsewhere = {"path": "/scratch/there/study", "host": "login7"}
    (copy / place.FILE).write_text(json.dumps({**known.__dict__, **elsewhere}))
    with pytest.raises(StudyError, match=r"was in /scratch/there/study on login7, .* delete .*place\.json"):
        session.stop(copy)
    assert all(processes.alive(job) for job in jobs(running))
    # A rename on a shared file system keeps the inode, whichever host looks.
    (copy / place.FILE).write_text(json.dumps({**known.__dict__, **elsewhere, "inode": copy.stat().st_ino}))
    place.refuse_copy(copy)


def test_a_lock_that_was_copied_with_its_folder_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    place.settle(tmp_path / "study")
    held = lock.Lock(tmp_path / "study")
    shutil.copytree(tmp_path / "study", tmp_path / "copy")
    assert lock.held(tmp_path / "study")
    assert not lock.held(tmp_path / "copy")
    (tmp_path / "study").rename(tmp_path / "moved")
    assert lock.held(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "study")
    held.release()


def test_jobs_wait_for_no_driver_of_the_original(running: Path) -> None:
    """A copy that is made while a driver is at work is refused at once, without asking that driver to stop."""
    holder = lock.Lock(running)
    copy = running.with_name("copy")
    shutil.copytree(running, copy)
    began = time.monotonic()
    with pytest.raises(StudyError, match="a copy of the study in"):
        session.stop(copy)
    assert time.monotonic() - began < 10
    assert not (copy / "STOP").exists()
    holder.release()
