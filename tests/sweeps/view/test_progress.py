"""What a user sees while a study runs: counts, times, plain lines, the bar and the table."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from slurm.jobs import JobReport, JobState
from sweeps.driver import session
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Completed, Finished, GaveUp, LedgerRecord, Opened, TrialAdded, TrialStatus
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.view import status
from sweeps.view.progress import Snapshot, sizes, snapshot
from sweeps.view.screen import UNWATCHED, Pace, Show, Times, line, screen
from sweeps.wording import duration
from trainer.journal import Status, Writer, attempt_folder
from trainer.testing import invented_end, invented_epoch, invented_start

STUDY = """
name: shown
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 4, patience: null}
folds: {folds: 3}
search: {samples: 5, folds: 2, epochs: 2}
activations: [relu, {activation: dsrelu, space: {k: {uniform: [1, 9]}}}]
control: relu
"""


@pytest.fixture
def study() -> Study:
    return load(STUDY)


def state(*more: LedgerRecord) -> State:
    return replay([Opened(sweep="a", study="shown", study_digest="d", time=0.0), *more])


def trial(index: int) -> TrialAdded:
    name = f"dsrelu-s{index:03d}"
    return TrialAdded(
        trial=name, label="dsrelu", activation="dsrelu", phase="search", index=index, params={}, training={},
        folds=(f"{name}/fold-0-0", f"{name}/fold-0-1"), config={},
    )  # fmt: skip


def done(index: int, loss: float) -> Completed:
    return Completed(trial=f"dsrelu-s{index:03d}", status=TrialStatus.FINISHED, metrics={"validation/loss": loss})


def trained(trials: Path, fold: str, epochs: int, end: Status | None = None, each_s: float = 3.0) -> None:
    """A fold's journal."""
    attempt_folder(trials / fold, 1).mkdir(parents=True)
    writer = Writer(attempt_folder(trials / fold, 1))
    writer.write(invented_start(digest="d"))
    for epoch in range(1, epochs + 1):
        writer.write(invented_epoch(epoch=epoch, train_s=each_s - 1.0, evaluate_s=0.75, rest_s=0.25))
    if end is not None:
        writer.write(invented_end(status=end, epochs=epochs))
    writer.close()


def test_what_is_planned_counts_from_the_start(study: Study, tmp_path: Path) -> None:
    planned = sizes(study)
    assert (planned["search"].folds, planned["search"].epochs) == (10, 20)
    assert (planned["confirm"].folds, planned["confirm"].epochs) == (6, 24)
    now = snapshot(study, state(), Journals(tmp_path))
    assert (now.folds_done, now.folds, now.epochs_most, now.epochs_planned) == (0, 16, 44, 44)


def test_a_row_counts_trials_and_folds_and_shows_the_best(study: Study, tmp_path: Path) -> None:
    now = snapshot(study, state(trial(0), done(0, 0.7), trial(1), done(1, 0.4), trial(2)), Journals(tmp_path))
    (row,) = now.rows
    assert (row.trials_done, row.trials, row.folds_done, row.folds) == (2, 3, 4, 6)
    assert row.best == 0.4


def test_epochs_that_a_search_stopped_early_are_neither_done_nor_waited_for(study: Study, tmp_path: Path) -> None:
    for fold in trial(0).folds:
        trained(tmp_path, fold, 2, Status.FINISHED)
    trained(tmp_path, trial(1).folds[0], 1, Status.STOPPED)  # its second fold was never begun
    stopped = Completed(trial="dsrelu-s001", status=TrialStatus.STOPPED, metrics={})
    now = snapshot(study, state(trial(0), done(0, 0.7), trial(1), stopped), Journals(tmp_path))
    assert (now.epochs_done, now.epochs_most, now.epochs_planned) == (5, 44 - 3, 44)
    assert "3 of 44 planned epochs not needed" in line(now, UNWATCHED)


def test_a_fold_that_ended_early_or_was_given_up_counts_at_once(study: Study, tmp_path: Path) -> None:
    early, lost = trial(0).folds
    trained(tmp_path, early, 1, Status.DIVERGED)
    before = snapshot(study, state(trial(0)), Journals(tmp_path))
    assert (before.epochs_done, before.epochs_most) == (1, 43)
    after = snapshot(study, state(trial(0), GaveUp(fold=lost, reason="out of memory")), Journals(tmp_path))
    assert (after.epochs_done, after.epochs_most) == (1, 41)


def test_nothing_is_left_of_a_finished_study(study: Study, tmp_path: Path) -> None:
    lost = Completed(trial="dsrelu-s000", status=TrialStatus.FAILED, metrics={})
    trained(tmp_path, trial(0).folds[0], 1, Status.FAILED)
    now = snapshot(study, state(trial(0), lost, Finished(time=1.0)), Journals(tmp_path))
    assert (now.epochs_done, now.epochs_most, now.epochs_planned) == (1, 1, 44)


