"""What a running sweep looks like: a snapshot of values, a bar and a live table on a terminal, plain lines elsewhere.

Shows validation metrics only; held-out results belong to the report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
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
from sweeps.folder.journals import Journals, Trained
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
    seconds_left: float | None
    """That the epochs to come would take one after the other; None while none was trained."""
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
    done, seconds, most = dict.fromkeys(planned, 0), dict.fromkeys(planned, 0.0), dict(planned)
    for trial in state.trials.values():
        trained, spared = _trained(study, state, journals, trial)
        done[trial.phase] += trained.epochs
        seconds[trial.phase] += trained.seconds
        most[trial.phase] -= spared
    if state.finished:  # what was never begun, as the confirmation of a search without a winner, is waited for no more
        most = done
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
        seconds_left=_seconds_left(study, done, most, seconds),
        folds=sum(size.folds for size in sized.values()),
        put_off=put_off,
        tracking=tracking,
        finished=state.finished,
    )


def _seconds_left(
    study: Study, done: Mapping[Phase, int], most: Mapping[Phase, int], seconds: Mapping[Phase, float]
) -> float | None:
    """An epoch to come takes what those of its phase took; of a phase that has not begun, as much longer than those of
    the other as it trains on more items. None while no epoch was trained."""
    if not any(done.values()):
        return None
    share = {phase: planner.trained_share(study, phase) for phase in done}
    per_share = sum(seconds.values()) / sum(share[phase] * epochs for phase, epochs in done.items())
    each = {phase: seconds[phase] / epochs if epochs else share[phase] * per_share for phase, epochs in done.items()}
    return sum(each[phase] * (most[phase] - epochs) for phase, epochs in done.items())


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


def _trained(study: Study, state: State, journals: Journals, trial: TrialAdded) -> tuple[Trained, int]:
    """What a trial's folds have trained, and how many of their epochs were planned and will not be."""
    each = int(trial.training.get("epochs") or study.epochs(trial.phase))
    over = [trial.trial in state.completed] * len(trial.folds)
    if trial.trial not in state.completed:
        for at, closed_as in enumerate(trial_result.closed(state, trial)):
            history = journals.history(trial.folds[at])
            over[at] = closed_as is not None or (history is not None and history.end is not None)
    found = [journals.trained(fold) for fold in trial.folds]
    spared = sum(each - fold.epochs for fold, ended in zip(found, over, strict=True) if ended)
    return Trained(sum(fold.epochs for fold in found), sum(fold.seconds for fold in found)), spared


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
    """How long it has watched, and how long it is to go with as many jobs at a time as were last seen to run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._at_a_time = 0

    def __call__(self, now: Snapshot) -> Times:
        self._at_a_time = now.jobs_running or self._at_a_time
        known = now.seconds_left is not None and self._at_a_time > 0
        left_s = (now.seconds_left or 0.0) / self._at_a_time if known else None
        return Times(gone_s=self._clock() - self._begun, left_s=left_s)


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
