"""How a ticket ended, by what its process answered: in the states and words of a job that held it alone."""

from __future__ import annotations

import json
from dataclasses import dataclass

from slurm import payload
from slurm.jobs import GPU_MEMORY, JobState
from slurm.pool.child import Answer


@dataclass(frozen=True, kw_only=True)
class Ending:
    """``state`` None: it is no end, and the ticket waits again."""

    state: JobState | None
    reason: str = ""
    text: str | None = None
    crowded: bool = False
    """Whether its device was too crowded for it."""


def ending(
    answer: Answer, *, may_share: bool, told: bool = False, cancelled: bool = False, overdue: str = ""
) -> Ending:
    """``may_share``: others could come to its device while it ran. ``told``: it was asked to end. ``cancelled``: by the
    driver. ``overdue``: in words, why its process was killed by the worker; "" where it was not."""
    text = answer.text
    if text is not None and _said(text).get("crowded") is not True:
        if not payload.interrupted(text):
            return Ending(state=JobState.FINISHED, text=text)
        if cancelled:
            return Ending(state=JobState.CANCELLED_BY_US, text=text)
        if told and text == payload.INTERRUPTED:
            return Ending(state=None, reason="was told to end before it had begun")
        return Ending(state=JobState.TIMED_OUT, reason="was told to end, and saved", text=text)
    if cancelled:
        return Ending(state=JobState.CANCELLED_BY_US, text=text)
    if overdue:
        return Ending(state=JobState.TIMED_OUT, reason=overdue)
    short = text is not None or answer.out_of_memory
    if may_share and (short or answer.killed):
        return Ending(state=None, reason=answer.error or "was short of the device's memory, and saved", crowded=True)
    if text is not None or (short and "OutOfMemoryError" in answer.error):
        return Ending(state=JobState.OUT_OF_MEMORY, reason=f"{answer.error or 'out of memory'}; {GPU_MEMORY}")
    return Ending(state=JobState.FAILED, reason=answer.error)


def _said(text: str) -> dict[str, object]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
