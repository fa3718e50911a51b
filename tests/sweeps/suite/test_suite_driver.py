"""A suite driven over a real local cluster whose packs pretend to train: kills, stops, and studies that fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeps.driver import session
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder import layout, ledger
from sweeps.folder.lock import Lock
from sweeps.folder.records import Submitting
from sweeps.study.study import digest
from sweeps.suite import after_run, driver, folder, status
from sweeps.suite.driver import SuiteDriver
from sweeps.suite.reading import load
from sweeps.suite.suite import on_profile
from sweeps.testing import decisions, numbers
from trainer.journal import attempts

PRETEND = "trainer.testing:pretend"
PROFILE = "name: pretend\nexecutor: local\nmax_jobs: {jobs}\nmem_gb: 0.2\n"
SUITE = """
suite: three
question: Is it better?
base:
  seed: 3
  data: {name: digits}
  model: {name: tiny_cnn}
  training: {epochs: 3, patience: null}
  folds: {folds: 2}
  activations: [relu, dsrelu]
  cluster: {pack: 4}
studies:
  a: {}
  b: {seed: 4}
  c: {seed: 5}
"""
SEARCHED = SUITE.replace(
    "[relu, dsrelu]",
    "[relu, {activation: dsrelu, space: {k: {uniform: [1, 9]}}}]\n  search: {samples: 2, folds: 1}",
)
DRIVE = f"""
import pathlib, sys
from sweeps.suite import driver
with driver.driving(pathlib.Path(sys.argv[1]), call={PRETEND!r}) as suite:
    driver.drive(suite, lambda now: None, interval_s=0.02)
