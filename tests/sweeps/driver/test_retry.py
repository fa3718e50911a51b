"""`resume --retry-failed`: what failed gets another try, and ends as if it had never failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.clusters import open_cluster
from slurm.profile import parse
from sweeps.driver import decisions as plan
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import decided, ledger, records
from sweeps.folder.decided import Decided
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Completed, Opened, Reopened, Reported, Selected, Stopping, TrialAdded, TrialStatus
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.testing import decisions, numbers
from trainer.journal import read_fold
from trainer.spec import Phase
from trainer.testing import rewrite

PROFILE = "name: pretend\nexecutor: local\nmax_jobs: 4\nmem_gb: 0.5\n"
STUDY = """
name: pretended
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 3, patience: null}
folds: {folds: 2}
search: {algorithm: tpe, samples: 4, folds: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
cluster: {max_retries: 0}
"""
WORKS, BROKEN = "trainer.testing:pretend", "trainer.testing:missing"


def driven(path: Path, call: str, *, retry: bool = False, text: str = STUDY) -> list[str]:
    """Drives the study to its end; the folds that were tried again."""
    study = load(text)
    session.make(study, path, ["test"])
    cluster = open_cluster(parse(PROFILE, source="pretend.yaml"), path / "jobs")
    driver = Driver(path, study, cluster, None, Node(data_root=None, scratch=None, code=""), call=call)
    again = driver.retry_failed() if retry else []
    try:
        session.drive(driver, lambda now: None, interval_s=0.02)
    finally:
        driver.close()
    return again


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    driven(path, WORKS)
    return path


@pytest.mark.slow
def test_a_study_whose_every_job_was_lost_ends_as_the_undisturbed_one(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    driven(path, BROKEN)
    state = replay(ledger.read(path / ledger.FILE))
    assert state.finished
    assert set(state.selected) == {"relu"}  # a search without a result chooses nothing
    again = driven(path, WORKS, retry=True)
    assert len(again) == 4 * 2 + 2
    assert numbers(path)["relu-c000/fold-1-0"] == numbers(undisturbed)["relu-c000/fold-1-0"]
    assert set(decisions(path)[1]) == {"relu", "dsrelu"}
    assert driven(path, WORKS, retry=True) == []


def test_an_end_by_an_error_is_set_aside_and_its_number_stays_taken(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "study"
    driven(path, WORKS)
    fold, other = "dsrelu-c000/fold-1-0", "dsrelu-c000/fold-1-1"
    journal = path / "trials" / fold / "attempt-1" / "metrics.jsonl"
    rewrite(journal, lambda record: record.update(status="failed") if record["kind"] == "end" else None)
    file = path / ledger.FILE
    lines = file.read_text().replace(
        '"completed","trial":"dsrelu-c000","status":"finished"', '"completed","trial":"dsrelu-c000","status":"failed"'
    )
    file.write_text(lines)
    before = (path / "trials" / other / "attempt-1" / "metrics.jsonl").read_bytes()
    assert driven(path, WORKS, retry=True) == [fold]
    assert (path / "trials" / fold / "failed-1").is_dir()
    history = read_fold(path / "trials" / fold)
    assert history is not None
    assert (history.start.attempt, history.attempts) == (2, 1)
    assert (path / "trials" / other / "attempt-1" / "metrics.jsonl").read_bytes() == before
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)


@pytest.mark.slow
def test_a_retry_cut_off_behind_its_record_goes_on(tmp_path: Path, undisturbed: Path) -> None:
    path = tmp_path / "study"
    driven(path, BROKEN)
    book = Ledger(path)
    (trial,) = [trial for trial in plan.reopenable(book.state, ("dsrelu",)) if trial.label == "relu"]
    book.write(Reopened(trials=(trial.trial,), folds=trial.folds, failed={}))
    book.close()
    assert (path / "trials" / trial.folds[0] / "infra.json").exists()
    driven(path, WORKS)
    assert not (path / "trials" / trial.folds[0] / "infra.json").exists()
    assert read_fold(path / "trials" / trial.folds[0]) is not None


def added(name: str, phase: Phase) -> TrialAdded:
    return TrialAdded(
        trial=name, label="dsrelu", activation="dsrelu", phase=phase, index=0, params={}, training={},
        folds=(f"{name}/fold-0-0",), config={},
    )  # fmt: skip


def known(*more: records.Record) -> State:
    return replay([Opened(sweep="a", study="s", study_digest="d", time=0.0), *more])


def test_a_search_that_has_chosen_is_not_opened_again() -> None:
    lost = Completed(trial="dsrelu-s000", status=TrialStatus.INFRA_FAILED, metrics={})
    chosen = Selected(label="dsrelu", trial="dsrelu-s001", metric="validation/loss", value=1.0, among=2)
    confirmed = Completed(trial="dsrelu-c000", status=TrialStatus.FAILED, metrics={})
    trials = (added("dsrelu-s000", "search"), added("dsrelu-c000", "confirm"))
    names = [trial.trial for trial in plan.reopenable(known(*trials, lost, confirmed), ["dsrelu"])]
    assert names == ["dsrelu-s000", "dsrelu-c000"]
    names = [trial.trial for trial in plan.reopenable(known(*trials, lost, chosen, confirmed), ["dsrelu"])]
    assert names == ["dsrelu-c000"]


@pytest.mark.parametrize("status", [TrialStatus.FINISHED, TrialStatus.STOPPED, TrialStatus.DIVERGED])
def test_a_result_is_never_tried_again(status: TrialStatus) -> None:
    done = Completed(trial="dsrelu-s000", status=status, metrics={})
    assert plan.reopenable(known(added("dsrelu-s000", "search"), done), ["dsrelu"]) == []


HALF = '''
"""Trains as the stand-in does, but for the first fold of every setting searched, which fails after an epoch."""
import dataclasses, time
from pathlib import Path
from trainer import testing
from trainer.attempt import claim, enter
from trainer.journal import Status, Writer
from trainer.codec import from_text, to_text
from trainer.spec import Pack

def half(text):
    pack = from_text(Pack, text)
    for launch in pack.launches:
        if launch.spec.phase == "search" and launch.spec.fold == 0:
            enter(Path(launch.folder), launch.spec)
            claimed = claim(Path(launch.folder))
            digest, rule = launch.spec.digest, launch.spec.training.checkpoint_rule
            writer = Writer(claimed.folder)
            writer.write(testing.invented_start(digest=digest, attempt=claimed.number, time=time.time()))
            writer.write(testing.invented_epoch(metrics={"validation/loss": testing.value(launch.spec, 1)}))
            writer.write(testing.invented_end(status=Status.FAILED, reason="RuntimeError: mine", rule=rule))
    others = tuple(item for item in pack.launches if item.spec.phase != "search" or item.spec.fold != 0)
    return testing.pretend(to_text(dataclasses.replace(pack, launches=others)))
'''


@pytest.mark.slow
def test_a_scheduler_hears_nothing_of_trials_that_lost_a_fold_and_all_of_them_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_payload.py").write_text(HALF)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "study"
    asha = "search: {algorithm: random, samples: 4, folds: 2, scheduler: {name: asha, grace_epochs: 1}}"
    text = STUDY.replace("search: {algorithm: tpe, samples: 4, folds: 2}", asha)
    driven(path, "half_payload:half", text=text)
    records = list(ledger.read(path / ledger.FILE))
    assert not [record for record in records if isinstance(record, Reported | Stopping)]
    assert decided.read(path / "trials" / "dsrelu-s000") == Decided(status=TrialStatus.FAILED)
    again = driven(path, WORKS, text=text, retry=True)
    assert again == [f"dsrelu-s{number:03d}/fold-0-0" for number in range(4)]
    told = [decided.read(path / "trials" / f"dsrelu-s{number:03d}") for number in range(4)]
    assert [one.status for one in told if one] == [TrialStatus.FINISHED] * 4
    assert len([one for one in told if one and one.chosen]) == 1
    assert set(decisions(path)[1]) == {"relu", "dsrelu"}
