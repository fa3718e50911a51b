"""Signals as a loop hears them."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from slurm import payload


class Signals:
    """Notes signals, and wakes whoever waits for :attr:`pipe`."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.pipe, self._bell = os.pipe()
        for each in (self.pipe, self._bell):
            os.set_blocking(each, False)

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._hear) for number in payload.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.pipe)
        os.close(self._bell)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._bell, b".")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.pipe, 4096)
