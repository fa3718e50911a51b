"""How a snapshot is shown: a bar over all epochs and a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from sweeps.view.progress import Snapshot
from sweeps.view.waiting import News, running_now, short
from sweeps.wording import counted, duration


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
    return running_now(now.waiting.on_jobs, now.jobs_running, now.jobs_pending)


class Shown:
    """What changes while it is looked at: drawn anew in its place on a terminal, a line for each change elsewhere,
    also on a terminal that cannot draw (TERM=dumb)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        draws = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False) if draws else None
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

    def show(self, drawn: Callable[[], Group], mark: tuple[object, ...], line: Callable[[], str]) -> None:
        """``mark``: what is news where it differs from the last time."""
        if self._live:
            self._live.update(drawn(), refresh=True)
        elif mark != self._last:
            self._last = mark
            self._console.print(line(), soft_wrap=True, highlight=False, markup=False)


def tenths(done: int, most: int) -> int:
    """A fold of many epochs tells of every tenth."""
    return 10 * done // max(most, 1)


class Show(Shown):
    """Shows snapshots: a bar over all epochs and a live table on a terminal, a line for each change elsewhere."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._pace = Pace(clock)
        self._news = News()
        self._begun = False

    def __call__(self, now: Snapshot) -> None:
        times = self._pace(now)
        self._begun = self._begun or now.jobs_running > 0
        # How many jobs run is no news: where one ends, the next begins.
        done = tenths(now.epochs_done, now.epochs_most)
        news = self._news(now.waiting, times.gone_s or 0.0)
        mark = (self._begun, now.folds_done, done, now.put_off, now.tracking, now.finished, news)
        self.show(lambda: screen(now, times), mark, lambda: line(now, times))


def line(now: Snapshot, times: Times) -> str:
    """One plain line."""
    best = "; ".join(f"{row.label} {row.phase} {row.best:.4g}" for row in now.rows if row.best is not None)
    parts = [
        f"{now.study}: {now.folds_done}/{counted(now.folds - now.folds_never, 'fold')}",
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
            f"{row.trials_done}/{row.trials}" + (f"\n{row.dropped} dropped" if row.dropped else ""),
            f"{row.folds_done}/{row.folds}",
            str(row.folds_running or ""),
            "" if row.best is None else f"{row.best:.4g}",
            *([", ".join(row.problems)] if troubled else []),
        )
    return made


def _notes(now: Snapshot) -> list[str]:
    """What holds a study up, and what it was spared."""
    spared = now.epochs_planned - now.epochs_most
    why = "not needed or not paid for by the budget" if now.short_of_budget else "not needed"
    return [
        *([f"{spared} of {counted(now.epochs_planned, 'planned epoch')} {why}"] if spared else []),
        *([why] if (why := short(now.waiting)) else []),
        *([f"submission put off: {now.put_off}"] if now.put_off else []),
        *([f"tracking: {now.tracking}"] if now.tracking else []),
    ]
