"""`actsweep store`: one store for a lab to share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sweeps.cli import exit_codes

FOLDER = click.argument("folder", metavar="[DIR]", default="store", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def store() -> None:
    """One MLflow store for a lab: PostgreSQL, artifacts and logins, on this machine.

    A study uses it by `tracking: {uri: ADDRESS}`; everything of it is in DIR (default: ./store)."""


@store.command("up")
@FOLDER
@click.option("--port", type=click.IntRange(1, 65535), help="Port (default: 5000).")
@click.option("--host", metavar="ADDRESS",
              help="Listen there, 0.0.0.0 for every network (default: 127.0.0.1, this machine alone).")  # fmt: skip
@click.option("--name", "names", metavar="HOST", multiple=True,
              help="Another name that people use for this machine; the first is printed.")  # fmt: skip
@click.option("--certificate", type=click.Path(path_type=Path, dir_okay=False), help="TLS: the PEM file to show.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="TLS: the certificate's key.")
@click.option("--sqlite", is_flag=True, help="Without PostgreSQL: for a few people.")
@click.option("--no-login", is_flag=True, help="Let everybody of this machine write (127.0.0.1 only).")
def up(
    folder: Path,
    port: int | None,
    host: str | None,
    names: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    sqlite: bool,
    no_login: bool,
) -> None:
    """Start the store in DIR, or what of it does not run.

    Safe to repeat, as after a reboot: it goes on with what is there, and with the options of the last start."""
    from sweeps.store_server import lab

    asked: dict[str, Any] = {
        "port": port,
        "host": host,
        "names": names or None,
        "certificate": certificate and str(certificate.absolute()),
        "key": key and str(key.absolute()),
        "database": "sqlite" if sqlite else None,
        "login": False if no_login else None,
    }
    click.echo("\n".join(lab.up(folder, {name: value for name, value in asked.items() if value is not None})))


@store.command("status")
@FOLDER
def status(folder: Path) -> None:
    """Say whether the store in DIR answers, down to its database; exit 1 where it does not."""
    from sweeps.store_server import lab

    state = lab.status(folder)
    click.echo("\n".join(state.lines))
    if not state.well:
        sys.exit(exit_codes.FAILED)


@store.command("down")
@FOLDER
def down(folder: Path) -> None:
    """Stop the store in DIR; all that it holds stays. A copy of DIR is then a backup."""
    from sweeps.store_server import lab

    click.echo(lab.down(folder))


@store.command("user")
@click.argument("name", required=False)
@FOLDER
@click.option("--reset", is_flag=True, help="Make a new password.")
@click.option("--remove", is_flag=True, help="Take the login away; the runs stay.")
def user(name: str | None, folder: Path, reset: bool, remove: bool) -> None:
    """Give NAME a login for the store in DIR; without NAME, list who has one in ./store.

    The password is made at random and kept in a file that only you can read; it is never printed."""
    from sweeps.store_server import lab

    if reset and remove:
        raise click.UsageError("--reset and --remove: give one of them")
    click.echo(lab.user(folder, name, reset=reset, remove=remove))
