"""A cluster that trains nothing and costs next to nothing: journals written in this process, to measure a driver.

Numbers are functions of the fold's name alone, so that a study driven twice ends alike. What the stand-in itself takes
is counted, so that it can be subtracted from what the driver took.
"""

from __future__ import annotations

import dataclasses
import json
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slurm.jobs import Costs, JobReport, JobState
from sweeps.folder import layout
from trainer.journal import FILE, Epoch, Outcome, Status, attempt_folder
from trainer.tasks.description import describe
from trainer.testing import invented_end, invented_epoch, invented_start

_LOSS = 0.123456789
"""Stands in the templates where a fold's own loss goes."""


class StandIn:
    """A :class:`slurm.jobs.Cluster` of ``slots`` jobs. Each poll brings every job ``epochs_a_poll`` epochs on; a job
    whose folds are all over is reported as finished by the next poll. A fold whose ``STOP`` file lies there ends."""

    def __init__(self, slots: int, *, epochs_a_poll: int = 3, task: str = "classification") -> None:
        self.costs = Costs()
        self.trouble = ""
        self.cpu_s = self.wall_s = 0.0
        """Taken by the stand-in itself."""
        self.ended = 0
        """Folds that are over."""
        self._slots, self._epochs_a_poll = slots, epochs_a_poll
        self._templates = _Templates(task)
        self._jobs: dict[str, dict[str, _Fold]] = {}
        self._count = 0
        self._named: dict[str, dict[int, str]] = {}

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        with self._counted():
            jobs = [f"stand-in-{self._count + index}" for index in range(len(texts))]
            self._count += len(texts)
            for job, text in zip(jobs, texts, strict=True):
                folds = [_Fold(Path(item["folder"]), item["spec"]) for item in json.loads(text)["launches"]]
                self._jobs[job] = {str(fold.folder): fold for fold in folds}
            self._named[name] = dict(enumerate(jobs))
            return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return self._named.get(name, {})

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        with self._counted():
            return {job: JobReport(job=job, state=self._step(job), node="stand-in") for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        for job in jobs:
            self._jobs.pop(job, None)

    def room(self, active: int) -> int:
        return self._slots - active

    def release(self) -> None:
        """Holds nothing beyond its jobs."""

    @contextmanager
    def still(self) -> Iterator[None]:
        """Inside, no job gets on."""
        epochs, self._epochs_a_poll = self._epochs_a_poll, 0
        try:
            yield
        finally:
            self._epochs_a_poll = epochs

    def _step(self, job: str) -> JobState:
        folds = self._jobs.get(job)
        if folds is None:
            return JobState.NODE_FAILED  # of a driver that is gone, with all its jobs
        for name, fold in list(folds.items()) if self._epochs_a_poll else ():
            fold.train(self._epochs_a_poll, self._templates)
            if fold.over:
                del folds[name]
                self.ended += 1
        if folds:
            return JobState.RUNNING
        del self._jobs[job]
        return JobState.FINISHED

    @contextmanager
    def _counted(self) -> Iterator[None]:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        yield
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.monotonic() - wall_s


class _Fold:
    """One fold's training that is none."""

    def __init__(self, folder: Path, spec: Mapping[str, Any]) -> None:
        self.folder, self.over = folder, False
        self._epochs, self._rule = int(spec["training"]["epochs"]), str(spec["training"]["checkpoint_rule"])
        self._name, self._done, self._attempt = f"{spec['trial']}/{folder.name}", 0, 0
        self._floor = zlib.crc32(self._name.encode()) / 2**32

    def train(self, epochs: int, templates: _Templates) -> None:
        lines = []
        if not self._attempt:
            self._attempt = 1 + sum(1 for _ in self.folder.glob("attempt-*"))
            attempt_folder(self.folder, self._attempt).mkdir(parents=True)
            lines.append(templates.start(self._attempt))
        last = min(self._done + epochs, self._epochs)
        lines += [templates.epoch(epoch, self._loss(epoch)) for epoch in range(self._done + 1, last + 1)]
        self._done = last
        stopped = last < self._epochs and (self.folder / layout.STOP).exists()
        if stopped or last == self._epochs:
            self.over = True
            status = Status.STOPPED if stopped else Status.FINISHED
            lines.append(templates.end(last, self._loss(last), self._rule, status))
        with (attempt_folder(self.folder, self._attempt) / FILE).open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _loss(self, epoch: int) -> float:
        return self._floor + 1 / epoch


class _Templates:
    """Journal lines, but for the numbers that differ from fold to fold."""

    def __init__(self, task: str) -> None:
        self._metrics = [metric.name for metric in describe(task).metrics]
        self._epochs: dict[int, str] = {}
        self._ends: dict[tuple[int, str, Status], str] = {}
        self._starts: dict[int, str] = {}

    def start(self, attempt: int) -> str:
        if attempt not in self._starts:
            self._starts[attempt] = _line(invented_start(attempt=attempt, time=time.time(), host="stand-in"))
        return self._starts[attempt]

    def epoch(self, epoch: int, loss: float) -> str:
        if epoch not in self._epochs:
            metrics = {"train/loss": 0.5} | self._scores("validation")
            made: Epoch = invented_epoch(epoch=epoch, time=1.76e9 + epoch, metrics=metrics, train_s=1.0)
            self._epochs[epoch] = _line(made)
        return self._epochs[epoch].replace(str(_LOSS), repr(loss))

    def end(self, epochs: int, loss: float, rule: str, status: Status) -> str:
        key = (epochs, rule, status)
        if key not in self._ends:
            outcome = Outcome(epoch=epochs, metrics=self._scores("heldout") | self._scores("validation"))
            facts = {"status": status, "epochs": epochs, "rule": rule, "outcomes": {rule: outcome}, "reason": "all"}
            self._ends[key] = _line(invented_end(**facts, time=1.76e9 + epochs + 1))
        return self._ends[key].replace(str(_LOSS), repr(loss))

    def _scores(self, part: str) -> dict[str, float]:
        return {f"{part}/{name}": _LOSS for name in self._metrics}


def _line(record: Any) -> str:
    return json.dumps(dataclasses.asdict(record), separators=(",", ":")) + "\n"
