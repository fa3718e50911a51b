"""What a running sweep looks like: a snapshot of values, a live table on a terminal, plain lines elsewhere.

Shows validation metrics only; held-out results belong to the report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from slurm.jobs import JobReport, JobState
from sweeps.driver.driver import Driver
from sweeps.folder.journals import Journals
from sweeps.folder.records import TrialAdded
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted, duration, jobs
from trainer.journal import FoldHistory
from trainer.spec import Phase

PHASES: tuple[Phase, ...] = ("search", "confirm")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One activation in one phase."""

    label: str
    phase: str
    trials_done: int
    trials: int
    folds_done: int
    folds_running: int
    folds: int
    best: float | None
    """Of the study's ``select_on``, over the trials that are over or have reported."""
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    study: str
    select_on: str
    rows: tuple[Row, ...]
    jobs_running: int
    jobs_pending: int
    epochs_done: int
    epochs_most: int
    """As many as there would be if no fold ended early."""
    folds: int
    """Planned, in all phases."""
    put_off: str
    tracking: str
    finished: bool

    @property
    def folds_done(self) -> int:
        return sum(row.folds_done for row in self.rows)


def snapshot(
    study: Study,
    state: State,
    journals: Journals,
    reports: Iterable[JobReport] = (),
    *,
    put_off: str = "",
    tracking: str = "",
) -> Snapshot:
    """How a sweep stands."""
    rows: list[Row] = []
    epochs_done = 0
    for label in study.compared():
        for phase in PHASES:
            trials = [trial for trial in state.of_phase(phase) if trial.label == label]
            if trials:
                row, done = _row(study, state, journals, trials)
                rows.append(row)
                epochs_done += done
    planned = sizes(study).values()
    states = [report.state for report in reports]
    return Snapshot(
        study=study.name,
        select_on=study.select_on(),
        rows=tuple(rows),
        jobs_running=states.count(JobState.RUNNING),
        jobs_pending=states.count(JobState.PENDING) + states.count(JobState.UNKNOWN),
        epochs_done=epochs_done,
        epochs_most=sum(size.epochs for size in planned),
        folds=sum(size.folds for size in planned),
        put_off=put_off,
        tracking=tracking,
        finished=state.finished,
    )


def _row(study: Study, state: State, journals: Journals, trials: list[TrialAdded]) -> tuple[Row, int]:
    metric = study.select_on()
    best: float | None = None
    done = running = epochs_done = 0
    problems: list[str] = []
    for trial in trials:
        epochs = int(trial.training.get("epochs") or study.epochs(trial.phase))
        completed = state.completed.get(trial.trial)
        if completed is not None:
            done += len(trial.folds)
            epochs_done += epochs * len(trial.folds)
            value = completed.metrics.get(metric, math.nan)
            if not completed.status.has_result:
                problems.append(f"{trial.trial} {completed.status}")
        else:
            histories = [journals.history(fold) for fold in trial.folds]
            done += sum(history is not None and history.end is not None for history in histories)
            running += sum(history is not None and history.end is None for history in histories)
            epochs_done += sum(_epochs(history, epochs) for history in histories)
            value = _current(histories, metric)
        if math.isfinite(value) and (best is None or study.better(metric, value, best)):
            best = value
    row = Row(
        label=trials[0].label,
        phase=trials[0].phase,
        trials_done=sum(trial.trial in state.completed for trial in trials),
        trials=len(trials),
        folds_done=done,
        folds_running=running,
        folds=sum(len(trial.folds) for trial in trials),
        best=best,
        problems=tuple(problems),
    )
    return row, epochs_done


def _epochs(history: FoldHistory | None, epochs: int) -> int:
    """Epochs that no longer have to be waited for."""
    if history is None:
        return 0
    return epochs if history.end is not None else len(history.epochs)


def _current(histories: list[FoldHistory | None], metric: str) -> float:
    values = [h.epochs[-1].metrics.get(metric, math.nan) for h in histories if h is not None and h.epochs]
    return sum(values) / len(values) if len(values) == len(histories) else math.nan


