"""One cluster for several drivers: one poller, one limit of jobs, and a fair share of it for each.

Each driver has a :class:`Share`, which is a cluster to it. The jobs of all are asked for together, so that a scheduler
hears one question; and what is free is divided among those that have something to submit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from slurm.jobs import Cluster, Costs, HoldsSeveral, JobReport, JobState


class SharedCluster:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs: dict[str, set[str]] = {}
        """Of each share, the jobs that it was last known to have."""
        self._reports: Mapping[str, JobReport] = {}
        self._heard: set[str] = set()
        """Shares that have taken the present reports: they are asked for anew when one of them comes again."""
        self._asked: set[str] = set()
        self._rivals: set[str] = set()
        """Shares that had something to submit in this round, and in the one before it."""
        self._released: set[str] = set()
        self._left: set[str] = set()

    @property
    def costs(self) -> Costs:
        return self._cluster.costs

    def share(self, name: str) -> Share:
        self._jobs[name] = set()
        self._rivals.add(name)
        return Share(self, self._cluster, name)

    def begin_round(self) -> None:
        """Every driver is about to take a step: asks for all jobs, so that what has become free is known to the first
        of them."""
        self._ask()
        self._rivals, self._asked = self._asked or self._rivals, set()

    def leave(self, name: str) -> None:
        """The share has nothing more to submit; jobs that it still has count until they are over."""
        self._rivals.discard(name)
        self._asked.discard(name)
        self._left.add(name)

    def release(self, name: str) -> None:
        """What is held for later jobs is given back once no share has more to submit."""
        self._released.add(name)
        if self._released | self._left >= self._jobs.keys():
            self._cluster.release()

    def live(self, name: str) -> int:
        """Jobs of a share that are not known to be over."""
        return sum(not self._over(job) for job in self._jobs.get(name, ()))

    def submitted(self, name: str, jobs: Collection[str]) -> None:
        self._jobs[name].update(jobs)
        self._released.discard(name)

    def poll(self, name: str, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self._jobs[name] = set(jobs)
        if name in self._heard or any(job not in self._reports for job in jobs):
            self._ask()
        self._heard.add(name)
        return {job: self._reports[job] for job in jobs}

    def room(self, name: str, active: int) -> int:
        """What is free of the common limit, divided among those that want some of it and have not had their turn in
        this round; what one leaves, the next may take."""
        others = sum(self.live(other) for other in self._jobs if other != name)
        free = self._cluster.room(active + others)
        self._asked.add(name)
        waiting = len(self._rivals - self._asked)
        return math.ceil(free / (1 + waiting)) if free > 0 else 0

    def _ask(self) -> None:
        every = sorted(set().union(*self._jobs.values()))
        self._reports, self._heard = dict(self._cluster.poll(every)) if every else {}, set()

    def _over(self, job: str) -> bool:
        report = self._reports.get(job)
        return report is not None and report.state.over


class Share:
    """The shared cluster as one driver sees it."""

    def __init__(self, shared: SharedCluster, cluster: Cluster, name: str) -> None:
        self._shared, self._cluster, self._name = shared, cluster, name
        self.costs: Costs = cluster.costs

    @property
    def trouble(self) -> str:
        return self._cluster.trouble

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        jobs = self._cluster.submit(call, texts, name=name, folder=folder, avoid=avoid)
        self._shared.submitted(self._name, jobs)
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        found = self._cluster.recover(name, folder)
        self._shared.submitted(self._name, found.values())
        return found

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        return self._shared.poll(self._name, jobs)

    def cancel(self, jobs: Collection[str]) -> None:
        self._cluster.cancel(jobs)

    def room(self, active: int) -> int:
        return self._shared.room(self._name, active)

    def workers(self) -> Counter[JobState] | None:
        """Of all studies together: what one pack is done with, another's takes."""
        return self._cluster.workers() if isinstance(self._cluster, HoldsSeveral) else None

    def release(self) -> None:
        self._shared.release(self._name)
