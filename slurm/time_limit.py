"""Time limits as Slurm writes them, in whole minutes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from slurm.messages import refusal

_FORM = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?")
_FORMS = "a number of minutes (90), 90:30, 1:00:00, 2-12, 2-12:00 or 2-12:00:00"


def minutes(text: str) -> int | None:
    """Minutes, rounded up, that sbatch reads from ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``,
    ``days-hours``, ``days-hours:minutes`` or ``days-hours:minutes:seconds``; None for any other text."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    days, *given = (int(part) for part in found.groups(default="0"))
    if found.group(1) is None and found.group(4) is None:
        given = [0, *given[:2]]
    hours, whole, seconds = given
    return (days * 24 + hours) * 60 + whole + -(-seconds // 60)


def _from_slurm(value: object) -> object:
    given = minutes(value) if isinstance(value, str) else value
    if type(given) is not int or given < 1:
        raise refusal(f"accepts a minute or more: {_FORMS}")
    return given


def _whole(value: object) -> object:
    if isinstance(value, str) and minutes(value) and not value.isdecimal():
        raise refusal(f"accepts a whole number of minutes; did you mean time: {value}?")
    return value


TimeLimit = Annotated[int, BeforeValidator(_from_slurm), Field(description="the time limit of one job")]
"""In minutes, read from a whole number or from Slurm's own form."""
Minutes = Annotated[int, Field(gt=0), BeforeValidator(_whole)]