@dataclass(frozen=True, kw_only=True)
class Size:
    """Trials, folds and at most so many epochs of one phase."""

    trials: int
    folds: int
    epochs: int


def sizes(study: Study) -> dict[Phase, Size]:
    """What a study plans, by phase, in order."""
    result: dict[Phase, Size] = {}
    for phase in PHASES:
        trials = sum(planner.trials(study, label, phase) for label in study.compared())
        folds = trials * len(planner.repeats(study, phase)) * len(planner.fold_numbers(study, phase))
        if folds:
            result[phase] = Size(trials=trials, folds=folds, epochs=folds * study.epochs(phase))
    return result


class TimeLeft:
    """Seconds to go, from the epochs that were done while it watched."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: tuple[float, int] | None = None

    def __call__(self, now: Snapshot) -> float | None:
        """None while there is nothing to estimate from."""
        if self._begun is None:
            self._begun = (self._clock(), now.epochs_done)
            return None
        gained, took_s = now.epochs_done - self._begun[1], self._clock() - self._begun[0]
        return (now.epochs_most - now.epochs_done) * took_s / gained if gained > 0 else None


def jobs_now(now: Snapshot) -> str:
    return f"{jobs(now.jobs_running)} running, {now.jobs_pending} waiting"


def to_go(seconds: float | None) -> str:
    return "time to go not known yet" if seconds is None else f"about {duration(seconds)} to go"


class Show:
    """Shows snapshots: a live table on a terminal, a line whenever something was finished elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._time_left = TimeLeft()
        self._last: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, now: Snapshot) -> None:
        left = to_go(self._time_left(now))
        if self._live:
            self._live.update(table(now, left), refresh=True)
            return
        mark = (now.folds_done, now.jobs_running, now.put_off, now.tracking)
        if mark != self._last:
            self._last = mark
            self._console.print(line(now, left), soft_wrap=True, highlight=False, markup=False)


def line(now: Snapshot, left: str) -> str:
    """One plain line."""
    best = "; ".join(f"{row.label} {row.phase} {row.best:.4g}" for row in now.rows if row.best is not None)
    parts = [
        f"{now.study}: {now.folds_done}/{counted(now.folds, 'fold')}",
        jobs_now(now),
        "done" if now.finished else left,
        *([f"best {now.select_on}: {best}"] if best else []),
        *([f"submission put off: {now.put_off}"] if now.put_off else []),
        *([f"tracking: {now.tracking}"] if now.tracking else []),
    ]
    return " | ".join(parts)


def table(now: Snapshot, left: str, known: str | None = None) -> Table:
    """The live table. ``known``: what is known of the jobs, where that is not how many run and wait."""
    title = f"{now.study}   {known or jobs_now(now)}   "
    troubled = any(row.problems for row in now.rows)
    made = Table(title=title + ("done" if now.finished else left), caption=_caption(now))
    for name in ("activation", "phase"):
        made.add_column(name, no_wrap=True, overflow="fold")
    for name in ("trials", "folds", "training", f"best\n{now.select_on}"):
        made.add_column(name, justify="right", overflow="fold")
    if troubled:
        made.add_column("problems")
    for row in now.rows:
        made.add_row(
            row.label,
            row.phase,
            f"{row.trials_done}/{row.trials}",
            f"{row.folds_done}/{row.folds}",
            str(row.folds_running or ""),
            "" if row.best is None else f"{row.best:.4g}",
            *([", ".join(row.problems)] if troubled else []),
        )
    return made


def _caption(now: Snapshot) -> str | None:
    notes = [f"submission put off: {now.put_off}"] if now.put_off else []
    notes += [f"tracking: {now.tracking}"] if now.tracking else []
    return "; ".join(notes) or None


def view(driver: Driver) -> Snapshot:
    """How the sweep stands after a tick."""
    return snapshot(
        driver.study,
        driver.state,
        driver.journals,
        driver.jobs.values(),
        put_off=driver.refused,
        tracking=driver.tracking_problem,
    )
