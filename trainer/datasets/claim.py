"""One process of many, on any number of machines, that does a piece of work; the others wait for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

HEARTBEAT_S = 5.0
"""A working process touches its claim this often ..."""
STALE_S = 60.0
"""... and one whose claim has not changed for this long counts as gone."""


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """True for the one process that is to work; others come back with False once it is done or seems gone.

    Only saves work: correctness rests on the rename. Ages are told by watching the claim change, not by comparing
    clocks of two machines."""
    try:
        path.mkdir()
    except FileExistsError:
        _wait(path)
        yield False
        return
    done = threading.Event()
    pulse = threading.Thread(target=_pulse, args=(path, done), daemon=True)
    pulse.start()
    try:
        yield True
    finally:
        done.set()
        pulse.join()
        with contextlib.suppress(OSError):
            path.rmdir()


def _pulse(path: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):
            path.touch()


def _wait(path: Path) -> None:
    seen, since = -1, time.monotonic()
    while True:
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            return
        if changed != seen:
            seen, since = changed, time.monotonic()
        elif time.monotonic() - since > STALE_S:
            with contextlib.suppress(OSError):
                path.rmdir()
            return
        time.sleep(0.2)
