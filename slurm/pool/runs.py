"""What the runs of workers say they have, read again only where it has changed."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Collection
from pathlib import Path

from slurm.pool.tickets import WORKERS, Pool, Worker


class Runs:
    """The newest run of each worker that is there."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen: dict[str, tuple[tuple[int, int], Worker]] = {}
        """Run -> of its file: time and size; what it says."""
        self.told: int | None = None
        """Texts at a time on a worker, as one said last."""

    def read(self, live: Collection[str]) -> None:
        """``live``: the workers that are there."""
        folder = self._pool.folder / WORKERS
        present = set()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    run = entry.name.removesuffix(".json")
                    if entry.name.startswith(".") or (worker_of(run) not in live and self.told is not None):
                        continue
                    present.add(run)
                    with contextlib.suppress(OSError, ValueError, TypeError):
                        self._read(run, entry)
        except FileNotFoundError:
            return
        for run in [run for run in self._seen if run not in present or worker_of(run) not in live]:
            del self._seen[run]

    def _read(self, run: str, entry: os.DirEntry[str]) -> None:
        facts = entry.stat()
        mark = facts.st_mtime_ns, facts.st_size
        if run in self._seen and self._seen[run][0] == mark:
            return
        record = json.loads(Path(entry.path).read_text(encoding="utf-8"))
        record["devices"] = tuple(record["devices"])
        worker = Worker(**record)
        self._seen[run] = mark, worker
        self.told = at_a_time(worker) or self.told

    def of(self, run: str) -> Worker | None:
        seen = self._seen.get(run)
        return seen[1] if seen else None

    def newest(self) -> dict[str, tuple[int, Worker]]:
        """Worker -> number of its newest run, and what that says."""
        found: dict[str, tuple[int, Worker]] = {}
        for run, (_, said) in self._seen.items():
            worker, number = worker_of(run), number_of(run)
            if worker not in found or found[worker][0] < number:
                found[worker] = number, said
        return found

    def typical(self) -> int | None:
        """Texts at a time on a further worker, as those that are there say; None where none ever said."""
        here = [at_a_time(said) for _, said in self.newest().values() if at_a_time(said)]
        return math.ceil(sum(here) / len(here)) if here else self.told


def at_a_time(worker: Worker) -> int:
    return len(worker.devices) * worker.slots


def worker_of(run: str) -> str:
    return run.rpartition(".")[0]


def number_of(run: str) -> int:
    number = run.rpartition(".")[2]
    return int(number) if number.isdecimal() else -1
