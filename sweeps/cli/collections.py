"""``actsweep ui`` of a folder that holds several studies."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sweeps.collection.keeper import Keeper
    from sweeps.tracking.ui_server import Ui

REFRESH_S = 30.0


def shown(root: Path, port: int | None) -> bool:
    """Shows all studies below the folder until Ctrl-C; False where it is no such folder."""
    from sweeps.collection import found

    if not found.is_collection(root):
        return False
    from sweeps.collection.keeper import Keeper
    from sweeps.tracking import ui_server

    with Keeper(root, click.echo) as keeper:
        keeper.refresh()
        _say(keeper.found.left_out, "left out")
        _say(keeper.troubles, "not shown as it is now")
        for name, addresses in keeper.elsewhere().items():
            click.echo("\n  ".join([f"{name}: on its server", *addresses]))
        if not keeper.here:
            return True
        if not keeper.writes:
            click.echo("kept up to date by another `actsweep ui` of this folder")
        running = ui_server.serve(keeper.store, keeper.home / ui_server.LOG, keeper.pages(), port=port)
        _serve(running, keeper)
    return True


def _serve(running: Ui, keeper: Keeper) -> None:
    """Until Ctrl-C, looking for news meanwhile."""
    from sweeps.cli import driving

    with running:
        driving.say(running)
        assert running.process is not None
        told = {**keeper.found.left_out, **keeper.troubles}
        try:
            while True:
                try:
                    running.process.wait(REFRESH_S)
                    return
                except subprocess.TimeoutExpired:
                    keeper.refresh()
                now = {**keeper.found.left_out, **keeper.troubles}
                _say({name: why for name, why in now.items() if told.get(name) != why}, "not shown as it is now")
                told = now
        except KeyboardInterrupt:
            click.echo("closed")


def _say(troubles: Mapping[str, str], what: str) -> None:
    for name, why in troubles.items():
        click.echo(f"{name}: {what}: {why}", err=True)
