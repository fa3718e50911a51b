"""Processes told apart from others that were given the same number later."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One process of one boot of one machine; numbers are given again, this is not."""

    host: str
    boot: str
    pid: int
    started: float
    """Clock ticks after the boot, or seconds since 1970 where the system does not count ticks."""


@functools.cache
def this_host() -> str:
    return socket.gethostname()


@functools.cache
def this_boot() -> str:
    """Changes with every start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def identify(pid: int) -> Identity | None:
    """Who has this number now; None where nobody has, or where it only waits to be reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _identify_by_psutil(pid)
    except (OSError, ValueError):
        return None
    fields = status[status.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return Identity(host=this_host(), boot=this_boot(), pid=pid, started=float(fields[19]))


def _identify_by_psutil(pid: int) -> Identity | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(host=this_host(), boot=this_boot(), pid=pid, started=process.create_time())
    except psutil.Error:
        return None


def alive(identity: Identity) -> bool | None:
    """Whether that very process runs; None where it is another machine's and cannot be seen from here."""
    if identity.host != this_host():
        return None
    return identity.boot == this_boot() and identify(identity.pid) == identity


def signal_group(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a whole process group; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def has_variable(pid: int, name: str, value: str) -> bool:
    """Whether the process runs, is this user's, and has that variable at that value."""
    try:
        # Not psutil's reading, where there is another: it ends at the first gap, and a process that writes a title over
        # the begin of its environment, as slurmstepd does, leaves one.
        return f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except FileNotFoundError:
        pass
    except OSError:
        return False
    try:
        return psutil.Process(pid).environ().get(name) == value
    except (psutil.Error, OSError):
        return False


def with_variable(name: str, value: str) -> Iterator[int]:
    """Numbers of this user's processes whose environment has that variable at that value."""
    for pid in psutil.pids():
        if has_variable(pid, name, value):
            yield pid


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def memory_gb() -> float:
    """Memory of this machine, or of the container this process is confined to, in units of 2^30 bytes."""
    total = psutil.virtual_memory().total
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text(encoding="ascii")))
    return float(total / 2**30)
