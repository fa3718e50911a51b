"""What a step runs first on its node: a warning before the end of the job that it is part of. Standard library only.

Slurm warns batch jobs of their time limit, but no step of a job that ``salloc`` made; so the step warns itself.
"""

from __future__ import annotations

import json
import os
import signal
import time
from types import FrameType

from slurm import payload

CALL = "slurm.allocation.stepping:run"
STEP = "step"
"""In SUBMITIT_EXECUTOR, of what runs as a step: Slurm's times are its own, and nobody may requeue it."""


def run(text: str) -> str:
    """Runs what ``text`` (of :func:`wrapped`) says, and sends SIGUSR2 to this process when it is time to save."""
    asked = json.loads(text)
    os.environ["SUBMITIT_EXECUTOR"] = STEP
    if asked["warn_at"] is not None:
        signal.signal(signal.SIGALRM, _warn)
        signal.setitimer(signal.ITIMER_REAL, max(asked["warn_at"] - time.time(), 0.001))
    try:
        return payload.find(asked["call"])(asked["text"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def wrapped(call: str, text: str, warn_at: float | None) -> str:
    """The text of a step that runs ``call(text)`` and is warned at a time, in seconds since the Unix epoch."""
    return json.dumps({"call": call, "text": text, "warn_at": warn_at})


def _warn(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
