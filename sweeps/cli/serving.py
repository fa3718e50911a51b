"""``actsweep ui`` in the foreground: of a study, of a suite, or of all that lie below a folder."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sweeps.collection.keeper import Keeper
    from sweeps.tracking.ui_server import Ui

REFRESH_S = 30.0
"""Seconds between two looks for news of many studies, as often as the UI itself looks."""


def serve(start: Callable[[], Ui]) -> None:
    """Starts an MLflow UI, says where it is, and keeps it until Ctrl-C."""
    with _until_closed(), start() as running:
        _say_pages(running)
        running.wait()


def serve_all(root: Path, port: int | None) -> bool:
    """Shows all studies below the folder in one UI until Ctrl-C; False where it is no folder of studies."""
    from sweeps.collection import found

    if not found.is_collection(root):
        return False
    from sweeps.collection.keeper import Keeper
    from sweeps.tracking import ui_server

    with _until_closed(), Keeper(root, click.echo) as keeper:
        keeper.refresh()
        _say(keeper.found.left_out, "left out")
        _say(keeper.troubles, "not shown as it is now")
        for name, addresses in keeper.elsewhere().items():
            click.echo("\n  ".join([f"{name}: on its server", *addresses]))
        if not keeper.here:
            return True
        if not keeper.writes:
            click.echo("another `actsweep ui` of this folder keeps it up to date")
        with ui_server.serve(keeper.store, keeper.home / ui_server.LOG, keeper.pages(), port=port) as running:
            _say_pages(running)
            _keep(running, keeper)
    return True


def _keep(running: Ui, keeper: Keeper) -> None:
    """Looks for news until the server ends."""
    told = {**keeper.found.left_out, **keeper.troubles}
    assert running.process is not None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(REFRESH_S)
            return
        keeper.refresh()
        now = {**keeper.found.left_out, **keeper.troubles}
        _say({name: why for name, why in now.items() if told.get(name) != why}, "not shown as it is now")
        told = now


@contextlib.contextmanager
def _until_closed() -> Iterator[None]:
    """Closed by Ctrl-C, by a signal, or with the terminal: the server is in a session of its own, and would stay."""

    def close(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, close) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo("closed")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_pages(running: Ui) -> None:
    """Where it is, and the pages that it was asked for, the first of which is to be opened."""
    click.echo(f"MLflow UI: {running.url}" + ("  (Ctrl-C ends it)" if running.process else ""))
    for page in running.pages:
        click.echo(f"{page.name}: {page.shows}\n  {running.at(page)}")


def _say(troubles: Mapping[str, str], what: str) -> None:
    for name, why in troubles.items():
        click.echo(f"{name}: {what}: {why}", err=True)
