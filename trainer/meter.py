"""How long a pack holds its device, written down while it does, and the seconds that it may at most.

Each run of a pack's job (Slurm may start one again) has a file of its own in the pack's folder, so that no file has two
writers: when the job began, when it was last seen alive, when it ended. A run is charged from the begin of its job, so
that imports and data count, until its end and :data:`LEAVING_S`; one that was killed, until it was last seen and
:data:`BEAT_S` more. A pack that shares its device with N - 1 others is charged one N-th. Loads without torch.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from trainer import company
from trainer.attempt import process_start
from trainer.files import put_in_place, write_aside

BEAT_S = 2.0
LEAVING_S = 1.0
"""Charged for a process to be gone after the last that it wrote."""
CLOSING_S, CLOSING_SHARE = 10.0, 0.1
"""Of the seconds that a pack may use, what is kept for saving: so many, or a share of all where that is less."""
CUT = 75
"""Exit status of a pack that did not leave in the time that it was given."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a job. Times in seconds since the Unix epoch."""

    began: float
    seen: float
    ended: bool
    cut: bool
    """Whether it left because it had no more seconds."""
    share: float = 1.0
    """Of the device that it is charged: one of as many parts as packs could be there at a time when it began."""

    @property
    def seconds(self) -> float:
        return self.share * (max(0.0, self.seen - self.began) + LEAVING_S + (0.0 if self.ended else BEAT_S))


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the runs of one job held together."""

    began: float
    seconds: float
    """Charged."""
    seen_s: float
    """Of these, what is known to have been held."""
    ended: bool
    """Whether the last run came to an end of its own; of another, a bit more may have been held than is known."""
    cut: bool


def held(folder: Path) -> Held | None:
    """None where no run has begun, or none could write."""
    runs = _runs(folder)
    if not runs:
        return None
    seconds = sum(_charged(run, later) for run, later in zip(runs, [*runs[1:], None], strict=True))
    seen_s = sum(run.share * max(0.0, run.seen - run.began) for run in runs)
    return Held(began=runs[0].began, seconds=seconds, seen_s=seen_s, ended=runs[-1].ended, cut=runs[-1].cut)


def _charged(run: Run, later: Run | None) -> float:
    """A run without an end may have gone on until the job was started again."""
    return run.seconds if run.ended or later is None else max(run.seconds, run.share * (later.began - run.began))


def _runs(folder: Path) -> list[Run]:
    found = []
    for path in sorted(folder.glob("run-*.json"), key=lambda path: int(path.stem.removeprefix("run-"))):
        try:
            found.append(Run(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):  # claimed, and killed before its first line
            continue
    return found


def job_began(now: float) -> float:
    """When the job that this process is of began to hold what it holds; ``now`` where it is none of submitit's."""
    where = os.environ.get("SUBMITIT_EXECUTOR")
    if where == "slurm":
        try:
            return min(now, float(os.environ["SLURM_JOB_START_TIME"]))
        except (KeyError, ValueError):  # Slurm before 22.05
            return min(now, process_start(os.getppid()) or now)
    return min(now, process_start(os.getppid()) or now) if where == "local" else now


class Meter:
    """``folder``: of the pack's runs; None writes nothing. ``seconds``: that all runs of the job together may hold
    their device; None is no limit. A process that is still there when they are used up is ended."""

    def __init__(self, folder: str | None, seconds: float | None) -> None:
        self._folder = Path(folder) if folder is not None else None
        self._seconds = seconds
        self.cut = False
        """Whether the pack is to leave, or has left, for want of seconds."""
        self.ask: Callable[[], None] = lambda: None
        """Called once when the pack is to leave; from another thread."""
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._deadline = self._leave_at = float("inf")

    def __enter__(self) -> Meter:
        now = time.time()
        self._began, self._share = job_began(now), 1.0 / company.slots()
        if self._seconds is not None:
            before = held(self._folder) if self._folder is not None else None
            spare = (self._seconds - (before.seconds if before is not None else 0.0)) / self._share - LEAVING_S
            self._deadline = time.monotonic() + self._began + spare - now
            self._leave_at = self._deadline - min(CLOSING_S, CLOSING_SHARE * self._seconds)
        if self._folder is not None:
            self._path = self._claimed(self._folder)
            self._write()
        if self._folder is not None or self._seconds is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._write(ended=True)

    def fits(self, seconds: float) -> bool:
        """Whether something that takes so long may still begin. Where not, the pack is to leave."""
        if time.monotonic() + seconds >= self._leave_at:
            self._leave()
        return not self.cut

    def _leave(self) -> None:
        if not self.cut:
            self.cut = True
            logging.getLogger(__name__).warning("no seconds are left of %s: leaving", self._seconds)
            self.ask()

    def _watch(self) -> None:
        while True:
            now = time.monotonic()
            if now >= self._deadline:
                self._write(ended=True)
                os._exit(CUT)
            if now >= self._leave_at:
                self._leave()
            next_at = self._deadline if self.cut else self._leave_at
            if self._over.wait(min(BEAT_S, max(0.01, next_at - now))):
                return
            self._write()

    def _claimed(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("run-*.json")))
        while True:
            path = folder / f"run-{number}.json"
            try:
                path.touch(exist_ok=False)
                return path
            except FileExistsError:
                number += 1

    def _write(self, *, ended: bool = False) -> None:
        if self._folder is None:
            return
        with self._writing:
            if self._over.is_set() and not ended:
                return
            run = Run(began=self._began, seen=time.time(), ended=ended, cut=self.cut, share=self._share)
            put_in_place(write_aside(self._path, lambda file: _put(file, run)), self._path)


def _put(file: IO[bytes], run: Run) -> None:
    file.write(json.dumps(asdict(run)).encode())
