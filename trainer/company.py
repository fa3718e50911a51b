"""Other packs on the same device, as far as whoever started this one says. Loads without torch."""

from __future__ import annotations

import contextlib
import os

SLOTS, MAY_SHARE = "ACTSWEEP_SLOTS", "ACTSWEEP_MAY_SHARE"
NO_MEMORY = ("OutOfMemoryError", "MemoryError")
NO_MEMORY_WORDS = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "Cannot allocate memory")
"""In the messages of CUDA's libraries and of allocators that raise plain RuntimeErrors."""


def slots() -> int:
    """Packs that may run on the device at a time, this one included."""
    with contextlib.suppress(KeyError, ValueError):
        return max(1, int(os.environ[SLOTS]))
    return 1


def may_come() -> bool:
    """Whether the device is shared, or may come to be while this pack runs."""
    return slots() > 1 or os.environ.get(MAY_SHARE) == "1"


def too_crowded(error: BaseException) -> bool:
    """Whether an error may be the doing of others who take the device's memory: no failure of what it met."""
    if not may_come():
        return False
    named = any(kind.__name__ in NO_MEMORY for kind in type(error).__mro__)
    return named or (isinstance(error, RuntimeError | OSError) and any(word in str(error) for word in NO_MEMORY_WORDS))
