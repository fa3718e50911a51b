"""Signals that ask a pack to leave: Slurm's warning before the time limit or a preemption, and SIGTERM."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGUSR2, signal.SIGTERM)


class Interrupted(Exception):
    """Training was asked to leave in the middle of an epoch."""


class Interruption:
    """A flag that the signals set, while the context lasts; the handlers there were before come back afterwards.

    Handlers can only be had in the main thread; elsewhere the flag is there and nothing sets it.
    """

    def __init__(self) -> None:
        self.asked = self.signalled = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def check(self) -> None:
        """Raises :class:`Interrupted` once asked."""
        if self.asked:
            raise Interrupted

    def leave(self) -> None:
        """Asks as a signal would."""
        self.asked = True

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = self.signalled = True
        logging.getLogger(__name__).warning("%s: leaving; what is done is on disk", signal.Signals(number).name)
