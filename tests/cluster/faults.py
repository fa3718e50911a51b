"""What happens to jobs that hold several packs, on the development cluster."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from slurm.dev.cluster import DevCluster
from slurm.pool.tickets import Pool


class Faults:
    """Of one study: its pool, the cluster that it runs on, and what chance picks."""

    def __init__(self, dev: DevCluster, study: Path, chance: random.Random) -> None:
        self.dev, self.chance = dev, chance
        self.pool = Pool(study / "jobs" / "pool")
        self.known: dict[str, Callable[[], bool]] = {
            "worker": lambda: self._kill(self._workers()),
            "child": lambda: self._kill(self._children()),
            "slurmstepd": lambda: self._kill(self._above("slurmstepd")),
            "requeue": lambda: self._job("scontrol", "requeue"),
            "foreign scancel": lambda: self._job("scancel"),
            "hold and release": self._hold,
            "drain": self._drain,
            "slurmd": self._slurmd,
            "controller": self._controller,
        }

    def happen(self, name: str) -> bool:
        """Whether there was anything that it could happen to."""
        return self.known[name]()

    def _workers(self) -> list[psutil.Process]:
        found = []
        for said in self.pool.runs().values():
            try:
                process = psutil.Process(said.pid)
                if str(self.pool.folder) in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _children(self) -> list[psutil.Process]:
        return [child for worker in self._workers() for child in worker.children(recursive=True)]

    def _above(self, name: str) -> list[psutil.Process]:
        found = []
        for worker in self._workers():
            found += [each for each in worker.parents() if each.name().startswith(name)]
        return found

    def _kill(self, processes: list[psutil.Process]) -> bool:
        if processes:
            self.chance.choice(processes).kill()
        return bool(processes)

    def _jobs(self) -> list[str]:
        told = self._say("squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%A|%j")[1].splitlines()
        return [line.partition("|")[0] for line in told if ".w" in line]

    def _job(self, *words: str) -> bool:
        jobs = self._jobs()
        return bool(jobs) and self._say(*words, self.chance.choice(jobs))[0]

    def _hold(self) -> bool:
        held = [self._say("scontrol", "requeuehold", job)[0] for job in self._jobs()]
        time.sleep(3)
        for job in self._jobs():
            self._say("scontrol", "release", job)
        return any(held)

    def _drain(self) -> bool:
        node = self.chance.choice(self.dev.nodes)
        self._say("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        time.sleep(3)
        return self._say("scontrol", "update", f"nodename={node}", "state=resume")[0]

    def _slurmd(self) -> bool:
        busy = {said.host for said in self.pool.runs().values() if not said.leaving}
        node = self.chance.choice(sorted(busy) or self.dev.nodes)
        self.dev.kill_node(node)
        time.sleep(12)  # longer than the controller waits for a node
        self.dev.start_node(node)
        return bool(busy)

    def _controller(self) -> bool:
        self.dev.stop_controller()
        time.sleep(3)
        self.dev.start_controller()
        return True

    def _say(self, *words: str) -> tuple[bool, str]:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout


class Driver:
    """A driver as a process of its own, started again whenever it was killed."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self.kills = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words, start_new_session=True)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        self._process = self._start()

    def seconds(self, wait_s: float) -> Iterator[float]:
        """Each half second until it has ended."""
        end = time.monotonic() + wait_s
        while self._process.poll() is None:
            if time.monotonic() > end:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise AssertionError(f"the study did not finish in {wait_s} s")
            time.sleep(0.5)
            yield time.monotonic()
        assert self._process.returncode == 0
