"""How much time a worker's job has left, and whether what it takes can still come to something."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

EARLY_S, EARLY_SHARE = 60.0, 0.1
"""Slurm may warn so much before it said it would; of a short job, this share of its time."""
WHOLE_SHARE = 0.9
"""What needs more than this share of a whole job's time is taken by a job that has just begun, or by none."""


@dataclass(frozen=True, kw_only=True)
class TimeLeft:
    """Seconds since the Unix epoch."""

    since: float
    """When the job began."""
    until: float | None
    """When it ends; None: no limit."""
    warned_at: float | None
    """The earliest that it can be warned of its end."""

    def allows(self, needed_s: float, now: float, *, fresh: bool) -> bool:
        """Whether something that needs so long may begin; ``fresh``: a job that has not run anything yet."""
        if self.warned_at is None:
            return True
        left, whole = self.warned_at - now, self.warned_at - self.since
        return left >= needed_s or (fresh and left > 0 and needed_s > WHOLE_SHARE * whole)

    def is_over(self, now: float) -> bool:
        return self.warned_at is not None and now >= self.warned_at


def of_this_job(*, limit_s: float | None, lead_s: float, now: float) -> TimeLeft:
    """By what Slurm told the job of its end (22.05 and later), else by ``limit_s`` from its begin."""
    since = _began(now)
    until = since + limit_s if limit_s is not None else None
    early_s = 0.0
    if os.environ.get("SUBMITIT_EXECUTOR") != "local":
        with contextlib.suppress(KeyError, ValueError):
            until = float(os.environ["SLURM_JOB_END_TIME"])
        if until is not None and "SLURM_JOB_ID" in os.environ:
            early_s = min(EARLY_S, EARLY_SHARE * (until - since))
    return TimeLeft(since=since, until=until, warned_at=None if until is None else until - lead_s - early_s)


def _began(now: float) -> float:
    """Begin of the job: Slurm's word, else the start of the process that started this one."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "local":
        with contextlib.suppress(KeyError, ValueError):
            return min(now, float(os.environ["SLURM_JOB_START_TIME"]))
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return now
    with contextlib.suppress(OSError, ValueError, IndexError):
        # the command may hold spaces and brackets: fields count from the last bracket
        fields = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")
        return min(now, now - age_s)
    return now
