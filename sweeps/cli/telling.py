"""Whoever ends a driver tells it: what a study names under ``notify``, when the command on its folder is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sweeps.cli import refusals


class Ending:
    """How a command on a folder goes to its end."""

    problem = ""
    """What somebody must mend, where no error says it; "" where there is nothing."""


@contextmanager
def told(path: Path, *, by_cron: bool = False) -> Iterator[Ending]:
    """Tells at its end what happened to the study or suite in ``path``. What is told, or cannot be, changes no exit
    code; an error passes through. Nothing is told where this process is asked to end: it, or another, goes on."""
    from sweeps.errors import FolderBusy

    ending = Ending()
    try:
        yield ending
    except (FolderBusy, click.ClickException, click.Abort, click.exceptions.Exit):
        raise  # another driver is at work; or nothing has begun
    except Exception as error:
        tell(path, _words(error), by_cron)
        raise
    except SystemExit:
        tell(path, ending.problem, by_cron)
        raise
    tell(path, ending.problem, by_cron)


def _words(error: Exception) -> str:
    refusal = refusals.of(error)
    return refusal.words if refusal is not None else f"{type(error).__name__}: {error}"


def tell(path: Path, problem: str = "", by_cron: bool = False) -> None:
    """Tells what happened, and says how that went."""
    from sweeps.notify import telling

    try:
        for said in telling.tell(path, problem, by_cron=by_cron):
            click.echo(said.text, err=said.problem)
    except KeyboardInterrupt:
        click.echo("interrupted while somebody was told; `actsweep status` says how that stands", err=True)
    except Exception as error:  # what ended is over, and its own end is what counts
        click.echo(f"nobody was told: {type(error).__name__}: {error}", err=True)
