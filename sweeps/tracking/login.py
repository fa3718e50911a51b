"""Tokens of tracking servers, from a file that only their owner can read.

A driver that was sent to the scheduler gets no credentials of the shell that sent it: Slurm shows a job's environment
to its administrators, and keeps it on the node. MLflow reads ``~/.mlflow/credentials`` for a name and a password; for
tokens there is ``~/.config/actsweep/tokens`` (or the file that ``ACTSWEEP_TOKENS`` names), a line for each server:
its address, a space, the token. It is read whenever a server is reached anew: a driver that runs takes up a token that
was renewed there.
"""

from __future__ import annotations

import os
from pathlib import Path

from sweeps.errors import TrackingError

VARIABLE, DEFAULT = "ACTSWEEP_TOKENS", "~/.config/actsweep/tokens"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105
_replaced: list[str | None] = []
"""What the environment said before the token of a file took its place; empty while none did."""


def use(uri: str) -> None:
    """Lets this process' MLflow show the server at ``uri`` its token of the file, before the environment's; another
    server is shown the environment's again. Raises :class:`TrackingError` for a file that others can read, or a line
    that is none."""
    found = _tokens().get(_server(uri)) if uri.startswith(("http://", "https://")) else None
    if found is not None:
        if not _replaced:
            _replaced.append(os.environ.get(TOKEN))
        os.environ[TOKEN] = found
    elif _replaced:
        before = _replaced.pop()
        if before is None:
            os.environ.pop(TOKEN, None)
        else:
            os.environ[TOKEN] = before


def _tokens() -> dict[str, str]:
    path = Path(os.environ.get(VARIABLE) or DEFAULT).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise TrackingError(f"{path}: others can read the tokens in it; chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise TrackingError(
            f"{path}: cannot be read ({error}); one server a line: its address, a space, its token"
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or not words[0].startswith(("http://", "https://")):
            raise TrackingError(f"{path}, line {number}: accepts the address of a server, a space, its token")
        found[_server(words[0])] = words[1]
    return found


def _server(uri: str) -> str:
    return uri.rstrip("/")
