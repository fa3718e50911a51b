"""An inner cluster whose jobs do what the test says, and workers that take and end tickets in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Costs, JobReport, JobState
from slurm.pool.tickets import Ended, Pool, Ticket, Worker


class Inner:
    """Jobs are numbered; what they are stands in memory, as at a scheduler, and outlives a driver."""

    def __init__(self, room: int = 100) -> None:
        self.costs, self.trouble = Costs(), ""
        self.jobs: dict[str, JobState] = {}
        self.works: dict[str, dict[str, object]] = {}
        """Job -> the text of its worker."""
        self.named: dict[str, dict[int, str]] = {}
        self.avoided: list[tuple[str, ...]] = []
        self.refuse: Exception | None = None
        self.answers = True
        """Whether submit says what it did."""
        self._room = room

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        self.costs.count("submit")
        self.avoided.append(tuple(sorted(avoid)))
        if self.refuse is not None and self.answers:
            raise self.refuse
        jobs = [str(100 + len(self.jobs) + index) for index in range(len(texts))]
        for job, text in zip(jobs, texts, strict=True):
            self.jobs[job], self.works[job] = JobState.PENDING, json.loads(text)
        self.named[name] = dict(enumerate(jobs))
        if not self.answers:
            raise self.refuse or SubmissionRefused("no answer")
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return dict(self.named.get(name, {}))

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self.costs.count("poll")
        return {job: self._report(job) for job in jobs}

    def _report(self, job: str) -> JobReport:
        state = self.jobs[job]
        return JobReport(job=job, state=state, node="n1", reason="because" if state.over else "Priority")

    def cancel(self, jobs: Collection[str]) -> None:
        for job in jobs:
            if not self.jobs[job].over:
                self.jobs[job] = JobState.CANCELLED_BY_US

    def room(self, active: int) -> int:
        return max(0, self._room - active)

    def release(self) -> None:
        pass

    def rejects(self, words: str = "Invalid account") -> None:
        self.refuse = SubmissionRejected(words)


class Run:
    """One run of a worker that an :class:`Inner` has."""

    def __init__(self, inner: Inner, job: str, *, host: str = "n1", devices: int = 2, slots: int = 1) -> None:
        self.inner, self.job, self.host = inner, job, host
        work = inner.works[job]
        self.worker = str(work["worker"])
        self.pool = Pool(Path(str(work["pool"])))
        inner.jobs[job] = JobState.RUNNING
        self.run = self.pool.join(self.worker)
        self.devices, self.slots = devices, slots
        self.held: list[Ticket] = []
        self.since = time.time()
        self.tell()

    def tell(self, leaving: str = "") -> None:
        said = Worker(
            host=self.host,
            pid=1,
            since=self.since,
            until=None,
            seen=time.time(),
            devices=tuple(map(str, range(self.devices))),
            slots=self.slots,
            running=len(self.held),
            leaving=leaving,
        )
        self.pool.tell(self.run, said)

    def take(self, count: int | None = None) -> list[Ticket]:
        """Takes what there is a place for."""
        places = self.devices * self.slots - len(self.held)
        for file in self.pool.open_files():
            if places <= 0 or count == 0:
                break
            if (ticket := self.pool.take(file, self.run)) is None or self.host in ticket.avoid:
                if ticket is not None:
                    self.pool.give_back(ticket, self.run)
                continue
            self.held.append(ticket)
            places, count = places - 1, None if count is None else count - 1
        self.tell()
        return self.held

    def end(self, ticket: Ticket, state: JobState = JobState.FINISHED, reason: str = "", text: str = "{}") -> None:
        self.held.remove(ticket)
        ended = Ended(job=ticket.job, state=state.value, reason=reason, text=text, host=self.host, ended=time.time())
        self.pool.end(ended, self.run, ticket.file)

    def give_back(self, ticket: Ticket) -> None:
        self.held.remove(ticket)
        self.pool.give_back(ticket, self.run)

    def leave(self, state: JobState = JobState.FINISHED, *, saying: str = "idle") -> None:
        self.tell(saying)
        self.inner.jobs[self.job] = state
