"""Counts in words."""

from __future__ import annotations

from typing import SupportsInt


def counted(count: SupportsInt, thing: str, plural: str = "") -> str:
    """``1 run``, ``2 runs``; with its ``plural`` where an s at the end does not make one."""
    number = int(count)
    return f"{number} {thing if number == 1 else plural or thing + 's'}"