"""


@pytest.fixture(autouse=True)
def _quick_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.01")


def made(path: Path, text: str = SUITE, jobs: int = 4) -> Path:
    profile = path.parent / "pretend.yaml"
    profile.write_text(PROFILE.format(jobs=jobs))
    folder.make(on_profile(load(text), str(profile)), path, ["test"], {})
    return path


def driven(path: Path) -> SuiteDriver:
    with driver.driving(path, call=PRETEND) as suite:
        driver.drive(suite, lambda now: None, interval_s=0.02)
        return suite


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    os.environ["ACTSWEEP_PRETEND_EPOCH_S"] = "0.01"
    path = made(tmp_path_factory.mktemp("undisturbed") / "suite", SEARCHED)
    assert driven(path).done
    return path


@pytest.mark.slow
def test_each_member_is_an_ordinary_study_folder(undisturbed: Path) -> None:
    for member in "abc":
        study = session.opened(undisturbed / member)
        assert study.name == f"three-{member}"
        assert study.question == "Is it better?"
        assert len(numbers(undisturbed / member)) == 6
        assert study.tracking.uri == f"sqlite:///{undisturbed}/{member}/../mlflow.db"
    assert decisions(undisturbed / "a") != decisions(undisturbed / "b")
    assert not list(undisturbed.glob("*/mlflow.db"))
    assert [line.state for line in status.read(undisturbed)[0].lines] == ["finished"] * 3
    assert not (undisturbed / "driver.lock").exists()
    assert not list(undisturbed.glob("*/driver.lock"))


@pytest.mark.slow
def test_a_suite_that_is_killed_again_and_again_comes_to_the_same_end(undisturbed: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "suite", SEARCHED, jobs=3)
    for after_s in (0.7, 1.5):
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVE, str(path)], env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        )
        deadline = time.monotonic() + 60
        while not (path / "driver.lock").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert driven(path).done
    for member in "abc":
        assert numbers(path / member) == numbers(undisturbed / member)
        assert decisions(path / member) == decisions(undisturbed / member)
        for spec in (path / member / "trials").glob("*/fold-*/spec.json"):
            assert len(list(attempts(spec.parent))) == 1  # a kill of the driver costs no fold a second attempt


@pytest.mark.slow
def test_the_limit_of_jobs_holds_for_all_together_and_all_begin_early(tmp_path: Path) -> None:
    path = made(tmp_path / "suite", jobs=2)
    most, begun = 0, []
    with driver.driving(path, call=PRETEND) as suite:
        while not suite.over:
            suite.tick()
            started = {job.parent for job in path.glob("*/jobs/*/started.json")}
            most = max(most, sum(not list(job.glob("*_result.pkl")) for job in started))
            for member in suite.members:
                assert member.driver is not None
                if member.driver.state.submissions and member.name not in begun:
                    begun.append(member.name)
                    if len(begun) == 3:  # the third does not wait for the first to come to its end
                        assert not any(other.done for other in suite.members)
            time.sleep(0.01)
    assert (most, sorted(begun)) == (2, ["a", "b", "c"])


@pytest.mark.slow
def test_a_member_that_cannot_go_on_is_set_aside_and_the_others_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "suite")
    (path / "b" / "trials" / "stray").mkdir(parents=True)  # trials without a ledger: nobody knows what was decided
    with driver.driving(path, call=PRETEND) as suite:
        broken = suite.members[0].driver
        assert broken is not None

        def refuse(*_: object) -> None:
            raise StudyError("its code is gone")

        monkeypatch.setattr(broken, "_submit", refuse)
        assert not driver.drive(suite, lambda now: None, interval_s=0.02)
        after = after_run.after_run(suite)
    assert [member.done for member in suite.members] == [False, False, True]
    assert suite.members[0].trouble == "its code is gone"
    assert "has trials but no ledger.jsonl" in suite.members[1].trouble
    assert (after.failed, after.reportable, after.stopped) == (True, True, False)
    assert next(line.text for line in after.lines if line.problem) == "a: set aside: its code is gone"
    assert after.lines[-1].text == f"not finished; go on with `actsweep resume {path}`"


@pytest.mark.slow
def test_one_member_is_stopped_on_request_and_the_others_go_on(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    with driver.driving(path, call=PRETEND) as suite:
        suite.tick()
        (path / "c" / layout.STOP).write_text("")
        driver.drive(suite, lambda now: None, interval_s=0.02)
        assert [member.stopped for member in suite.members] == [False, False, True]
        assert [line.state for line in status.of_driver(suite).lines] == ["finished", "finished", "stopped"]
    assert not (path / "c" / layout.STOP).exists()


@pytest.mark.slow
def test_all_are_stopped_on_request_and_go_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "1.5")
    path = made(tmp_path / "suite")
    process = subprocess.Popen([sys.executable, "-c", DRIVE, str(path)])
    deadline = time.monotonic() + 60
    while not list(path.glob("*/jobs/*/started.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert driver.stop(path) == [f"the driver stopped its jobs; go on with `actsweep resume {path}`"]
    assert process.wait(30) == 0
    started = [job.parent for job in path.glob("*/jobs/*/started.json")]
    assert started
    assert any((job / "cancelled.json").exists() for job in started)
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.01")
    assert driven(path).done
    assert driver.stop(path) == [f"nothing to stop: the suite in {path} is finished"]


@pytest.mark.slow
def test_jobs_that_a_killed_driver_left_are_stopped_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "1.5")
    path = made(tmp_path / "suite", jobs=2)
    with driver.driving(path, call=PRETEND) as suite:
        suite.tick()
    said = driver.stop(path)
    assert said[-1] == f"go on with `actsweep resume {path}`"
    assert sorted(line.partition(": ")[2] for line in said[:-1]) == [
        "0 jobs cancelled",
        "1 job cancelled",
        "1 job cancelled",
    ]


def test_a_folder_of_the_suite_that_another_driver_has_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    for busy in (path, path / "b"):
        lock = Lock(busy)
        try:
            with pytest.raises(FolderBusy, match="another driver"), driver.driving(path):
                pass
        finally:
            lock.release()
    with driver.driving(path) as suite:
        with pytest.raises(FolderBusy), session.driving(path / "a"):
            pass
        assert not suite.over
    assert not list(path.glob("*/driver.lock"))


def test_a_suite_is_made_once_and_goes_on_only_as_the_same(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    suite = load(SUITE)
    assert not folder.make(suite, path, ["test"], {})
    for changed, said in (
        (SUITE.replace("seed: 5", "seed: 6"), "c has digest"),
        (SUITE + "  d: {seed: 9}\n", "d is not in it"),
        (SUITE.replace("  c: {seed: 5}\n", ""), "c is in it, and not here"),
    ):
        before = sorted(path.rglob("*"))
        with pytest.raises(StudyError, match=said):
            folder.make(load(changed), path, ["test"], {})
        assert sorted(path.rglob("*")) == before


def test_one_that_was_cut_off_while_it_was_made_is_made_to_its_end(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    (path / "suite.yaml").unlink()
    (path / "c" / "study.yaml").unlink()
    with pytest.raises(StudyError, match="not a suite's folder"):
        folder.opened(path)
    assert folder.make(load(SUITE), path, ["test"], {})
    assert folder.opened(path).members == ("a", "b", "c")


def test_a_suite_and_a_study_are_told_apart(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    with pytest.raises(StudyError, match=r"a suite's folder, where a study's is asked for; name one below it: a, b, c"):
        session.opened(path)
    with pytest.raises(StudyError, match="holds a suite"):
        session.make(session.opened(path / "a"), path, ["test"])
    with pytest.raises(StudyError, match="holds a study"):
        folder.make(load(SUITE), path / "a", ["test"], {})
    (path / "b" / "study.yaml").unlink()
    with pytest.raises(StudyError, match="names it as a study of the suite, and it is none"):
        folder.opened(path)


def test_the_file_in_the_folder_is_that_suite(tmp_path: Path) -> None:
    path = made(tmp_path / "suite", SUITE + "budget: {gpu_hours: 2}\n")
    opened = folder.opened(path)
    assert (opened.name, opened.question, opened.members) == ("three", "Is it better?", ("a", "b", "c"))
    again = load(path / "suite.yaml")
    assert {m: digest(s) for m, s in again.studies.items()} == {m: digest(opened.study(m)) for m in "abc"}
    assert not folder.make(again, path, ["test"], {})


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    moved = path.rename(tmp_path / "elsewhere")
    assert session.opened(moved / "a").tracking.uri == f"sqlite:///{moved}/a/../mlflow.db"


def test_a_copy_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    subprocess.run(["cp", "-r", str(path), str(tmp_path / "copy")], check=True)
    with pytest.raises(StudyError, match="a copy of the study in"), driver.driving(tmp_path / "copy"):
        pass


@pytest.mark.slow
def test_the_order_of_studies_with_work_follows_their_jobs(undisturbed: Path) -> None:
    """Each study's own ledger has all its decisions: nothing of the suite decides one."""
    assert [path.name for path in undisturbed.glob("*.jsonl")] == []
    for member in "abc":
        batches = [r for r in ledger.read(undisturbed / member / ledger.FILE) if isinstance(r, Submitting)]
        assert all(batch.name.startswith(f"three-{member}.") for batch in batches)


@pytest.mark.slow
def test_status_says_of_each_study_what_epochs_took_by_kind_of_device(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    shutil.copytree(undisturbed, path)
    (ledger,) = path.glob("**/b/ledger.jsonl")
    text = ledger.read_text()
    ledger.write_text(text.replace('"on":[{"device":"cpu","name":"', '"on":[{"device":"cpu","name":"another ', 1))
    assert text != ledger.read_text()
    said = status.shown(path)[0]
    assert "b: an epoch by kind of device, mean over all that was trained:" in said
    assert "b:   another " in said
    assert "a: an epoch by kind" not in said


def test_status_says_a_line_for_each_study_and_totals(undisturbed: Path) -> None:
    said, _ = status.shown(undisturbed)
    for member in "abc":
        assert any(member in line and "6/6" in line and "finished" in line for line in said.splitlines())
    assert any("all" in line and "18/18" in line for line in said.splitlines())
    assert f"`actsweep report {undisturbed}` writes its report" in said
    plain = json.loads(status.shown(undisturbed, as_json=True)[0])
    assert (plain["folds_done"], plain["folds"], plain["finished"]) == (18, 18, True)
    assert plain["studies"]["b"]["study"] == "three-b"
