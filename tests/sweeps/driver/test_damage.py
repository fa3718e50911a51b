"""Files of folds that are not as they were written: told with their names, and mended by `resume`, with every decision
kept and the numbers of the undisturbed study."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.clusters import open_cluster
from slurm.profile import parse
from sweeps.driver import mending, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.errors import FoldChanged
from sweeps.folder import damage, ledger
from sweeps.folder.records import JobOver, Reopened, Submitting
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.testing import decisions, numbers
from sweeps.view import status
from sweeps.view.after_run import after_run
from trainer import journal
from trainer.codec import from_text
from trainer.files import write_kept
from trainer.journal import FILE, read_fold
from trainer.spec import FoldSpec
from trainer.testing import rewrite

PROFILE = "name: pretend\nexecutor: local\nmax_jobs: 4\nmem_gb: 0.5\n"
STUDY = """
name: pretended
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 3, patience: null}
folds: {folds: 2}
search: {algorithm: random, samples: 2, folds: 1}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""
SEARCHED, CONFIRMED = "dsrelu-s000/fold-0-0", "dsrelu-c000/fold-1-1"


def driver_on(path: Path, study: Study) -> Driver:
    cluster = open_cluster(parse(PROFILE, source="pretend.yaml"), path / "jobs")
    node = Node(data_root=None, scratch=None, code="")
    return Driver(path, study, cluster, None, node, call="trainer.testing:pretend")


