"""Who may log in to a store for a lab: MLflow's own table of users.

It is changed in the database, not through the server: so the administrator's password can be made anew when it is lost.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from analysis.runs import store_words
from sweeps.errors import StoreError, TrackingError
from sweeps.folder.layout import quote_path
from sweeps.store_server.home import ADMIN
from sweeps.store_server.mlflow_server import REMEMBERED_S, MlflowServer
from sweeps.store_server.postgres import USERS


def names(server: MlflowServer) -> list[str]:
    return sorted(user.username for user in _told(server, lambda table: table.list_users()))


def add(server: MlflowServer, user: str, *, reset: bool) -> str:
    """A user with a password at random, or a new password; where it is kept, in words. Raises :class:`StoreError` for
    one that is there already, or is not there."""
    file = server.home.login_file(user)

    def change(table: Any) -> None:
        there = table.has_user(user)
        if there and not reset:
            raise StoreError(f"user {user!r} is there already: {file} holds the login, --reset makes another password")
        if reset and not there:
            raise StoreError(f"user {user!r} is not there, accepts {', '.join(names(server))}; leave --reset out")
        password = server.home.new_login(user)
        if there:
            table.update_user(user, password=password)
        else:
            table.create_user(user, password)

    _told(server, change)
    whose = "only you can read it" if user == ADMIN else f"hand it to {user} by a way that nobody else reads"
    late = f"; within {REMEMBERED_S} s the password before it ends" if reset else ""
    return f"{user} may log in with what {file} holds: {whose}{late}"


def remove(server: MlflowServer, user: str) -> str:
    """Takes a user's login away; his runs stay."""
    file = server.home.login_file(user)
    if user == ADMIN:
        raise StoreError(f"user {ADMIN!r} keeps the store and stays; --reset makes another password")

    def change(table: Any) -> None:
        if not table.has_user(user):
            raise StoreError(f"user {user!r} is not there, accepts {', '.join(names(server))}")
        table.delete_user(user)

    _told(server, change)
    file.unlink(missing_ok=True)
    return f"{user} may log in no more, within {REMEMBERED_S} s; the runs stay"


def _told(server: MlflowServer, action: Any) -> Any:
    if not server.settings.login:
        raise StoreError(f"{server.home.folder}: was started with --no-login, everybody of this machine may write")
    os.environ.update({key: value for key, value in server.environment().items() if key.startswith("MLFLOW_AUTH_CONF")})
    path = list(sys.path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what MLflow stands on, about MLflow
            from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        store_words.silence()
        table = SqlAlchemyStore()
        table.init_db(server.database(USERS))
        try:
            return action(table)
        finally:
            table.engine.dispose()
    except StoreError:
        raise
    except Exception as error:
        what, remedy, _ = store_words.failure(error)
        then = remedy or f"look with `actsweep store status {quote_path(server.home.folder)}`"
        raise TrackingError(f"the logins of {server.home.folder}: {what}; {then}") from error
    finally:
        sys.path[:] = path  # MLflow's migrations put the current folder before installed code
