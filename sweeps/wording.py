"""Counts and times in words."""

from __future__ import annotations


def counted(count: int, what: str, plural: str | None = None) -> str:
    """``1 fold``, ``2 folds``; ``plural`` where an s is not enough."""
    return f"{count} {what if count == 1 else plural or what + 's'}"


def jobs(count: int) -> str:
    return counted(count, "job")


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
