"""Who was on a device together, and for how long: which epochs tell of how many at a time."""

from __future__ import annotations

from dataclasses import dataclass

STEADY = 0.1
"""How far from a whole number the mean company of a ticket may be for it to count as having had that."""


@dataclass(kw_only=True)
class _Guest:
    came: float
    crowd_s: float
    """The device's crowd when it came."""
    first_epoch: float | None = None


class Company:
    """Of one device. Jobs come and go; times in seconds since any one begin, never backwards."""

    def __init__(self) -> None:
        self._guests: dict[str, _Guest] = {}
        self._crowd_s = self._at = 0.0
        """Guests times seconds, up to then."""
        self._changed = float("-inf")

    def came(self, job: str, now: float) -> None:
        self._count(now)
        self._guests[job] = _Guest(came=now, crowd_s=self._crowd_s)
        self._changed = now

    def went(self, job: str, now: float) -> tuple[float, int | None]:
        """How long it was there, and with how many, itself included; None for those where the number varied."""
        self._count(now)
        guest = self._guests.pop(job)
        self._changed = now
        stayed_s = now - guest.came
        mean = (self._crowd_s - guest.crowd_s) / stayed_s if stayed_s > 0 else 0.0
        return stayed_s, round(mean) if mean > 0 and abs(mean - round(mean)) <= STEADY else None

    def epoch(self, job: str, seconds: float, now: float) -> int | None:
        """With how many a ticket trained during an epoch that is over now. None for its first one, and where others
        came, went, or had not begun to train."""
        guest = self._guests[job]
        if guest.first_epoch is None:
            guest.first_epoch = now
            return None
        begins = [each.first_epoch for each in self._guests.values()]
        if None in begins:
            return None
        steady = max([self._changed, *(begin for begin in begins if begin is not None)])
        return len(self._guests) if now - seconds >= steady else None

    def _count(self, now: float) -> None:
        self._crowd_s += len(self._guests) * (now - self._at)
        self._at = now
