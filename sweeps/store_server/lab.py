"""A store for a lab to share: started, looked at, stopped. Each step goes on from what is done already."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.errors import StoreError, TrackingError
from sweeps.folder.layout import quote_path
from sweeps.store_server import logins
from sweeps.store_server.home import ADMIN, LOCAL, Home, Settings
from sweeps.store_server.mlflow_server import MlflowServer
from sweeps.store_server.postgres import Postgres


@dataclass(frozen=True, kw_only=True)
class State:
    """How a store stands, in lines, and whether all of it runs."""

    lines: list[str]
    well: bool


def up(folder: Path, asked: Mapping[str, Any]) -> list[str]:
    """Starts what of the store in ``folder`` does not run, and says how to use it. ``asked``: fields of
    :class:`Settings`; the others stay as they were. Raises :class:`StoreError` before anything is written, and
    :class:`TrackingError` for what does not start."""
    home = Home(folder.resolve())
    _settings(home, asked)
    home.make()
    with home.locked():
        settings = _settings(home, asked)
        server, database = MlflowServer(home, settings), Postgres(home.folder)
        begun = not (settings.database == "sqlite" or database.runs)
        home.keep(settings)
        try:
            if settings.database == "postgresql":
                database.start()
            server.start()
        except BaseException:
            if begun:
                with contextlib.suppress(TrackingError):
                    database.stop()
            raise
    return _how_to_use(server)


def down(folder: Path) -> str:
    """Stops it; what it holds stays. Does nothing where it does not run."""
    with _held(folder) as (home, settings):
        MlflowServer(home, settings).stop()
        if settings.database == "postgresql":
            Postgres(home.folder).stop()
    return f"the store in {home.folder} is down; `actsweep store up {quote_path(home.folder)}` goes on with it"


def status(folder: Path) -> State:
    home = Home(folder.resolve())
    settings = home.known()
    server, database = MlflowServer(home, settings), Postgres(home.folder)
    again = f"`actsweep store up {quote_path(home.folder)}` starts it"
    lines, well = [], True
    if settings.database == "postgresql":
        well = database.runs
        lines.append("PostgreSQL: runs" if well else f"PostgreSQL: does not run; {again}")
    if not server.runs:
        return State(lines=[*lines, f"MLflow's server: does not run; {again}"], well=False)
    trouble = server.trouble()
    said = f"answers on {server.address}" if trouble is None else f"{trouble} (its log: {server.log})"
    return State(lines=[*lines, f"MLflow's server: {said}"], well=well and trouble is None)


def user(folder: Path, name: str | None, *, reset: bool = False, remove: bool = False) -> str:
    """Gives a person a login, a new password, or takes the login away; without a name, who has one."""
    with _held(folder) as (home, settings):
        if settings.database == "postgresql" and not Postgres(home.folder).runs:
            raise TrackingError(f"the store is down: `actsweep store up {quote_path(home.folder)}` first")
        server = MlflowServer(home, settings)
        if name is None:
            return "\n".join(logins.names(server))
        return logins.remove(server, name) if remove else logins.add(server, name, reset=reset)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[tuple[Home, Settings]]:
    home = Home(folder.resolve())
    home.known()
    with home.locked():
        yield home, home.known()


def _settings(home: Home, asked: Mapping[str, Any]) -> Settings:
    """What the store is to run with. Raises :class:`StoreError` where that cannot be, or where it runs otherwise."""
    before = home.settings
    wanted = dataclasses.replace(before or Settings(), **asked)
    if before is not None and wanted.database != before.database:
        raise StoreError(f"{home.folder}: its runs are in {before.database}; name another folder for another database")
    if before is not None and wanted != before and MlflowServer(home, before).runs:
        fields = [field.name for field in dataclasses.fields(Settings)]
        other = [name for name in fields if getattr(wanted, name) != getattr(before, name)]
        said = ", ".join(f"{name} {getattr(before, name)}" for name in other)
        raise StoreError(
            f"{home.folder}: runs with {said}; `actsweep store down {quote_path(home.folder)}` first, then start it "
            "the other way"
        )
    if wanted.database == "postgresql":
        Postgres(home.folder).check()
        Postgres(home.folder).programs()
    return wanted


def _how_to_use(server: MlflowServer) -> list[str]:
    settings, home = server.settings, server.home
    where = quote_path(home.folder)
    what = "PostgreSQL" if settings.database == "postgresql" else "SQLite, for a few people"
    lines = [
        f"store: {server.address} ({what}; all of it is in {home.folder})",
        f'a study:  tracking: {{uri: "{server.address}"}}',
    ]
    if settings.login:
        login = quote_path(home.login_file(ADMIN))
        lines += [
            f"a shell:  . {login}    (MLFLOW_TRACKING_USERNAME and _PASSWORD of the administrator, for your eyes only)",
            f"a colleague:  actsweep store user NAME {where}    (a login: all read, each changes what he made)",
        ]
    if settings.certificate:
        lines.append(
            "a certificate of your site's own authority:  export MLFLOW_TRACKING_SERVER_CERT_PATH=AUTHORITY.pem"
        )
    elif settings.host not in LOCAL:
        lines.append("beware: without --certificate and --key, passwords cross the network readable")
    return [*lines, f"after a reboot:  actsweep store up {where}"]
