"""How a job that is over ended, in words a user can act on: from what it left in its folder."""

from __future__ import annotations

import os
from pathlib import Path

from slurm import executor, payload
from slurm.jobs import GPU_MEMORY, JobState

TAIL_BYTES = 8192


def from_result(folder: Path, job: str) -> tuple[JobState, str] | None:
    """State and reason by the result that the job left; None where it left none."""
    left = executor.result(folder, job)
    if left is None:
        return None
    if left.error:
        last = last_line(left.text)
        if "OutOfMemoryError" in last:
            return JobState.OUT_OF_MEMORY, f"{last}; {GPU_MEMORY}"
        return JobState.FAILED, last
    if payload.interrupted(left.text):
        return JobState.TIMED_OUT, "was told to end, and saved"
    return JobState.FINISHED, ""


def last_logged(folder: Path, job: str) -> str:
    """The last line of the job's log that is not submitit's account of its own start, or "none"."""
    lines = tail(executor.log_path(folder, job)).splitlines()
    return last_line("\n".join(line for line in lines if not line.startswith("submitit INFO"))) or "none"


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def tail(path: Path) -> str:
    """The end of a log; empty where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - TAIL_BYTES))
            return log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
