"""Ctrl-C, kept until a decision step is over."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Keeps Ctrl-C until a decision step is over, so that nothing a step calls can swallow it. A second Ctrl-C does not
    wait. Elsewhere than in the main thread, where signals cannot be heard, it only waits."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def wait(self, seconds: float) -> None:
        """Raises KeyboardInterrupt once asked to."""
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._asked:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
