"""What workers found devices to bear, by kind, for those that come later."""

from __future__ import annotations

import time
from typing import Any

from slurm.pool.slots import Slots
from slurm.pool.tickets import Pool

KEYS = {"kind", "at", "slots", "settled", "crowded", "why"}


def keep(pool: Pool, run: str, kind: str, slots: Slots) -> None:
    """Raises OSError."""
    pool.keep_slots(run, {"kind": kind, "at": time.time(), **slots.record})


def newest(pool: Pool, kind: str) -> dict[str, Any] | None:
    """Of the kind; of those that came to an end of their try-out, if any did."""
    found = [each for each in pool.kept_slots() if each.get("kind") == kind and each.keys() >= KEYS]
    return max(found, key=lambda each: (each["settled"] is True, each["at"]), default=None)
