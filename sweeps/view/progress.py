"""What a running sweep looks like: a snapshot of values, a bar and a live table on a terminal, plain lines elsewhere.

Shows validation metrics only; held-out results belong to the report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from slurm.jobs import JobReport, JobState
from sweeps.driver import trial_result
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
    """Trained, in all phases."""
    epochs_most: int
    """As many as there will be if no further fold ends early."""
    epochs_planned: int
    """As many as there would be if no fold ended early."""
    work_done: float
    work_most: float
    """Epochs done and most, each times the share of the items that it trains on: one of a search takes less than one of
    its confirmation."""
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
    for label in study.compared():
        for phase in PHASES:
            trials = [trial for trial in state.of_phase(phase) if trial.label == label]
            if trials:
                rows.append(_row(study, state, journals, trials))
    sized = sizes(study)
    planned = {phase: size.epochs for phase, size in sized.items()}
    done, most = dict.fromkeys(planned, 0), dict(planned)
    for trial in state.trials.values():
        trained, spared = _epochs(study, state, journals, trial)
        done[trial.phase] += trained
        most[trial.phase] -= spared
    if state.finished:  # what was never begun, as the confirmation of a search without a winner, is waited for no more
        most = done
    share = {phase: planner.trained_share(study, phase) for phase in planned}
    states = [report.state for report in reports]
    return Snapshot(
        study=study.name,
        select_on=study.select_on(),
        rows=tuple(rows),
        jobs_running=states.count(JobState.RUNNING),
        jobs_pending=states.count(JobState.PENDING) + states.count(JobState.UNKNOWN),
        epochs_done=sum(done.values()),
        epochs_most=sum(most.values()),
        epochs_planned=sum(planned.values()),
        work_done=sum(share[phase] * epochs for phase, epochs in done.items()),
        work_most=sum(share[phase] * epochs for phase, epochs in most.items()),
        folds=sum(size.folds for size in sized.values()),
        put_off=put_off,
        tracking=tracking,
        finished=state.finished,
    )


def _row(study: Study, state: State, journals: Journals, trials: list[TrialAdded]) -> Row:
    metric = study.select_on()
    best: float | None = None
    done = running = 0
    problems: list[str] = []
    for trial in trials:
        completed = state.completed.get(trial.trial)
        if completed is not None:
            done += len(trial.folds)
            value = completed.metrics.get(metric, math.nan)
            if not completed.status.has_result:
                problems.append(f"{trial.trial} {completed.status}")
        else:
            histories = [journals.history(fold) for fold in trial.folds]
            done += sum(history is not None and history.end is not None for history in histories)
            running += sum(history is not None and history.end is None for history in histories)
            value = _current(histories, metric)
        if math.isfinite(value) and (best is None or study.better(metric, value, best)):
            best = value
    return Row(
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


def _epochs(study: Study, state: State, journals: Journals, trial: TrialAdded) -> tuple[int, int]:
    """Epochs of a trial's folds that were trained, and that were planned and will not be."""
    each = int(trial.training.get("epochs") or study.epochs(trial.phase))
    if trial.trial in state.completed:
        done = sum(journals.epochs(fold) for fold in trial.folds)
        return done, each * len(trial.folds) - done
    done = spared = 0
    for fold, closed_as in zip(trial.folds, trial_result.closed(state, trial), strict=True):
        history = journals.history(fold)
        trained = len(history.epochs) if history is not None else 0
        done += trained
        if closed_as is not None or (history is not None and history.end is not None):
            spared += each - trained
    return done, spared


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


@dataclass(frozen=True, kw_only=True)
class Times:
    gone_s: float | None
    """None where nobody has watched."""
    left_s: float | None
    """None while there is nothing to estimate from."""

    def words(self, *, finished: bool) -> str:
        gone = "" if self.gone_s is None else f"{duration(self.gone_s)} elapsed, "
        left = "time left not known yet" if self.left_s is None else f"about {duration(self.left_s)} left"
        return f"{gone}{'done' if finished else left}"


UNWATCHED = Times(gone_s=None, left_s=None)


class Pace:
    """How long it has watched, and how long it is to go by the work that was done meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun_at = clock()
        self._work_before: float | None = None

    def __call__(self, now: Snapshot) -> Times:
        gone_s = self._clock() - self._begun_at
        if self._work_before is None:
            self._work_before = now.work_done
        gained = now.work_done - self._work_before
        left_s = (now.work_most - now.work_done) * gone_s / gained if gained > 0 else None
        return Times(gone_s=gone_s, left_s=left_s)


def jobs_now(now: Snapshot) -> str:
    return f"{jobs(now.jobs_running)} running, {now.jobs_pending} waiting"


class Show:
    """Shows snapshots: a bar over all epochs and a live table on a terminal, a line for each change elsewhere."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._pace = Pace(clock)
        self._begun = False
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
        times = self._pace(now)
        if self._live:
            self._live.update(screen(now, times), refresh=True)
            return
        self._begun = self._begun or now.jobs_running > 0
        # How many jobs run is no news: where one ends, the next begins. A fold of many epochs tells of every tenth.
        tenths = 10 * now.epochs_done // max(now.epochs_most, 1)
        mark = (self._begun, now.folds_done, tenths, now.put_off, now.tracking, now.finished)
        if mark != self._last:
            self._last = mark
            self._console.print(line(now, times), soft_wrap=True, highlight=False, markup=False)


def line(now: Snapshot, times: Times) -> str:
    """One plain line."""
    best = "; ".join(f"{row.label} {row.phase} {row.best:.4g}" for row in now.rows if row.best is not None)
    parts = [
        f"{now.study}: {now.folds_done}/{counted(now.folds, 'fold')}",
        f"{now.epochs_done}/{counted(now.epochs_most, 'epoch')}",
        jobs_now(now),
        times.words(finished=now.finished),
        *([f"best {now.select_on}: {best}"] if best else []),
        *_notes(now),
    ]
    return " | ".join(parts)


def screen(now: Snapshot, times: Times, known: str | None = None) -> Group:
    """The bar above the table. ``known``: what is known of the jobs, where that is not how many run and wait."""
    return Group(bar(now, times), table(now, known))


def bar(now: Snapshot, times: Times) -> Table:
    """All epochs of the study: done, of how many, and how long that took and is to go."""
    made = Table.grid(padding=(0, 1), expand=True)
    made.add_column(no_wrap=True)
    made.add_column(ratio=1, min_width=8)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    drawn = ProgressBar(total=max(now.epochs_most, 1), completed=now.epochs_done or int(now.finished))
    made.add_row("epochs", drawn, f"{now.epochs_done}/{now.epochs_most}", times.words(finished=now.finished))
    return made


def table(now: Snapshot, known: str | None = None) -> Table:
    """The table of activations and phases. ``known`` as in :func:`screen`."""
    troubled = any(row.problems for row in now.rows)
    made = Table(title=f"{now.study}   {known or jobs_now(now)}", caption="; ".join(_notes(now)) or None)
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


def _notes(now: Snapshot) -> list[str]:
    """What holds a study up, and what it was spared."""
    spared = now.epochs_planned - now.epochs_most
    return [
        *([f"{spared} of {counted(now.epochs_planned, 'planned epoch')} not needed"] if spared else []),
        *([f"submission put off: {now.put_off}"] if now.put_off else []),
        *([f"tracking: {now.tracking}"] if now.tracking else []),
    ]


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
