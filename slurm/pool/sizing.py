"""How many jobs that hold several texts are to be there, and how many texts may wait for them. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

SLOTS_UNTOLD = 8
"""Texts that are given for a job of which nobody has said yet how many run on it at a time."""
PENDING_AT_MOST = 32
"""Jobs that wait at a time where the profile does not say how many there may be."""
GIVEN_AT_ONCE = 500
"""Most texts that are given in one step, so that it does not last."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The jobs that are not over."""

    staying: Collection[int]
    """Of each that runs and takes texts: how many run on it at a time."""
    leaving: Collection[int]
    """Of each that takes no more: how many run on it still."""
    pending: int
    """That have not said what they have."""
    slots: int | None
    """Texts at a time on a further job; None where that is not known."""
    most: int
    """Jobs that there may be."""

    @property
    def jobs(self) -> int:
        return len(self.staying) + len(self.leaving) + self.pending


def further(standing: Standing, texts: int) -> int:
    """How many more jobs ``texts`` (that wait or run) need. While nobody has said what one job runs at a time, one has
    to tell first."""
    if not texts:
        return 0
    room = max(0, standing.most - standing.jobs)
    if standing.slots is None:
        return min(room, 0 if standing.staying or standing.pending else 1)
    missing = texts - sum(standing.staying) - sum(standing.leaving) - standing.pending * standing.slots
    wanted = math.ceil(max(0, missing) / max(1, standing.slots))
    return min(room, wanted)


def room(standing: Standing, active: int, *, ended: int) -> int:
    """How many more texts may be given while ``active`` wait or run: as many as all jobs that there may be run at a
    time, and so many more that a place that becomes free does not wait for the driver's next step. ``ended``: texts
    that ended since its last one."""
    slots = SLOTS_UNTOLD if standing.slots is None else max(1, standing.slots)
    begun = sum(standing.staying) + sum(standing.leaving)
    not_begun = max(0, standing.most - len(standing.staying) - len(standing.leaving))
    if standing.slots is None:
        not_begun = min(not_begun, 1)  # that has to tell first
    waiting = max(sum(standing.staying), slots if not_begun else 0, 2 * ended)
    return max(0, min(begun + not_begun * slots + waiting - active, GIVEN_AT_ONCE))