def resumed(path: Path, *, retry: bool = False) -> tuple[list[str], list[str], list[str]]:
    """As `actsweep resume` does: the folds that were tried again, what was written anew, what was said at the end."""
    driver = driver_on(path, load(STUDY))
    try:
        again = driver.retry_failed() if retry else []
        written = driver.mend()
        assert session.drive(driver, lambda now: None, interval_s=0.02)
        return again, written, [line.text for line in after_run(driver, finished=True).lines if line.problem]
    finally:
        driver.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study whose folds have predictions, as trained ones have."""
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    session.make(load(STUDY), path, ["test"])
    resumed(path)
    for file in path.glob(f"trials/*/fold-*/attempt-1/{FILE}"):
        kept = write_kept(file.parent / damage.PREDICTIONS, lambda out, file=file: out.write(str(file).encode() * 9))
        told = {damage.PREDICTIONS: dataclasses.asdict(kept)}
        rewrite(file, lambda record, told=told: record.update(kept=told) if record["kind"] == "end" else None)
    return path


@pytest.fixture
def path(undisturbed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed, tmp_path / "study"))


def state_of(path: Path) -> State:
    return replay(ledger.read(path / ledger.FILE))


def submitted(path: Path) -> list[str]:
    """Folds that were ever submitted, each time."""
    records = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, Submitting)]
    return [fold for record in records for pack in record.packs for fold in pack]


# -- what a fold is to train -------------------------------------------------------------------------------------------


def edited(file: Path, text: str) -> None:
    file.write_text(text.replace('"epochs":3', '"epochs":30'))


def truncated(file: Path, text: str) -> None:
    file.write_text(text[: len(text) // 2])


def emptied(file: Path, text: str) -> None:
    file.write_text("")


def of_another_fold(file: Path, text: str) -> None:
    file.write_text(text.replace('"fold":1', '"fold":0'))


def of_a_newer_version(file: Path, text: str) -> None:
    file.write_text(text.replace('"schema":2', '"schema":99'))


def no_text(file: Path, text: str) -> None:
    file.write_bytes(b"\xff\xfe" + bytes(100))


@pytest.mark.parametrize(
    ("change", "told"),
    [(edited, "is not what the study trains: training.epochs is 30 there and 3 in the study"),
     (truncated, "is damaged"), (emptied, "is damaged"), (no_text, "is damaged"),
     (of_another_fold, "is not what the study trains: fold is 0 there and 1"),
     (of_a_newer_version, "is of another version")],
)  # fmt: skip
def test_a_specification_that_is_not_what_the_study_trains_is_told_with_the_difference(
    change: Callable[[Path, str], None], told: str, path: Path
) -> None:
    fold = path / "trials" / CONFIRMED
    file = fold / "spec.json"
    whole = file.read_text()
    wanted = from_text(FoldSpec, whole)
    assert mending.changed(fold, wanted) == ""
    change(file, whole)
    assert mending.changed(fold, wanted).startswith(told)
    with pytest.raises(FoldChanged, match="nothing more was submitted"):
        mending.refuse_changed(path / "trials", [CONFIRMED], {CONFIRMED: wanted})


def test_a_changed_specification_is_refused_before_anything_is_submitted_and_written_anew(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study"
    study = load(STUDY)
    session.make(study, path, ["test"])
    first = driver_on(path, study)
    monkeypatch.setattr(first.cluster, "room", lambda active: 0)
    first.tick()
    first.close()
    file = path / "trials" / SEARCHED / "spec.json"
    whole = file.read_text()
    edited(file, whole)
    second = driver_on(path, study)
    with pytest.raises(FoldChanged) as caught:
        second.tick()
    second.close()
    assert str(file) in str(caught.value)
    assert f"`actsweep resume {path}` writes the file anew" in str(caught.value)
    assert submitted(path) == []
    _, written, said = resumed(path)
    assert [line.partition(",")[0] for line in written] == [f"written anew: {file}"]
    assert said == []
    assert file.read_text() == whole
    assert numbers(path) == numbers(undisturbed)
    assert len(submitted(path)) == len(set(submitted(path)))  # nothing was tried in vain


def test_a_specification_of_a_fold_that_is_over_is_written_anew_too(path: Path, undisturbed: Path) -> None:
    specification, trial = path / "trials" / CONFIRMED / "spec.json", path / "trials" / "relu-c000" / "trial.json"
    specification.unlink()
    trial.write_text("{")
    before = len(submitted(path))
    _, written, _ = resumed(path)
    assert len(written) == 2
    assert specification.read_bytes() == (undisturbed / specification.relative_to(path)).read_bytes()
    assert trial.read_bytes() == (undisturbed / trial.relative_to(path)).read_bytes()
    assert len(submitted(path)) == before
    assert resumed(path)[1] == []


def test_a_folder_of_another_fold_is_not_written_over(path: Path) -> None:
    fold, other = path / "trials" / CONFIRMED, path / "trials" / "dsrelu-c000/fold-1-0"
    shutil.rmtree(fold)
    shutil.copytree(other, fold)
    before = {file: file.read_bytes() for file in fold.rglob("*") if file.is_file()}
    with pytest.raises(FoldChanged, match="its journal is of another training") as caught:
        resumed(path)
    assert f"{fold}: " in str(caught.value)
    assert "move the folder away" in str(caught.value)
    assert before == {file: file.read_bytes() for file in fold.rglob("*") if file.is_file()}
    assert "another training" in status.read(path, verify=True).damaged[CONFIRMED]
    fold.rename(path / "away")
    assert resumed(path, retry=True)[0] == [CONFIRMED]


# -- how a fold ended --------------------------------------------------------------------------------------------------


def torn(file: Path) -> None:
    text = file.read_bytes()
    file.write_bytes(text[: text.rindex(b'"outcomes"')])


def torn_and_written_on(file: Path) -> None:
    torn(file)
    with file.open("ab") as out:
        out.write(b"\n")


def zeros(file: Path) -> None:
    text = file.read_bytes()
    file.write_bytes(text[: text.rindex(b"\n", 0, -1) + 1] + bytes(4096))


def no_file(file: Path) -> None:
    file.unlink()


def no_attempt(file: Path) -> None:
    shutil.rmtree(file.parent)


def no_start(file: Path) -> None:
    file.write_bytes(b"#" + file.read_bytes()[1:])


def no_kind_of_text(file: Path) -> None:
    file.write_bytes(b"\xff\x00\n" * 50)


@pytest.mark.parametrize("harm", [torn, torn_and_written_on, zeros, no_file, no_attempt, no_kind_of_text, no_start])
def test_a_fold_without_its_end_is_told_with_its_file(harm: Callable[[Path], None], path: Path) -> None:
    file = path / "trials" / CONFIRMED / "attempt-1" / FILE
    harm(file)
    for verify in [True] if harm is no_start else [False, True]:  # the last line alone says that the end is whole
        found = status.read(path, verify=verify)
        assert found.now.folds_done == 5
        assert file.relative_to(path).as_posix() in found.damaged[CONFIRMED]
        assert f"`actsweep resume {path} --retry-failed` trains 1 damaged fold again" in found.words()


@pytest.mark.parametrize(("harm", "fold"), [(torn, CONFIRMED), (zeros, SEARCHED), (no_start, CONFIRMED)])
def test_a_fold_without_its_end_is_trained_again_on_request(
    harm: Callable[[Path], None], fold: str, path: Path, undisturbed: Path
) -> None:
    file = path / "trials" / fold / "attempt-1" / FILE
    harm(file)
    before = len(submitted(path))
    again, _, said = resumed(path)
    assert (again, len(submitted(path))) == ([], before)  # not without being asked
    if harm is not no_start:
        assert sum(file.relative_to(path).as_posix() in line for line in said) == 1
    assert resumed(path, retry=True)[0] == [fold]
    assert submitted(path)[before:] == [fold]
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    assert status.read(path, verify=True).damaged == {}
    assert status.read(path).now.folds_done == 6
    assert resumed(path, retry=True)[0] == []


def test_an_epoch_that_is_missing_is_found_by_whoever_reads_everything(path: Path, undisturbed: Path) -> None:
    file = path / "trials" / CONFIRMED / "attempt-1" / FILE
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], lines[2][:40], *lines[3:]]) + "\n")
    assert status.read(path).damaged == {}
    (what,) = status.read(path, verify=True).damaged.values()
    assert "lacks 1 epoch: 2" in what
    assert "line 3 is damaged" in what
    assert resumed(path, retry=True)[0] == [CONFIRMED]
    assert (path / "trials" / CONFIRMED / "failed-1").is_dir()  # nothing whole is thrown away
    assert numbers(path) == numbers(undisturbed)


def test_other_numbers_of_a_fold_that_was_trained_again_are_told(path: Path) -> None:
    file = path / ledger.FILE
    done = state_of(path).completed["dsrelu-c000"].metrics
    (name, value), *_ = done.items()
    file.write_text(file.read_text().replace(json.dumps({name: value})[1:-1].replace(" ", ""), f'"{name}":0.125', 1))
    torn(path / "trials" / CONFIRMED / "attempt-1" / FILE)
    _, _, said = resumed(path, retry=True)
    (line,) = [line for line in said if "other numbers came out" in line]
    assert line.startswith("dsrelu-c000: ")
    assert f"{name} {value!r} (was 0.125)" in line
    assert line in status.read(path).words()


def test_a_fold_of_a_trial_that_its_search_stopped_is_told_and_not_trained_again(path: Path) -> None:
    file = path / ledger.FILE
    lines = file.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"completed","trial":"dsrelu-s000"' in line)
    stopping = json.dumps({"kind": "stopping", "trial": "dsrelu-s000", "epoch": 2, "reason": "the scheduler"})
    file.write_text("\n".join([*lines[:at], stopping, *lines[at:]]) + "\n")
    torn(path / "trials" / SEARCHED / "attempt-1" / FILE)
    assert "stopped early: not trained again" in status.read(path).words()
    assert resumed(path, retry=True)[0] == []


def test_a_damaged_journal_of_a_running_fold_costs_one_submission(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that ends well while its journal lacks the end: the next attempt goes on."""
    path = tmp_path / "study"
    study = load(STUDY)
    session.make(study, path, ["test"])
    driver = driver_on(path, study)
    harmed: list[Path] = []
    poll = driver.cluster.poll

    def harmful(jobs: object) -> object:
        file = path / "trials" / SEARCHED / "attempt-1" / FILE
        if not harmed and (history := read_fold(file.parent.parent)) and history.end is not None:
            torn_and_written_on(file)
            harmed.append(file)
        return poll(jobs)  # type: ignore[arg-type]

    monkeypatch.setattr(driver.cluster, "poll", harmful)
    monkeypatch.setattr(driver, "_observe", lambda: _observed_late(driver))
    assert session.drive(driver, lambda now: None, interval_s=0.02)
    driver.close()
    assert harmed
    assert numbers(path) == numbers(undisturbed)
    assert submitted(path).count(SEARCHED) == 2
    lost = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, JobOver) and record.folds]
    assert [record.folds for record in lost] == [(SEARCHED,)]