def test_the_epochs_of_a_forgotten_fold_stay_known_and_are_no_news(tmp_path: Path) -> None:
    trained(tmp_path, "relu-c000/fold-0-0", 3)
    trained(tmp_path, "relu-c000/fold-0-1", 2, Status.FINISHED)
    journals = Journals(tmp_path)
    journals.refresh(["relu-c000/fold-0-0"])
    assert [journals.trained(f"relu-c000/fold-0-{fold}") for fold in (0, 1, 2)] == [(3, 9.0), (2, 6.0), (0, 0.0)]
    assert not journals.refresh(["relu-c000/fold-0-0"])
    journals.forget(["relu-c000/fold-0-0"])
    (attempt_folder(tmp_path / "relu-c000/fold-0-0", 1) / "metrics.jsonl").unlink()
    assert journals.trained("relu-c000/fold-0-0") == (3, 9.0)


def test_what_went_wrong_is_named(study: Study, tmp_path: Path) -> None:
    lost = Completed(trial="dsrelu-s000", status=TrialStatus.DIVERGED, metrics={})
    now = snapshot(study, state(trial(0), lost), Journals(tmp_path))
    assert now.rows[0].problems == ("dsrelu-s000 diverged",)
    assert now.rows[0].best is None


def test_jobs_are_counted_by_state_and_a_silent_cluster_counts_as_waiting(study: Study, tmp_path: Path) -> None:
    reports = [JobReport(job=str(n), state=word) for n, word in enumerate(
        (JobState.RUNNING, JobState.PENDING, JobState.UNKNOWN, JobState.FINISHED))]  # fmt: skip
    now = snapshot(study, state(), Journals(tmp_path), reports)
    assert (now.jobs_running, now.jobs_pending) == (1, 2)


def seen(epochs_done: int) -> Snapshot:
    return Snapshot(
        study="s", select_on="validation/loss", rows=(), jobs_running=1, jobs_pending=0, epochs_done=epochs_done,
        epochs_most=100, epochs_planned=100, seconds_left=100.0 - epochs_done, folds=10, put_off="", tracking="",
        finished=False,
    )  # fmt: skip


def seconds(*values: float) -> Callable[[], float]:
    clock = iter(values)
    return lambda: next(clock)


def test_time_left_is_what_the_epochs_to_come_take_with_so_many_jobs_at_a_time() -> None:
    pace = Pace(seconds(0.0, 5.0, 30.0, 60.0, 90.0))
    none = dataclasses.replace(seen(40), seconds_left=None)
    assert pace(none) == Times(gone_s=5.0, left_s=None)
    two = dataclasses.replace(seen(40), seconds_left=300.0, jobs_running=2)
    assert pace(two) == Times(gone_s=30.0, left_s=150.0)
    # Between the end of a job and the begin of the next it is as it was; with fewer jobs it takes longer.
    assert pace(dataclasses.replace(two, jobs_running=0)) == Times(gone_s=60.0, left_s=150.0)
    assert pace(dataclasses.replace(two, jobs_running=1)) == Times(gone_s=90.0, left_s=300.0)


def test_no_time_left_is_told_before_a_job_has_run() -> None:
    waiting = dataclasses.replace(seen(40), seconds_left=300.0, jobs_running=0)
    assert Pace(seconds(0.0, 5.0))(waiting).left_s is None


def test_an_epoch_to_come_takes_what_its_phases_took_or_goes_by_its_items(study: Study, tmp_path: Path) -> None:
    assert snapshot(study, state(), Journals(tmp_path)).seconds_left is None
    for fold in trial(0).folds:
        trained(tmp_path, fold, 2, Status.FINISHED, each_s=3.0)
    searching = [trial(0), done(0, 0.7)]
    search, confirm = 0.4 * (2 / 3) * 0.8, (1 - 0.6 / 3) * 0.8  # shares of the items
    now = snapshot(study, state(*searching), Journals(tmp_path))
    assert now.seconds_left == pytest.approx(16 * 3.0 + 24 * 3.0 * confirm / search)
    confirmed = dataclasses.replace(trial(9), trial="relu-c000", label="relu", phase="confirm", index=0)
    confirmed = dataclasses.replace(confirmed, folds=("relu-c000/fold-1-0",))
    trained(tmp_path, confirmed.folds[0], 1, each_s=7.0)
    now = snapshot(study, state(*searching, confirmed), Journals(tmp_path))
    assert now.seconds_left == pytest.approx(16 * 3.0 + 23 * 7.0)


@pytest.mark.parametrize(("length", "words"), [(9.4, "9 s"), (61, "1 min 01 s"), (7260, "2 h 01 min")])
def test_durations_read_as_people_say_them(length: float, words: str) -> None:
    assert duration(length) == words


def test_a_line_says_what_holds_a_study_up() -> None:
    now = Snapshot(**{**vars(seen(3)), "put_off": "the queue is full", "tracking": "no answer"})
    shown = line(now, UNWATCHED)
    assert "time left not known yet" in shown
    assert "submission put off: the queue is full" in shown
    assert "tracking: no answer" in shown


