"""Who is told when a study ends: where the address of a webhook stands, and whether it and the command are there.

An address is read when it is needed, from a variable or a file that the study names, and is written nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from sweeps.errors import StudyError
from sweeps.study.running import VARIABLE, Notify

URL, COMMAND = "url", "command"


def of(notify: Notify | None) -> list[str]:
    """The receivers that a study names."""
    if notify is None:
        return []
    return [name for name in (URL, COMMAND) if getattr(notify, name) is not None]


def called(notify: Notify, to: str) -> str:
    """A receiver in words that hold no secret."""
    if to == COMMAND:
        assert notify.command is not None
        return f"command {Path(notify.command[0]).name}"
    return f"the address in {notify.url}" if notify.url and not notify.url.startswith("http") else str(notify.url)


def address(url: str) -> str:
    """Of a webhook, by where it stands. Raises :class:`StudyError` where it is not there; without telling it."""
    if (named := VARIABLE.match(url)) is not None:
        variable = named[1] or named[2]
        found = os.environ.get(variable, "").strip()
        if not found:
            raise StudyError(
                f"notify.url: {url} is not set here; put the webhook's address into that variable, or into a file "
                "that url names; or leave notify out"
            )
    elif url.startswith("http"):
        found = url
    else:
        try:
            lines = Path(url).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(
                f"notify.url: the file {url} cannot be read ({getattr(error, 'strerror', None) or 'not text'}); put "
                "the webhook's address into it, or leave notify out"
            ) from error
        found = next((line.strip() for line in lines if line.strip()), "")
    if not re.match(r"https?://[^\s/]+(?:/\S*)?\Z", found):
        raise StudyError(f"notify.url: what {url} holds is no address; accepts one that begins with https://")
    return found


def program(command: tuple[str, ...]) -> str:
    """Where a command's program is. Raises :class:`StudyError`."""
    if (found := shutil.which(command[0])) is None:
        raise StudyError(
            f"notify.command: there is no program {command[0]} here; name one that can be run, with its whole path "
            "where it is not on PATH"
        )
    return found


def refuse_missing(notify: Notify | None) -> None:
    """Raises :class:`StudyError` where a receiver could not be told from here."""
    if notify is not None and notify.url is not None:
        address(notify.url)
    if notify is not None and notify.command is not None:
        program(notify.command)


def words(notify: Notify | None) -> list[str]:
    """For ``check``: who is told of what; nothing where nobody is. Raises as :func:`refuse_missing`."""
    if notify is None:
        return []
    refuse_missing(notify)
    told = " and ".join(called(notify, to) for to in of(notify))
    return [f"at its end: {told} (there, here) is told of {', '.join(notify.on)}"]