def _observed_late(driver: Driver) -> None:
    """The jobs are asked for first, and the journals read when those are damaged already."""
    driver.jobs = dict(driver.cluster.poll(list(driver.state.folds_of))) if driver.state.folds_of else {}
    driver.journals.refresh(list(driver.state.job_of))


# -- what stays of a fold ----------------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "told", "at_once"),
    [(cut, "bytes, was written with", True), (no_file, "is missing", True), (flipped, "SHA-256 differs", False)],
)
def test_a_kept_file_that_is_not_what_was_written_is_told_and_the_fold_trained_again(
    harm: Callable[[Path], None], told: str, at_once: bool, path: Path, undisturbed: Path
) -> None:
    file = path / "trials" / CONFIRMED / "attempt-1" / damage.PREDICTIONS
    harm(file)
    assert bool(status.read(path).damaged) is at_once
    found = status.read(path, verify=True)
    assert told in found.damaged[CONFIRMED]
    assert file.relative_to(path).as_posix() in found.damaged[CONFIRMED]
    assert found.now.folds_done == 6  # its result is there
    assert resumed(path, retry=True)[0] == [CONFIRMED]
    assert (path / "trials" / CONFIRMED / "failed-1").is_dir()
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    (again,) = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, Reopened)]
    assert again.failed == {CONFIRMED: 1}


