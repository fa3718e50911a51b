"""`reuse:` and trials that are the same training: what is taken, from where, and what is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.driver import reuse
from sweeps.driver.driver import Driver
from sweeps.errors import StudyError
from sweeps.folder import layout, ledger, reused
from sweeps.folder.growth_records import Reused
from sweeps.folder.records import Submitting
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.testing import attempts, numbers
from sweeps.tracking.folder_reader import FolderReader
from trainer.codec import from_text
from trainer.spec import FoldSpec
from trainer.testing import rewrite

Drive = Callable[..., Driver]
Trainings = Callable[[Path], dict[str, object]]
STUDY = """
name: first
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 3, patience: null}
folds: {folds: 2}
activations: [relu, elu]
"""


@pytest.fixture(autouse=True)
def _same_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "data_digest", lambda spec, node: "0" * 64)


@pytest.fixture
def first(tmp_path: Path, drive: Drive) -> Path:
    path = tmp_path / "runs" / "first"
    drive(path, STUDY)
    return path


def second(tmp_path: Path, text: str = STUDY) -> Path:
    """A study file beside ``runs``, that names the first study's folder."""
    file = tmp_path / "second.yaml"
    file.write_text(text.replace("name: first", "name: second") + "reuse: [runs/first]\n")
    return file


def state_of(path: Path) -> State:
    return replay(ledger.read(path / ledger.FILE))


def submitted(path: Path) -> set[str]:
    records = ledger.read(path / ledger.FILE)
    return {fold for r in records if isinstance(r, Submitting) for pack in r.packs for fold in pack}


def test_the_same_folds_are_taken_and_none_is_trained(
    tmp_path: Path, first: Path, drive: Drive, trainings: Trainings
) -> None:
    path = tmp_path / "runs" / "second"
    driver = drive(path, second(tmp_path))
    assert submitted(path) == set()
    assert set(state_of(path).reused) == set(numbers(first))
    assert numbers(path) == numbers(first)
    assert trainings(path) == trainings(first)
    assert set(attempts(path).values()) == {1}
    assert not driver.reuse.not_taken
    run, _ = FolderReader.open(path).fold("elu-c000/fold-0-1")
    assert run is not None
    assert run.tags["actsweep.reused_from"] == "first/elu-c000/0-1"
    trained, _ = FolderReader.open(first).fold("elu-c000/fold-0-1")
    assert trained is not None
    assert "actsweep.reused_from" not in trained.tags


def test_only_what_is_new_is_trained(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    text = STUDY.replace("[relu, elu]", "[silu, {activation: elu, label: mine}]")
    drive(path, second(tmp_path, text.replace("activations", "control: silu\nactivations")))
    assert submitted(path) == {"silu-c000/fold-0-0", "silu-c000/fold-0-1"}
    assert {one.source for one in state_of(path).reused.values()} == {"elu-c000/fold-0-0", "elu-c000/fold-0-1"}
    assert numbers(path)["mine-c000/fold-0-0"] == numbers(first)["elu-c000/fold-0-0"]


@pytest.mark.parametrize("change", [("epochs: 3", "epochs: 4"), ("{folds: 2}", "{folds: 3}"), ("tiny_cnn", "mlp")])
def test_another_training_is_not_taken(tmp_path: Path, first: Path, drive: Drive, change: tuple[str, str]) -> None:
    path = tmp_path / "runs" / "second"
    drive(path, second(tmp_path, STUDY.replace(*change)))
    assert state_of(path).reused == {}


def journal(first: Path) -> Path:
    return first / "trials" / "relu-c000" / "fold-0-0" / "attempt-1" / "metrics.jsonl"


def cut(file: Path) -> None:
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def without_an_epoch(file: Path) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], *lines[3:]]))


def garbled(file: Path) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([lines[0], "not JSON\n", *lines[2:]]))


def failed(file: Path) -> None:
    rewrite(file, lambda record: record.update(status="failed") if record["kind"] == "end" else None)


def half_predicted(file: Path) -> None:
    (file.parent / reused.PREDICTIONS).write_bytes(b"PK half")


def other_data(file: Path) -> None:
    rewrite(file, lambda record: record.update(data_digest="1" * 64) if record["kind"] == "start" else None)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, None), (failed, None), (without_an_epoch, "its journal is damaged"), (garbled, "its journal is damaged"),
        (half_predicted, "its predictions.npz is damaged"),
        (other_data, "trained on other data"),
    ],
)  # fmt: skip
def test_what_is_not_finished_and_whole_is_trained(
    tmp_path: Path, first: Path, drive: Drive, damage: Callable[[Path], None], said: str | None
) -> None:
    damage(journal(first))
    path = tmp_path / "runs" / "second"
    driver = drive(path, second(tmp_path))
    assert submitted(path) == {"relu-c000/fold-0-0"}
    assert dict(driver.reuse.not_taken) == ({(str(first), said): 1} if said else {})


