"""A study that went on with another kind of job: one pack each before and several now, or the other way round.

Jobs that were submitted before are asked of the cluster that they were submitted to until they are over; what is new
goes to the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from slurm.jobs import Cluster, HoldsSeveral, JobReport, JobState
from slurm.pool import place
from slurm.scheduler.submissions import RECORD

CLAIM = "claim.json"
"""In the folder of a job that is a process of this machine."""


class Succession:
    """``ticket``: whether a job is one of a pool's; ``pooled``: whether what is new is."""

    def __init__(self, present: Cluster, earlier: Cluster, ticket: Callable[[str], bool], *, pooled: bool) -> None:
        self._present, self._earlier = present, earlier
        self._ticket, self._pooled = ticket, pooled
        self.costs = present.costs

    @property
    def trouble(self) -> str:
        return self._present.trouble or self._earlier.trouble

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        return self._present.submit(call, texts, name=name, folder=folder, avoid=avoid)

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return self._present.recover(name, folder) or self._earlier.recover(name, folder)

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        new, old = self._apart(jobs)
        return {**self._present.poll(new), **(self._earlier.poll(old) if old else {})}

    def cancel(self, jobs: Collection[str]) -> None:
        new, old = self._apart(jobs)
        self._present.cancel(new)
        self._earlier.cancel(old)

    def room(self, active: int) -> int:
        return self._present.room(active)

    def workers(self) -> Counter[JobState] | None:
        return self._present.workers() if isinstance(self._present, HoldsSeveral) else None

    def release(self) -> None:
        self._present.release()
        self._earlier.release()

    def _apart(self, jobs: Collection[str]) -> tuple[list[str], list[str]]:
        new = [job for job in jobs if self._ticket(job) == self._pooled]
        return new, [job for job in jobs if self._ticket(job) != self._pooled]


def is_ticket(roots: Sequence[Path]) -> Callable[[str], bool]:
    """Tells the jobs of a pool from others that were submitted below the same folders."""

    def told(job: str) -> bool:
        return not re.fullmatch(r"[0-9_]+", job) and not any((root / job / CLAIM).exists() for root in roots)

    return told


def had_jobs(roots: Sequence[Path]) -> bool:
    """Whether jobs of one pack each were submitted below one of the folders."""
    return any(next(root.glob(f"*/{name}"), None) is not None for root in roots for name in (CLAIM, RECORD))


def had_tickets(roots: Sequence[Path]) -> bool:
    return place.folder(*roots).is_dir()
