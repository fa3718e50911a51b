"""A driver in the foreground: shown while it runs, left or stopped by Ctrl-C, followed by the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from sweeps.cli import exit_codes

if TYPE_CHECKING:
    from slurm.jobs import Costs
    from sweeps.view.after_run import Line


def drive(path: Path, *, no_report: bool, interval_s: float, retry_failed: bool = False, here: bool = False) -> None:
    """Drives the study in ``path`` to its report, tells who is to be told, and says how it went. Exits where there is
    more to do."""
    from sweeps.cli.telling import told

    with told(path):
        _drive(path, no_report=no_report, interval_s=interval_s, retry_failed=retry_failed, here=here)


def _drive(path: Path, *, no_report: bool, interval_s: float, retry_failed: bool, here: bool) -> None:
    from rich.console import Console

    from sweeps.driver import session
    from sweeps.view import progress, screen
    from sweeps.view.after_run import after_run

    if not here:
        say_differences(path)
    with session.driving(path, here=here) as driver:
        try:
            if retry_failed:
                say_again(driver.retry_failed())
            say_mended(driver.mend())
            with screen.Show(Console()) as show:
                finished = session.drive(driver, lambda now: show(progress.view(now)), interval_s=interval_s)
        except KeyboardInterrupt:
            leave(path, len(driver.state.folds_of), driver.pause, driver.cluster.costs)
        after = after_run(driver, finished=finished)
    say_after(after.lines)
    if not finished:
        sys.exit(exit_codes.INTERRUPTED)
    if not no_report:
        report(path, allow_incomplete=after.lost)
    if after.incomplete:
        sys.exit(exit_codes.INCOMPLETE)


def say_again(folds: Sequence[str]) -> None:
    """Which folds are tried again."""
    from sweeps import wording

    named = f"trying {wording.counted(len(folds), 'fold')} again: {', '.join(folds)}"
    click.echo(named if folds else "no fold to try again")


def say_mended(written: Iterable[str]) -> None:
    """Which files were written anew."""
    for said in written:
        click.echo(said, err=True)


def say_after(lines: Iterable[Line]) -> None:
    for said in lines:
        click.echo(said.text, err=said.problem)


def report(path: Path, *, allow_incomplete: bool) -> None:
    """Writes the report of a study or suite, and says where it and the runs are."""
    from sweeps.cli import reporting
    from sweeps.folder.layout import quote_path

    for line in reporting.write([str(path)], None, allow_incomplete=allow_incomplete):
        click.echo(line)
    click.echo(f"MLflow: actsweep ui {quote_path(path)}")


def say_differences(path: Path) -> None:
    """What this shell says otherwise than what the study was started with, which is used."""
    from sweeps.driver import session

    for difference in session.differences(path):
        click.echo(difference, err=True)


def leave(path: Path, live: int, pause: Callable[[], None], costs: Costs) -> NoReturn:
    """Ctrl-C: leave the ``live`` jobs or stop them; asked once, and a second Ctrl-C leaves them."""
    from sweeps import wording
    from sweeps.folder.layout import quote_path
    from sweeps.view import footprint

    stop = False
    if live and sys.stdin.isatty():
        try:
            asked = f"\n{wording.jobs(live)} running or waiting. Stop them? (no: they go on)"
            stop = click.confirm(asked, default=False)
        except (click.Abort, KeyboardInterrupt):
            stop = False
    if stop:
        pause()
    what = "stopped" if stop else "left as they are" if live else "none"
    click.echo(f"interrupted; jobs: {what}. Go on with `actsweep resume {quote_path(path)}`", err=True)
    click.echo(footprint.footprint(costs).words(), err=True)
    sys.exit(exit_codes.INTERRUPTED)
