"""The jobs that run a pool's tickets: which were sent, which are there, how each ended.

``workers.jsonl`` in the pool's folder says which are about to be submitted before they are, which job each became, and
how it ended; the cluster that they run on finds those of which a killed driver did not learn.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm.jobs import Cluster, JobReport, JobState

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

    def __init__(self, cluster: Cluster, folder: Path, text: Callable[[str], str]) -> None:
        self.cluster, self._folder, self._text = cluster, folder, text
        self._file = folder / FILE
        self.live: dict[str, Sent] = {}
        self.sent = 0
        """Submissions so far."""
        self._replay()

    def send(self, count: int, *, prefix: str, avoid: Collection[str]) -> None:
        """Submits so many workers. Raises as :meth:`slurm.jobs.Cluster.submit`: of what is refused it has to be found
        out first whether it came to be."""
        name = f"{prefix}.w{self.sent}"
        workers = [f"{name}.{index}" for index in range(count)]
        self._write({"submission": name, "workers": workers, "avoid": sorted(avoid), "at": time.time()})
        texts = [self._text(worker) for worker in workers]
        jobs = self.cluster.submit(CALL, texts, name=name, folder=self._folder / JOBS, avoid=avoid)
        self._write({"submission": name, "jobs": jobs})

    def forget(self, name: str) -> None:
        """A submission that was rejected: nothing came of it."""
        self._write({"submission": name, "jobs": []})

    @property
    def last(self) -> str:
        """Name of the newest submission."""
        return next(reversed(self.live.values())).submission if self.live else ""

    def recover(self) -> None:
        """Finds out what became of submissions without an answer. Raises :class:`SubmissionRefused` while that is not
        known."""
        for name in dict.fromkeys(sent.submission for sent in self.live.values() if sent.job is None):
            found = self.cluster.recover(name, self._folder / JOBS)
            count = 1 + max(found, default=-1)
            self._write({"submission": name, "jobs": [found.get(index) for index in range(count)]})

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

    def over(self) -> list[Sent]:
        """Those whose job is over, and that have not been dismissed yet."""
        return [sent for sent in self.live.values() if sent.report is not None and sent.report.state.over]

    def dismiss(self, sent: Sent) -> None:
        """Of a worker that is over everything is settled."""
        assert sent.report is not None
        self._write({"worker": sent.worker, "over": sent.report.state.value, "reason": sent.report.reason})

    def cancel(self, workers: Iterable[Sent]) -> None:
        if jobs := [sent.job for sent in workers if sent.job is not None]:
            self.cluster.cancel(jobs)

    def _write(self, record: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
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
            self.sent += 1
            for worker in record["workers"]:
                self.live[worker] = Sent(
                    worker=worker, submission=record["submission"], avoid=tuple(record["avoid"])
                )
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