@pytest.fixture
def without_digests(path: Path) -> Path:
    """As a version before wrote it."""
    for file in path.glob(f"trials/*/fold-*/attempt-1/{FILE}"):
        records = [json.loads(line) for line in file.read_text().splitlines()]
        before = [{name: value for name, value in each.items() if name not in ("crc", "kept")} for each in records]
        file.write_text("".join(json.dumps(each) + "\n" for each in before))
        (file.parent / damage.PREDICTIONS).unlink()
    return path


def test_a_folder_of_the_version_before_has_no_digests_and_is_whole(without_digests: Path) -> None:
    assert status.read(without_digests, verify=True).damaged == {}
    home = without_digests / "trials" / CONFIRMED / "attempt-1"
    (home / damage.PREDICTIONS).write_bytes(b"PK, but no archive")
    assert "is damaged (" in status.read(without_digests, verify=True).damaged[CONFIRMED]


def test_weights_that_were_removed_to_make_room_are_no_damage(path: Path) -> None:
    home = path / "trials" / CONFIRMED / "attempt-1"
    history = read_fold(home.parent)
    assert history is not None
    assert history.end is not None
    kept = {**history.end.kept, damage.WEIGHTS: write_kept(home / damage.WEIGHTS, lambda out: out.write(b"weights"))}
    end = dataclasses.replace(history.end, kept=kept)
    assert damage.kept_damage(home, end) == []
    (home / damage.WEIGHTS).write_bytes(b"WEIGHTS")
    assert damage.kept_damage(home, end) == [(damage.WEIGHTS, "is not what was written (its SHA-256 differs)")]
    (home / damage.WEIGHTS).unlink()
    assert damage.kept_damage(home, end) == []


def test_a_fold_that_was_given_up_or_is_not_over_is_not_missed(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    assert sorted(damage.ended(state)) == sorted(numbers(undisturbed))
    state.completed.pop("relu-c000")
    assert not any(fold.startswith("relu") for fold in damage.ended(state))
    spec = from_text(FoldSpec, (undisturbed / "trials" / CONFIRMED / "spec.json").read_text())
    assert journal.read_fold(undisturbed / "trials" / CONFIRMED).start.digest == spec.digest  # type: ignore[union-attr]
