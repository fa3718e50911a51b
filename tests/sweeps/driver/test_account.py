"""What `status` and the end of a run say of a budget."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from analysis.runs.account import from_json, to_json
from slurm.jobs import JobReport, JobState
from sweeps.driver import account, holding, session
from sweeps.folder import ledger
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import BudgetReached, Finished, JobOver, Opened, Submitted, Submitting, TrialAdded
from sweeps.folder.spending import Hold
from sweeps.folder.state import replay
from sweeps.study.reading import load
from sweeps.study.study import digest
from sweeps.view import status
from trainer.journal import FoldHistory
from trainer.testing import invented_epoch, invented_start

TEXT = """
name: kept
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 4}
folds: {folds: 2}
activations: [relu, tanh]
control: relu
budget: {gpu_hours: 0.5}
"""
FOLDS = ("relu-c000/fold-0-0", "relu-c000/fold-0-1")


def folder(path: Path, *, ended: bool = True) -> Path:
    """A study that has spent 600 of 1800 s, and has promised 200 more on two GPUs or ended for want of budget."""
    study = load(TEXT)
    session.make(study, path, ["test"])
    with contextlib.closing(Ledger(path)) as book:
        book.write(Opened(sweep="a", study="kept", study_digest=digest(study), time=0.0))
        book.write(
            TrialAdded(trial="relu-c000", label="relu", activation="relu", phase="confirm", index=0, params={},
                       training={}, folds=FOLDS, config={})
        )  # fmt: skip
        book.write(Submitting(batch=0, name="n", packs=(FOLDS,), seconds=(500.0,), devices=2, time=1.0))
        book.write(Submitted(batch=0, jobs=("j",)))
        book.write(JobOver(job="j", state="failed", reason="", node=None, folds=FOLDS, epochs=0, counted=True,
                           nodes_fault=False, held_s=300.0, idle_s=10.0))  # fmt: skip
        if ended:
            book.write(BudgetReached(what="4 planned folds of relu, tanh", spent_s=600.0, asked_s=1500.0, cap_s=1800.0,
                                     phase="confirm"))  # fmt: skip
            book.write(Finished(time=9.0))
        else:
            book.write(Submitting(batch=1, name="m", packs=(FOLDS,), seconds=(100.0,), devices=2, time=1.0))
    return path


def test_status_says_what_is_spent_promised_and_left(tmp_path: Path) -> None:
    words = status.read(folder(tmp_path / "kept", ended=False)).words()
    assert "budget: spent 10 min 00 s of device time, promised to jobs 3 min 20 s, left 16 min 40 s of 30 min" in words


def test_status_says_what_was_not_paid_for(tmp_path: Path) -> None:
    now = status.read(folder(tmp_path / "kept"))
    assert "not paid for by the budget: 4 planned folds of relu, tanh" in now.words()
    assert "16 of 16 planned epochs not needed or not paid for by the budget" in " ".join(now.words().split())
    plain = json.loads(now.json())["budget"]
    assert plain["spent_s"] == 600.0
    assert plain["shortfalls"][0]["what"] == "4 planned folds of relu, tanh"


def test_money_has_two_ends_where_partitions_cost_differently(tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "executor: slurm\ntime: 60\nprice_per_gpu_hour: 6\ncurrency: EUR\n"
        "partitions: [{name: a}, {name: b, price_per_gpu_hour: 3}]\n"
    )
    path = folder(tmp_path / "kept")
    state = replay(ledger.read(path / ledger.FILE))
    study = load(TEXT + f"cluster: {{profile: {lab}}}\n")
    found = account.of(study, state, Journals(path / "trials"))
    assert "spent 10 min 00 s of device time (0.50 to 1.00 EUR)" in account.words(found)[0]
    assert from_json(to_json(found)) == found


def test_what_an_earlier_version_watched_is_charged_by_its_epochs(tmp_path: Path) -> None:
    study, path = load(TEXT), folder(tmp_path / "kept")
    text = (path / ledger.FILE).read_text().replace('"held_s":300.0,"idle_s":10.0', '"held_s":null,"idle_s":null')
    (path / ledger.FILE).write_text(text)
    state = replay(ledger.read(path / ledger.FILE))
    assert state.spending.unmetered == set(FOLDS)
    assert account.of(study, state, Journals(path / "trials")).spent_s == 0.0


def of_job(tmp_path: Path, state: JobState, run: dict[str, object] | None, now: float = 1000.0) -> holding.Held:
    hold = Hold(batch=0, index=0, seconds=50.0, devices=1, time=900.0)
    if run is not None:
        home = holding.folder(tmp_path, 0, 0)
        home.mkdir(parents=True)
        (home / "run-0.json").write_text(json.dumps(run))
    epochs = tuple(invented_epoch(epoch=at, time=910.0 + at, train_s=3.0) for at in (1, 2))
    history = FoldHistory(start=invented_start(), epochs=epochs, end=None, attempts=1)
    return holding.of_job(JobReport(job="j", state=state), hold, tmp_path, [history, None], now)


RUN: dict[str, object] = {"began": 911.5, "seen": 931.5, "ended": True, "cut": False}


def test_a_job_is_charged_what_its_runs_say_and_its_epochs_are_not_idle(tmp_path: Path) -> None:
    held = of_job(tmp_path, JobState.FINISHED, RUN)
    assert held == (21.0, 18.0)  # one of the two epochs was before this job


def test_a_node_that_was_lost_is_charged_all_that_was_promised(tmp_path: Path) -> None:
    assert of_job(tmp_path, JobState.NODE_FAILED, {**RUN, "ended": False}).seconds == 50.0


def test_a_job_that_could_write_nothing_is_charged_the_most_that_it_can_have_held(tmp_path: Path) -> None:
    assert of_job(tmp_path, JobState.FAILED, None).seconds == 50.0
    assert of_job(tmp_path, JobState.FAILED, None, now=912.0).seconds == 12.0


def test_a_job_that_was_cancelled_before_it_began_held_nothing(tmp_path: Path) -> None:
    assert of_job(tmp_path, JobState.CANCELLED_BY_US, None).seconds == 0.0


def test_what_was_held_beyond_a_promise_is_charged_all_the_same(tmp_path: Path) -> None:
    assert of_job(tmp_path, JobState.FAILED, {**RUN, "seen": 971.5}).seconds == 60.0


def test_a_pack_that_left_in_time_was_limited_and_did_not_fail(tmp_path: Path) -> None:
    home = holding.folder(tmp_path, 0, 0)
    home.mkdir(parents=True)
    (home / "run-0.json").write_text(json.dumps({**RUN, "cut": True}))
    hold = Hold(batch=0, index=0, seconds=50.0, devices=1, time=900.0)
    found = holding.reported(JobReport(job="j", state=JobState.FINISHED), hold, tmp_path)
    assert found.state is JobState.TIMED_OUT
    assert "used the 50 s that the budget left it" in found.reason
