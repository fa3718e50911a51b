"""What a user sees while a study runs: counts, time to go, plain lines, the table."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from slurm.jobs import JobReport, JobState
from sweeps.folder.journals import Journals
from sweeps.folder.records import Completed, LedgerRecord, Opened, TrialAdded, TrialStatus
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.view.progress import Show, Snapshot, TimeLeft, line, sizes, snapshot, table, to_go
from sweeps.wording import duration

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


def test_what_is_planned_counts_from_the_start(study: Study, tmp_path: Path) -> None:
    planned = sizes(study)
    assert (planned["search"].folds, planned["search"].epochs) == (10, 20)
    assert (planned["confirm"].folds, planned["confirm"].epochs) == (6, 24)
    now = snapshot(study, state(), Journals(tmp_path))
    assert (now.folds_done, now.folds, now.epochs_most) == (0, 16, 44)


def test_a_row_counts_trials_and_folds_and_shows_the_best(study: Study, tmp_path: Path) -> None:
    now = snapshot(study, state(trial(0), done(0, 0.7), trial(1), done(1, 0.4), trial(2)), Journals(tmp_path))
    (row,) = now.rows
    assert (row.trials_done, row.trials, row.folds_done, row.folds) == (2, 3, 4, 6)
    assert row.best == 0.4
    assert now.epochs_done == 8


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
        epochs_most=100, folds=10, put_off="", tracking="", finished=False,
    )  # fmt: skip


def test_time_to_go_is_estimated_from_what_was_seen_to_be_done() -> None:
    clock = iter([0.0, 30.0, 60.0])
    eta = TimeLeft(lambda: next(clock))
    assert eta(seen(40)) is None
    assert eta(seen(40)) is None
    assert eta(seen(60)) == pytest.approx(40 * 60 / 20)


@pytest.mark.parametrize(("seconds", "words"), [(9.4, "9 s"), (61, "1 min 01 s"), (7260, "2 h 01 min")])
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_line_says_what_holds_a_study_up() -> None:
    now = Snapshot(**{**vars(seen(3)), "put_off": "the queue is full", "tracking": "no answer"})
    shown = line(now, to_go(None))
    assert "time to go not known yet" in shown
    assert "submission put off: the queue is full" in shown
    assert "tracking: no answer" in shown


def test_a_line_tells_the_best_of_a_search_from_that_of_its_confirmation(study: Study, tmp_path: Path) -> None:
    confirmed = dataclasses.replace(trial(9), trial="dsrelu-c000", phase="confirm", index=0)
    end = dataclasses.replace(done(0, 0.6), trial="dsrelu-c000")
    now = snapshot(study, state(trial(0), done(0, 0.7), confirmed, end), Journals(tmp_path))
    assert "best validation/loss: dsrelu search 0.7; dsrelu confirm 0.6" in line(now, to_go(None))


def test_away_from_a_terminal_a_line_comes_only_with_news() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=200)) as show:
        show(seen(1))
        show(seen(2))
        show(Snapshot(**{**vars(seen(2)), "jobs_running": 2}))
    assert len(out.getvalue().splitlines()) == 2


def test_the_table_fits_eighty_columns(study: Study, tmp_path: Path) -> None:
    out = io.StringIO()
    now = snapshot(study, state(trial(0), done(0, 0.7)), Journals(tmp_path))
    Console(file=out, width=80).print(table(now, to_go(60)))
    assert "dsrelu" in out.getvalue()
    assert "0.7" in out.getvalue()
    assert max(len(text) for text in out.getvalue().splitlines()) <= 80


def test_on_a_terminal_it_is_shown_in_place(study: Study, tmp_path: Path) -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=80, force_terminal=True)) as show:
        show(snapshot(study, state(trial(0)), Journals(tmp_path)))
        show(snapshot(study, state(trial(0), done(0, 0.7)), Journals(tmp_path)))
    assert "\x1b[" in out.getvalue()
