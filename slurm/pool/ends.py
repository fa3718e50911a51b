"""How the tickets of a pool ended, as the driver takes it: each once, and the same for good.

What the driver settled counts before what a worker says: it was told already.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from slurm.jobs import JobReport, JobState
from slurm.pool.tickets import CANCELLED, DRIVER, ENDED, Ended, Pool, ends


class Ends:
    """Of one pool. Reads only what is new."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._offsets: dict[str, int] = {}
        self._of: dict[str, JobReport] = {}
        self._names: set[str] = set()
        """Of the submissions that they are of."""

    def __contains__(self, job: str) -> bool:
        return job in self._of

    def __len__(self) -> int:
        return len(self._of)

    def of(self, job: str) -> JobReport | None:
        return self._of.get(job)

    def of_name(self, name: str) -> list[str]:
        """Jobs of one submission."""
        return [job for job in self._of if name_of(job) == name] if name in self._names else []

    def said(self, run: str) -> bool:
        """Whether a run of a worker has said the end of a ticket."""
        return self._offsets.get(run, 0) > 0

    def read(self, cancelled: Collection[str]) -> None:
        """Takes in what workers have written by now. ``cancelled``: jobs whose end the driver asked for."""
        try:
            with os.scandir(self._pool.folder / ENDED) as entries:
                sizes = {
                    entry.name.removesuffix(".jsonl"): entry.stat().st_size
                    for entry in entries
                    if entry.name.endswith(".jsonl")
                }
        except FileNotFoundError:
            return
        for run in sorted(sizes, key=lambda run: run != DRIVER):
            if sizes[run] > self._offsets.get(run, 0):
                self.read_run(run, cancelled)

    def read_run(self, run: str, cancelled: Collection[str]) -> None:
        found, self._offsets[run] = ends(self._pool.folder / ENDED / f"{run}.jsonl", self._offsets.get(run, 0))
        for each in found:
            self._take(each, run, cancelled)

    def _take(self, ended: Ended, run: str, cancelled: Collection[str]) -> None:
        if ended.job in self._of:
            return
        report = _report(ended)
        if ended.job in cancelled and run != DRIVER:
            if report.state not in (JobState.FINISHED, JobState.CANCELLED_BY_US):
                self.settle(ended.job, JobState.CANCELLED_BY_US, "", node=ended.host)
                return
            (self._pool.folder / CANCELLED / ended.job).unlink(missing_ok=True)
        self._keep(report)

    def settle(self, job: str, state: JobState, reason: str, *, node: str | None = None, file: str = "") -> None:
        """Writes down how a ticket ended of which no worker said so. ``file``: as the driver has taken it."""
        ended = Ended(job=job, state=state.value, reason=reason, host=node)
        self._pool.end(ended, DRIVER, file or f"{job}.json")
        (self._pool.folder / CANCELLED / job).unlink(missing_ok=True)
        self._keep(_report(ended))

    def _keep(self, report: JobReport) -> None:
        self._of[report.job] = report
        self._names.add(name_of(report.job))


def name_of(job: str) -> str:
    """Name of the submission that a job is of."""
    return job.rpartition(".")[0]


def _report(ended: Ended) -> JobReport:
    try:
        state = JobState(ended.state)
    except ValueError:
        state = JobState.UNKNOWN
    if not state.over:
        state = JobState.FAILED
    return JobReport(job=ended.job, state=state, node=ended.host, reason=ended.reason)
