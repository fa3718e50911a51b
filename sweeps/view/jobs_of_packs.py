"""Jobs that hold several packs, in words: what they would be, before a run."""

from __future__ import annotations

import math
from pathlib import Path

from slurm import profile_jobs
from slurm.pool import outfit
from slurm.profile import Executor, Profile
from sweeps.wording import counted, jobs


def planned(profile: Profile, packs: int) -> str:
    """``36 packs in 2 jobs of 4 GPUs, 2 packs on each GPU: 16 packs at a time``, and when they take no more."""
    each = outfit.at_a_time(profile)
    local = profile.executor is Executor.LOCAL
    head = f"at most {counted(packs, 'pack')}" if not local else counted(packs, "pack")
    if each is None:
        return f"{head} in jobs of a whole node each ({_unsaid(profile)}){_further(profile)}"
    most = math.ceil(packs / each) if packs else 0
    if profile.max_jobs is not None:
        most = min(most, profile.max_jobs)
    if local:
        most = min(most, _here(profile))
    least = "at least " if profile.slots_per_gpu == "auto" else ""
    at_a_time = f"{least}{counted(min(packs, most * each), 'pack')} at a time"
    where = " on this machine" if local else ""
    return f"{head} in {jobs(most)} of {_holds(profile)}{where}{_slots(profile)}: {at_a_time}{_further(profile)}"


def _here(profile: Profile) -> int:
    from slurm.local.cluster import LocalCluster

    return LocalCluster(outfit.for_worker(profile), Path("jobs")).room(0)


def _unsaid(profile: Profile) -> str:
    if profile_jobs.whole_node(profile):
        cores = _each(_cores(profile.cpus_per_pack))
        return f"--exclusive, since cpus_per_node does not say what one has; a pack on {cores} of it"
    return "how many GPUs a node has differs by partition"


def _holds(profile: Profile) -> str:
    gpus = outfit.gpus_per_pack(profile)
    number = outfit.devices(profile) or 1
    return counted(number * gpus, "GPU") if gpus else _cores(number * profile.cpus_per_pack)


def _cores(count: int) -> str:
    return counted(count, "core")


def _slots(profile: Profile) -> str:
    gpus, slots = outfit.gpus_per_pack(profile), profile.slots_per_gpu
    on = _each(counted(gpus, "GPU") if gpus else _cores(profile.cpus_per_pack))
    if slots == "auto":
        return f", as many packs on {on} as a trial there finds good"
    return f", {counted(slots, 'pack')} on {on}"


def _each(things: str) -> str:
    """``each GPU``, ``each 2 GPUs``."""
    return f"each {things.removeprefix('1 ')}"


def _further(profile: Profile) -> str:
    if profile.limit_min is None and not profile.partitions:
        return "; a job takes packs as long as there are any"
    reserve = profile.reserve_s if profile.reserve_s is not None else outfit.RESERVE_S
    return f"; a job takes packs until less than {reserve:g} s are left before it is told to save"