def test_a_line_tells_the_best_of_a_search_from_that_of_its_confirmation(study: Study, tmp_path: Path) -> None:
    confirmed = dataclasses.replace(trial(9), trial="dsrelu-c000", phase="confirm", index=0)
    end = dataclasses.replace(done(0, 0.6), trial="dsrelu-c000")
    now = snapshot(study, state(trial(0), done(0, 0.7), confirmed, end), Journals(tmp_path))
    assert "best validation/loss: dsrelu search 0.7; dsrelu confirm 0.6" in line(now, UNWATCHED)


def piped(*states: Snapshot) -> list[str]:
    """The lines of a run whose output is no terminal, one state a second."""
    out = io.StringIO()
    with Show(Console(file=out, width=80), seconds(*range(len(states) + 1))) as show:
        for now in states:
            show(now)
    return out.getvalue().splitlines()


def test_in_a_pipe_jobs_that_come_and_go_are_no_news() -> None:
    waiting, running = (dataclasses.replace(seen(3), jobs_running=count) for count in (0, 2))
    lines = piped(waiting, waiting, running, dataclasses.replace(running, jobs_running=1), waiting, running)
    assert [text.split(" | ")[2] for text in lines] == ["0 jobs running, 0 waiting", "2 jobs running, 0 waiting"]


def test_in_a_pipe_a_line_comes_with_each_change() -> None:
    first = seen(1)
    held = dataclasses.replace(first, put_off="the queue is full")
    lines = piped(first, seen(9), held, held, seen(19), seen(20), dataclasses.replace(seen(100), finished=True))
    assert [text.split(" | ")[1] for text in lines] == [
        "1/100 epochs", "1/100 epochs", "19/100 epochs", "20/100 epochs", "100/100 epochs"
    ]  # fmt: skip
    assert "submission put off: the queue is full" in lines[1]
    assert lines[-1].endswith("7 s elapsed, done")
    assert len(set(lines)) == len(lines)


def test_in_a_pipe_a_line_is_one_line_however_narrow(study: Study, tmp_path: Path) -> None:
    (text,) = piped(snapshot(study, state(trial(0), done(0, 0.7)), Journals(tmp_path)))
    assert len(text) > 80


def screen_at(width: int, now: Snapshot, times: Times) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(screen(now, times))
    return out.getvalue().splitlines()


def test_bar_and_table_fit_eighty_columns(study: Study, tmp_path: Path) -> None:
    lost = Completed(trial="dsrelu-s001", status=TrialStatus.DIVERGED, metrics={})
    now = snapshot(study, state(trial(0), done(0, 0.7), trial(1), lost), Journals(tmp_path))
    now = dataclasses.replace(now, epochs_done=123_456, epochs_most=234_567)
    first, *rest = screen_at(80, now, Times(gone_s=45_000, left_s=40_000))
    assert first.startswith("epochs ━━")
    assert first.rstrip().endswith(" 123456/234567 12 h 30 min elapsed, about 11 h 06 min left")
    assert "0.7" in "".join(rest)
    assert "dsrelu" in "".join(rest)
    assert max(map(len, [first, *rest])) <= 80


@pytest.mark.parametrize(("done", "share"), [(0, 0.0), (25, 0.25), (100, 1.0)])
def test_the_bar_is_as_long_as_its_share_is_done(done: int, share: float) -> None:
    def drawn(epochs: int) -> int:
        return screen_at(100, seen(epochs), UNWATCHED)[0].count("━")

    assert drawn(done) == pytest.approx(share * drawn(100), abs=1)


def test_the_bar_of_a_study_that_ended_without_an_epoch_is_full() -> None:
    nothing = dataclasses.replace(seen(0), epochs_most=0, finished=True)
    assert screen_at(80, nothing, UNWATCHED)[0].startswith("epochs ━━━━━━━━")


def test_on_a_terminal_it_is_shown_in_place(study: Study, tmp_path: Path) -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=80, force_terminal=True), seconds(0.0, 2.0, 61.0)) as show:
        job = JobReport(job="1", state=JobState.RUNNING)
        show(snapshot(study, state(trial(0)), Journals(tmp_path), [job]))
        for fold in trial(0).folds:
            trained(tmp_path, fold, 2, Status.FINISHED)
        show(snapshot(study, state(trial(0), done(0, 0.7)), Journals(tmp_path), [job]))
    shown = out.getvalue()
    assert "\x1b[" in shown
    assert "4/44" in shown
    # 16 epochs of 3 s, and 24 on three times the items.
    assert "1 min 01 s elapsed, about 4 min 24 s left" in shown


def test_status_shows_the_bar_from_files_alone(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "study"
    session.make(study, path, ["actsweep"])
    ledger = Ledger(path)
    ledger.write(Opened(sweep="a", study=study.name, study_digest=digest(study), time=0.0), trial(0), done(0, 0.7))
    ledger.close()
    for fold in trial(0).folds:
        trained(path / "trials", fold, 1, Status.FINISHED)
    found = status.read(path)
    first = found.words().splitlines()[0]
    assert first.startswith("epochs ━")
    assert "2/42 time left not known yet" in first
    assert json.loads(found.json())["epochs_planned"] == 44
