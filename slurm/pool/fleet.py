"""The jobs that run a pool's tickets: which were sent, which are there, how each ended.

``workers.jsonl`` in the pool's folder says which are about to be submitted before they are, which job each became, and
how it ended; the cluster that they run on finds those of which a killed driver did not learn.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm.errors import SubmissionRejected
from slurm.jobs import Cluster, JobReport, JobState
from slurm.pool.runs import Runs, at_a_time
from slurm.pool.sizing import PENDING_AT_MOST, Standing
from slurm.pool.tickets import TAKEN, Pool

CALL = "slurm.pool.worker:run"
FILE, JOBS = "workers.jsonl", "jobs"
SCHEMA = 1


@dataclass(kw_only=True)
class Sent:
    """A worker that is not known to be over."""

    worker: str
    submission: str
    avoid: tuple[str, ...]
    job: str | None = None
    """None while it is not known what became of its submission."""
    report: JobReport | None = None
    """As the cluster said last."""
    began: bool = False
    """Whether it was seen to run."""
    back: bool = False
    """Whether it was seen to wait after it had run: it was requeued."""


class Fleet:
    """``text``: of a worker's job, by its name."""

    def __init__(self, cluster: Cluster, pool: Pool, text: Callable[[str], str]) -> None:
        self.cluster, self._pool, self._text = cluster, pool, text
        self._file = pool.folder / FILE
        self._jobs = pool.folder / JOBS
        self.live: dict[str, Sent] = {}
        self.runs = Runs(pool)
        self._sent = 0
        """Submissions so far."""
        self._replay()

    def look(self) -> None:
        self.runs.read(self.live)

    def send(self, count: int, *, prefix: str, avoid: Collection[str]) -> None:
        """Submits so many workers. Raises as :meth:`slurm.jobs.Cluster.submit`: of what is refused it has to be found
        out first whether it came to be."""
        name = f"{prefix}.w{self._sent}"
        workers = [f"{name}.{index}" for index in range(count)]
        self._write({"submission": name, "workers": workers, "avoid": sorted(avoid), "at": time.time()})
        texts = [self._text(worker) for worker in workers]
        self._jobs.mkdir(exist_ok=True)
        try:
            jobs = self.cluster.submit(CALL, texts, name=name, folder=self._jobs, avoid=avoid)
        except SubmissionRejected:
            self._write({"submission": name, "jobs": []})  # nothing came of it
            raise
        self._write({"submission": name, "jobs": jobs})

    def recover(self) -> None:
        """Finds out what became of submissions without an answer. Raises :class:`SubmissionRefused` while that is not
        known."""
        for name in dict.fromkeys(sent.submission for sent in self.live.values() if sent.job is None):
            found = self.cluster.recover(name, self._jobs)
            jobs = [found.get(index) for index in range(1 + max(found, default=-1))]
            self._write({"submission": name, "jobs": jobs})

    def poll(self) -> None:
        jobs = {sent.job: sent for sent in self.live.values() if sent.job is not None}
        if not jobs:
            return
        for job, report in self.cluster.poll(list(jobs)).items():
            sent = jobs[job]
            sent.report = report
            if report.state is JobState.RUNNING:
                sent.began, sent.back = True, False
            elif report.state is JobState.PENDING and sent.began:
                sent.back = True

    def over(self) -> dict[str, Sent]:
        """Those whose job is over, and that have not been dismissed yet."""
        reported = {worker: sent for worker, sent in self.live.items() if sent.report is not None}
        return {worker: sent for worker, sent in reported.items() if sent.report and sent.report.state.over}

    def dismiss(self, sent: Sent) -> None:
        """Of a worker that is over everything is settled: nothing of it is looked at any more."""
        assert sent.report is not None
        for run in self.runs_of(sent.worker):
            with contextlib.suppress(OSError):
                (self._pool.folder / TAKEN / run).rmdir()
        self._write({"worker": sent.worker, "over": sent.report.state.value, "reason": sent.report.reason})

    def runs_of(self, worker: str) -> list[str]:
        """Every run that a worker ever had, in their order."""
        return list(self._numbered(worker))

    def _numbered(self, worker: str) -> Iterator[str]:
        number = 0
        while (self._pool.folder / TAKEN / f"{worker}.{number}").is_dir():
            yield f"{worker}.{number}"
            number += 1

    def waiting(self, holding: Collection[str]) -> list[Sent]:
        """Those that have not begun, or that wait to be started again. ``holding``: workers that have tickets, whatever
        an answer from memory says of their jobs."""
        said = self.runs.newest()

        def waits(sent: Sent) -> bool:
            if sent.report is not None and sent.report.state is JobState.PENDING:
                return True
            return sent.worker not in said and not sent.began

        return [sent for sent in self.live.values() if sent.worker not in holding and waits(sent)]

    def cancel(self, workers: Iterable[Sent]) -> None:
        if jobs := [sent.job for sent in workers if sent.job is not None]:
            self.cluster.cancel(jobs)

    def standing(self, otherwise: int | None, *, limited: bool) -> Standing:
        """``otherwise``: texts at a time on a worker, while none has said. ``limited``: whether the profile says how
        many jobs there may be."""
        newest = self.runs.newest()
        staying: list[int] = []
        leaving: list[int] = []
        pending = 0
        for sent in self.live.values():
            said = newest.get(sent.worker)
            if said is None or sent.back:
                pending += 1
            elif said[1].leaving:
                leaving.append(said[1].running)
            else:
                staying.append(at_a_time(said[1]))
        most = len(self.live) + max(0, self.cluster.room(len(self.live)))
        if not limited:
            most = min(most, len(staying) + len(leaving) + max(pending, PENDING_AT_MOST))
        slots = self.runs.typical() or otherwise
        return Standing(staying=staying, leaving=leaving, pending=pending, slots=slots, most=most)

    def _write(self, record: Mapping[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"schema": SCHEMA, **record}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._apply(record)

    def _replay(self) -> None:
        try:
            with self._file.open("rb+") as file:
                lines = file.read().split(b"\n")
                if lines[-1]:  # a driver was killed while it wrote
                    file.write(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            with contextlib.suppress(ValueError):
                self._apply(json.loads(line))

    def _apply(self, record: Mapping[str, Any]) -> None:
        if "workers" in record:
            self._sent += 1
            for worker in record["workers"]:
                self.live[worker] = Sent(worker=worker, submission=record["submission"], avoid=tuple(record["avoid"]))
        elif "jobs" in record:
            self._answered(record["submission"], record["jobs"])
        elif "worker" in record:
            self.live.pop(record["worker"], None)

    def _answered(self, submission: str, jobs: Sequence[str | None]) -> None:
        for sent in [each for each in self.live.values() if each.submission == submission]:
            index = int(sent.worker.rpartition(".")[2])
            sent.job = jobs[index] if index < len(jobs) else None
            if sent.job is None:
                del self.live[sent.worker]