def test_what_other_code_trained_is_trained_anew(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    driver = drive(path, second(tmp_path), code="c0de" * 4)
    assert len(submitted(path)) == 4
    assert dict(driver.reuse.not_taken) == {(str(first), "trained by other code"): 4}


def test_weights_are_taken_where_they_are_to_be_kept(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    kept = journal(first).parent / reused.WEIGHTS
    with zipfile.ZipFile(kept, "w") as archive:  # as torch writes them
        archive.writestr("weights", b"1")
    drive(path, second(tmp_path, STUDY + "cluster: {keep: best}\n"))
    assert set(state_of(path).reused) == {"relu-c000/fold-0-0"}
    assert (path / "trials" / "relu-c000" / "fold-0-0" / "attempt-1" / reused.WEIGHTS).read_bytes() == kept.read_bytes()


def test_a_driver_killed_between_record_and_copy_goes_on(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    drive(path, second(tmp_path))
    file = path / ledger.FILE
    lines = file.read_text().splitlines(keepends=True)
    records = [json.loads(line)["kind"] for line in lines]
    whole = numbers(path)
    for keep in range(1, len(lines)):
        if records[keep - 1] not in ("reused", "trial_added"):
            continue
        again = tmp_path / f"again-{keep}"
        shutil.copytree(path, again)
        (again / "place.json").unlink()
        (again / ledger.FILE).write_text("".join(lines[:keep]))
        known = {json.loads(line)["fold"] for line in lines[: keep - 1] if json.loads(line)["kind"] == "reused"}
        for fold in set(whole) - known:
            shutil.rmtree(again / "trials" / fold)
        drive(again)
        assert numbers(again) == whole
        assert submitted(again) == set()
        found = [r.fold for r in ledger.read(again / ledger.FILE) if isinstance(r, Reused)]
        assert sorted(found) == sorted(whole), "each is written once"


def test_a_source_that_is_gone_is_trained(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    file = second(tmp_path)
    from sweeps.driver import session

    session.make(load(file), path, ["test"])
    shutil.rmtree(first)
    drive(path)
    assert len(submitted(path)) == 4


def test_a_folder_that_is_none_is_refused_by_key(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"reuse.*no folder of a study: .*runs/first"):
        load(second(tmp_path))


def test_reuse_is_no_part_of_the_identity(tmp_path: Path, first: Path) -> None:
    from sweeps.study.study import digest

    file = second(tmp_path)
    assert load(file).reuse == (str(first),)
    assert digest(load(file)) == digest(load(STUDY.replace("name: first", "name: second")))


def test_two_trials_that_are_one_training_train_once(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    text = STUDY.replace("[relu, elu]", "[relu, {activation: elu, label: one}, {activation: elu, label: two}]")
    drive(path, text)
    assert submitted(path) == {f"{label}-c000/fold-0-{fold}" for label in ("relu", "one") for fold in (0, 1)}
    assert {one.folder for one in state_of(path).reused.values()} == {""}
    assert numbers(path)["two-c000/fold-0-1"] == numbers(path)["one-c000/fold-0-1"]


def test_the_digest_of_a_training_names_what_decides_it() -> None:
    from sweeps.study import planner

    spec = planner.fold_specs(load(STUDY), phase="confirm", trial="t", label="relu")[0]
    same = [dataclasses.replace(spec, study="other"), dataclasses.replace(spec, trial="u"),
            dataclasses.replace(spec, phase="search")]  # fmt: skip
    assert {one.training_digest for one in same} == {spec.training_digest}
    shared = dataclasses.replace(spec, split=dataclasses.replace(spec.split, search_share=0.4))
    other = [shared, dataclasses.replace(shared, phase="search"), dataclasses.replace(spec, repeat=1),
             dataclasses.replace(spec, study_seed=9), dataclasses.replace(spec, fold=1)]  # fmt: skip
    assert len({one.training_digest for one in [spec, *other]}) == 6


def test_a_copy_says_whose_it_is(tmp_path: Path, first: Path, drive: Drive) -> None:
    path = tmp_path / "runs" / "second"
    drive(path, second(tmp_path))
    fold = path / "trials" / "relu-c000" / "fold-0-0"
    spec = from_text(FoldSpec, (fold / layout.SPEC).read_text())
    said = json.loads((fold / "attempt-1" / "metrics.jsonl").read_text().splitlines()[0])
    assert said["digest"] == spec.digest
    assert reused.origin(fold) == reused.From(
        folder=str(first), study="first", fold="relu-c000/fold-0-0", digest=spec.training_digest
    )
