"""What a job that is over held of the devices: from what its runs wrote, else the most that it can have been."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from slurm.jobs import JobReport, JobState
from sweeps.folder.spending import Hold
from trainer import meter
from trainer.journal import FoldHistory

FOLDER = "meters"
"""Below the folder of the jobs."""
NEVER_BEGAN = frozenset({JobState.CANCELLED, JobState.CANCELLED_BY_US})
"""Ends that a job without a run can have had while it waited."""


def folder(jobs: Path, batch: int, index: int) -> Path:
    """Where the runs of a pack's job say what they hold."""
    return jobs / FOLDER / f"{batch}-{index}"


class Held(NamedTuple):
    seconds: float
    idle_s: float
    """That no epoch took."""


def of_job(report: JobReport, hold: Hold, jobs: Path, folds: Iterable[FoldHistory | None], now: float) -> Held:
    """``folds``: of the job's pack."""
    told = meter.held(folder(jobs, hold.batch, hold.index))
    if told is None:
        waited = 0.0 if report.state in NEVER_BEGAN else now - hold.time
        seconds, since, seen = waited, now, 0.0
    else:
        seconds, since, seen = told.seconds, told.began, told.seen_s
    if report.state is JobState.NODE_FAILED and not (told and told.ended):  # it may have gone on where nobody saw it
        seconds = hold.seconds if hold.seconds is not None else now - since
    if hold.seconds is not None:  # a process that is still there then is ended
        seconds = min(seconds, max(hold.seconds, seen))
    attempts = (attempt for fold in folds if fold is not None for attempt in fold.by_start())
    trained = sum(
        epoch.seconds / start.device_kind.slots for start, epochs in attempts for epoch in epochs if epoch.time >= since
    )
    return Held(max(0.0, seconds), max(0.0, seconds - trained) if told is not None else 0.0)


def reported(report: JobReport, hold: Hold, jobs: Path) -> JobReport:
    """As the job's end is to be taken: one that left for want of seconds had a limit of time."""
    told = meter.held(folder(jobs, hold.batch, hold.index))
    if told is None or not told.cut or report.state is JobState.OUT_OF_MEMORY:
        return report
    reason = f"used the {hold.seconds or told.seconds:.0f} s that the budget left it, and saved"
    return dataclasses.replace(report, state=JobState.TIMED_OUT, reason=reason)
