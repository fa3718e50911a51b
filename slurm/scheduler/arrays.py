"""Pure: how the texts of one call are dealt out to arrays and partitions."""

from __future__ import annotations

from collections.abc import Mapping

from slurm.profile import Profile
from slurm.scheduler.submissions import Array


def split(name: str, count: int, profile: Profile, *, largest: int, active: Mapping[str, int]) -> list[Array]:
    """Arrays of at most ``largest`` tasks each, in the order of the texts.

    ``active`` counts what each partition has of ours by now: with shares, packs go where the share is least met;
    without, to the first partition below its ``max_jobs``, and to the last where all are full.
    """
    arrays: list[Array] = []
    start = 0
    for partition, size in deal(count, profile, active):
        for first in range(start, start + size, largest):
            tasks = min(largest, start + size - first)
            arrays.append(Array(name=f"{name}.{first}", start=first, count=tasks, partition=partition))
        start += size
    return arrays


def deal(count: int, profile: Profile, active: Mapping[str, int]) -> list[tuple[str | None, int]]:
    """How many of ``count`` packs each partition gets, in the profile's order; None is the profile's one partition."""
    if not profile.partitions:
        return [(None, count)]
    given = {partition.name: 0 for partition in profile.partitions}
    have = {name: active.get(name, 0) for name in given}
    for _ in range(count):
        free = [entry for entry in profile.partitions if entry.max_jobs is None or have[entry.name] < entry.max_jobs]
        if not free:
            chosen = profile.partitions[-1]
        elif profile.partitions[0].share is None:
            chosen = free[0]
        else:
            chosen = min(free, key=lambda entry: (have[entry.name] + 1) / (entry.share or 1.0))
        given[chosen.name] += 1
        have[chosen.name] += 1
    return [(name, size) for name, size in given.items() if size]
