"""The processes of a development cluster: started, waited for, recognised later, and ended without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from slurm import processes
from slurm.errors import DevClusterError

MARK = "ACTSWEEP_CLUSTER"
"""Variable by which the daemons, and the steps that they start, are recognised."""
START_S = 60.0


class Daemons:
    """Named processes whose output goes to ``<name>.out`` in a folder. ``known`` are those that another process
    started."""

    def __init__(self, folder: Path, known: Mapping[str, processes.Identity] | None = None) -> None:
        self.folder = folder
        self.known: dict[str, processes.Identity] = dict(known or {})

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Raises :class:`slurm.errors.DevClusterError` where it ends at once."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        with (self.folder / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env={**inherited, **environment, MARK: str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.returncode = 0  # let go: reaped by its number
        identity = processes.identify(process.pid)
        if identity is None:
            raise DevClusterError(f"{name} ended as it started: {self._tail(name)}")
        self.known[name] = identity

    def alive(self, name: str) -> bool:
        return name in self.known and bool(processes.alive(self.known[name]))

    def until(self, name: str, ready: Callable[[], bool]) -> None:
        """Waits until it is ready; raises :class:`slurm.errors.DevClusterError` where it ends or takes too long."""
        end = time.monotonic() + START_S
        while not ready():
            if not self.alive(name):
                raise DevClusterError(f"{name} ended: {self._tail(name)}")
            if time.monotonic() > end:
                raise DevClusterError(f"{name} is not ready after {START_S:.0f} s: {self._tail(name)}")
            time.sleep(0.05)

    def end(self, name: str, number: signal.Signals, wait_s: float = 10.0) -> None:
        """Sends a signal, and SIGKILL after ``wait_s``; gives when it is gone."""
        if not self.alive(name):
            return
        identity = self.known[name]
        os.kill(identity.pid, number)
        end = time.monotonic() + wait_s
        while processes.alive(identity):
            if time.monotonic() > end:
                os.kill(identity.pid, signal.SIGKILL)
            time.sleep(0.02)

    def end_all(self, last: str) -> None:
        """Ends every daemon, every step that outlived one, and all their descendants; ``last`` after all others."""
        stubborn = time.monotonic() + 10
        for name in reversed(self.known):
            if name != last:
                self.end(name, signal.SIGTERM, wait_s=max(0.5, stubborn - time.monotonic()))
        for process in self._everything():
            if last not in self.known or process.pid != self.known[last].pid:
                _kill(process)
        self.end(last, signal.SIGTERM, wait_s=10)
        for process in self._everything():
            _kill(process)

    def _everything(self) -> list[psutil.Process]:
        """All processes with the mark and their descendants; never this process."""
        found: dict[int, psutil.Process] = {}
        for pid in processes.with_variable(MARK, str(self.folder)):
            if pid == os.getpid():
                continue
            try:
                process = psutil.Process(pid)
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
            except psutil.Error:
                continue
        return list(found.values())

    def _tail(self, name: str) -> str:
        words = ""
        for path in (self.folder / f"{name}.log", self.folder / f"{name}.out"):
            if path.exists():
                words = words or last_words(path.read_text(encoding="utf-8", errors="replace"))
        return words or f"see {self.folder}/{name}.out"


def last_words(text: str) -> str:
    """The last lines that say what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "fatal" in line.lower() or "error" in line.lower()]
    return " | ".join((telling or lines)[-2:])


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(timeout=5)
    except psutil.Error:
        return
