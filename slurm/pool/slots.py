"""How many tickets at a time a device bears: a number, or what a try-out with real tickets finds.

The try-out begins with one ticket on each device. Once one has given enough epochs there, twice as many are let in;
each ticket that was measured before and after tells how much slower its own epochs have become, so that tickets that
differ much can be compared. Twice as many that are each ``s`` times as fast give ``2 s`` of the work. Less than 1.1,
and the number goes back; those too many end by themselves. Else those that came later are asked as well, since a device
may favour whom it served before: what ends is not replaced until one of them was measured with the smaller number, too.
Then twice as many stay, and the next doubling is tried where the device's memory has room for it.

Where tickets end before they give enough epochs, the mean time that whole tickets take stands in for their epochs.
Memory that falls short halves the number, and it rises no more. Nothing here has effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COUNTED = 3
"""Epochs of a ticket that count at a level; the first of all, and those during which others came or went, do not."""
WHOLE = 3
"""Whole tickets that stand in for epochs, at each of two levels."""
GAIN = 1.1
SPARE = 0.2
"""Of the device's memory, what is to be free with twice as many tickets."""
MOST = 32


@dataclass(kw_only=True)
class Level:
    """What was measured with so many tickets at a time."""

    epochs: dict[str, list[float]] = field(default_factory=dict)
    """Job -> seconds of its epochs that count."""
    whole: list[float] = field(default_factory=list)
    """Seconds of tickets that began and ended with so many at a time."""

    def mean(self, job: str) -> float | None:
        told = self.epochs.get(job, ())
        return sum(told) / len(told) if len(told) >= COUNTED else None


class Slots:
    """One number for all devices of a worker, which are of one kind. ``found``: what an earlier worker found of such
    devices, as :attr:`record` gave it."""

    def __init__(self, wanted: int | str, found: Mapping[str, Any] | None = None) -> None:
        self.now = wanted if isinstance(wanted, int) else 1
        self.settled = isinstance(wanted, int)
        self.why = "as the profile says" if self.settled else "the try-out begins"
        self._before = 0
        """The number that is known to be good while twice as many are tried; 0 while none are."""
        self._tried = 0
        """Twice that number, while it is tried or checked."""
        self._checking = False
        """Whether those that came later are being asked."""
        self._by_whole = False
        """Whether tickets are too short for their epochs to tell."""
        self._crowded = False
        self._first: set[str] = set()
        """Jobs that had told of the smaller number when the doubling began."""
        self._levels: dict[int, Level] = {}
        if found is not None:
            self._take_up(wanted, found)

    def _take_up(self, wanted: int | str, found: Mapping[str, Any]) -> None:
        slots, settled, crowded = int(found["slots"]), bool(found["settled"]), bool(found["crowded"])
        if not isinstance(wanted, int):
            self.now, self.settled, self.why = max(1, slots), settled, f"as an earlier job found: {found['why']}"
        elif crowded and slots < wanted:
            self.now, self.why = max(1, slots), f"as an earlier job found: {found['why']}"
        self._crowded = crowded

    @property
    def record(self) -> dict[str, Any]:
        """What later workers begin with: of a try-out that was cut off, the last number that is known to be good."""
        return {
            "slots": self._before or self.now,
            "settled": self.settled,
            "crowded": self._crowded,
            "why": self.why,
        }

    def epoch(self, job: str, seconds: float, company: int) -> None:
        """A ticket tells of an epoch, during all of which ``company`` tickets trained on its device."""
        if not self.settled:
            self._level(company).epochs.setdefault(job, []).append(seconds)

    def whole(self, seconds: float, company: int) -> None:
        """A ticket began and ended with ``company`` on its device, in a process that had run others before."""
        if not self.settled:
            self._level(company).whole.append(seconds)

    def _level(self, company: int) -> Level:
        return self._levels.setdefault(company, Level())

    @property
    def may_double(self) -> bool:
        """Whether enough is known of the present number to try twice as many, if memory allows."""
        if self.settled or self._before:
            return False
        here = self._level(self.now)
        told = not self._by_whole and any(here.mean(job) is not None for job in here.epochs)
        return told or len(here.whole) >= WHOLE

    def double(self, memory: tuple[float, float] | None) -> bool:
        """Lets twice as many in, where that fits into the memory: (used, there), in any unit; None: it is not told,
        and then what becomes of it is seen. Whether the number is now another."""
        if 2 * self.now > MOST:
            return self._settle(self.now, f"more than {MOST} are not tried")
        if memory is not None and 2 * memory[0] > (1 - SPARE) * memory[1]:
            used, there = memory
            return self._settle(self.now, f"memory: {used:.0f} of {there:.0f} MB are used, and twice that does not fit")
        self._before, self.now = self.now, 2 * self.now
        self._tried, self._checking = self.now, False
        self._first = {job for job in self._level(self._before).epochs if self._level(self._before).mean(job)}
        self._levels.pop(self.now, None)
        self.why = f"{self.now} at a time are tried"
        return True

    def weigh(self, running: frozenset[str]) -> bool:
        """Keeps twice as many or goes back, once enough is known; ``running``: jobs of what runs. Where all that could
        have told of both numbers has ended, goes back as well, to let whole tickets tell. Whether anything changed."""
        if self.settled or not self._before:
            return False
        later = self._later()
        if self._checking and later & running and not any(self._level(self._before).mean(job) for job in later):
            return False
        gain = self._gain(running)
        if gain is None:
            return self._measure_again(running)
        told = f"{self._tried} at a time give {gain:.2f} times the epochs of {self._before}"
        if gain < GAIN:
            return self._settle(self._before, told)
        if not self._checking and later & running:
            self._checking, self.now = True, self._before
            self.why = f"{told}, of those that were there before; the others are asked"
            return True
        self.now, self._before, self.why = self._tried, 0, told
        return True

    def _later(self) -> set[str]:
        """Those that told of the number that is tried, and had not told of the one before when it began."""
        two = self._level(self._tried)
        return {job for job in two.epochs if two.mean(job) is not None and job not in self._first}

    def _gain(self, running: frozenset[str]) -> float | None:
        one, two = self._level(self._before), self._level(self._tried)
        known = {job: mean for job in one.epochs if (mean := one.mean(job)) is not None}
        both = {job: (mean, now) for job, mean in known.items() if (now := two.mean(job)) is not None}
        if both and (self._checking or not (known.keys() - both.keys()) & running):
            return 2 * sum(before / now for before, now in both.values()) / len(both)
        if len(one.whole) >= WHOLE and len(two.whole) >= max(WHOLE, self._tried):
            return 2 * (sum(one.whole) / len(one.whole)) / (sum(two.whole) / len(two.whole))
        return None

    def _measure_again(self, running: frozenset[str]) -> bool:
        one = self._level(self._before)
        if len(one.whole) >= WHOLE or any(one.mean(job) is not None and job in running for job in one.epochs):
            return False
        self.now, self._before, self._by_whole = self._before, 0, True
        self.why = f"{self.now} at a time until {WHOLE} packs have told how long they take: their epochs are too few"
        return True

    def crowded(self, most: int) -> bool:
        """Memory was short where ``most`` tickets could run at a time; whether the number is now another."""
        self._crowded = True
        return self._settle(min(self.now, self._before or self.now, max(1, most // 2)), "memory was short with more")

    def _settle(self, slots: int, why: str) -> bool:
        changed = (slots, True) != (self.now, self.settled)
        self.now, self.settled, self._before, self.why = slots, True, 0, why
        return changed
