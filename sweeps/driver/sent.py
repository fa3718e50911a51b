"""Drivers that were sent as jobs of their own, from what a folder holds: which have not ended, and ending them.

A driver that waits in the queue holds no lock: without these, ``status`` would call for one that is on its way, and
``stop`` would leave one behind that begins the study anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm import executor
from slurm.clusters import open_cluster
from slurm.profile import load
from slurm.scheduler import submissions
from sweeps.folder.layout import quote_path
from sweeps.study.study import Study

CALL = "sweeps.cli.detached:run"


@dataclass(frozen=True, kw_only=True)
class Sent:
    job: str
    begun: bool


def sent(path: Path) -> Iterator[Sent]:
    """Drivers of the study or suite in ``path`` that left no result and were not cancelled. One that was killed is
    among them: only the scheduler knows whether it comes again."""
    for record in sorted((path / "jobs").glob("*.driver.*/record.json")):
        submission = submissions.load(record.parent)
        if submission is None or submission.call != CALL or (record.parent / "cancelled.jsonl").exists():
            continue
        for job in (array.job for array in submission.arrays if array.job is not None):
            if executor.result(record.parent, job) is None:
                yield Sent(job=job, begun=executor.log_path(record.parent, job).exists())


def words(path: Path) -> str:
    """Of the driver that was sent and is not at work, in words; "" where there is none."""
    known = list(sent(path))
    if not known:
        return ""
    job, resume = known[-1].job, f"`actsweep resume {quote_path(path)}"
    if known[-1].begun:
        return f"its driver, job {job}, goes on by itself if `squeue --jobs {job}` still has it; else {resume}`"
    return f"its driver, job {job}, has not begun: `squeue --jobs {job}` says why; if it is gone, {resume} --detach`"


def cancel(path: Path, study: Study) -> list[str]:
    """Cancels them: the jobs. To be asked where no driver is at work."""
    jobs = [each.job for each in sent(path)]
    if jobs:
        open_cluster(load(study.cluster.profile).for_driver(), path / "jobs").cancel(jobs)
    return jobs
