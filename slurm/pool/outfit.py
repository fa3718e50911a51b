"""What a job that holds several packs asks for, and how many run on it at a time, by the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm import executor, payload, processes, profile_jobs
from slurm.local.cluster import gpus_here
from slurm.pool.tickets import Work

if TYPE_CHECKING:
    from slurm.profile import Profile
    from slurm.profile_sections import Partition

RESERVE_S = 60.0
"""Where the profile does not say it."""


def gpus_per_pack(profile: Profile) -> int:
    if profile.gpus_per_pack is not None:
        return profile.gpus_per_pack
    return 1 if profile.executor == "slurm" or gpus_here() else 0


def devices(profile: Profile) -> int | None:
    """On one job: groups of GPUs or of cores on each of which a pack runs; None where the node has to tell."""
    if profile.holds == "pilot":
        return 1
    if profile.executor == "local":
        return _here(profile)
    found = {_of_node(here) for here in profile.places}
    return found.pop() if len(found) == 1 else None


def _of_node(here: Profile) -> int | None:
    gpus = gpus_per_pack(here)
    there, each = (here.gpus_per_node, gpus) if gpus else (here.cpus_per_node, here.cpus_per_pack)
    return None if there is None else max(1, there // each)


def _here(profile: Profile) -> int:
    """On this machine, by its GPUs or cores and its memory."""
    if each := gpus_per_pack(profile):
        fits = [(len(gpus_here()) if profile.gpus_per_node is None else profile.gpus_per_node) // each]
    else:
        fits = [processes.cores() // profile.cpus_per_pack]
    slots = profile.slots_per_gpu if isinstance(profile.slots_per_gpu, int) else 1
    if profile.memory_gb is not None:
        fits.append(int(processes.memory_gb() // (profile.memory_gb * slots)))
    return max(1, min(fits))


def at_a_time(profile: Profile) -> int | None:
    """Packs on one job at a time; of a number of slots that the node finds, at least."""
    number = devices(profile)
    slots = profile.slots_per_gpu
    return None if number is None else number * (slots if isinstance(slots, int) else 1)


def as_sent(profile: Profile) -> Profile:
    """The profile by which jobs are asked for, whatever they hold."""
    return profile if profile.holds == "pack" else for_worker(profile)


def for_worker(profile: Profile) -> Profile:
    """The profile of such jobs: theirs are the resources, of the pack are the threads; in each partition its own."""
    if not profile.partitions:
        return _for_worker(profile)
    entries = tuple(_stated(entry, _for_worker(profile.at(entry.name))) for entry in profile.partitions)
    return profile.model_copy(update={"partitions": entries})


def _stated(entry: Partition, worker: Profile) -> Partition:
    """The partition with all that a worker's job gets in it said by itself."""
    keys = (
        "gpus_per_pack",
        "cpus_per_pack",
        "cpus_per_node",
        "mem_per_cpu_gb",
        "mem_per_gpu_gb",
        "environment",
        "sbatch",
    )
    memory = worker.memory_gb if worker.memory_key == "mem_gb" else None
    return entry.model_copy(update={"mem_gb": memory} | {key: getattr(worker, key) for key in keys})


def _for_worker(profile: Profile) -> Profile:
    environment = executor.node_environment(profile)  # the threads of a pack, not those of the node
    update: dict[str, Any] = {"environment": environment, "gpus_per_pack": gpus_per_pack(profile)}
    number = devices(profile)
    if profile.holds == "node":
        update |= _node(profile, number)
    elif isinstance(profile.slots_per_gpu, int) and profile.executor == "slurm":
        update |= _shared(profile, profile.slots_per_gpu)
    return profile.model_copy(update=update)


def _node(profile: Profile, number: int | None) -> dict[str, Any]:
    if profile.executor == "local":
        gpus = profile.gpus_per_node if profile.gpus_per_node is not None else len(gpus_here())
        return {"gpus_per_pack": gpus if gpus_per_pack(profile) else 0, "max_jobs": 1}
    if profile_jobs.whole_node(profile):
        return {"sbatch": {"exclusive": True, **profile.sbatch}, **_all_memory(profile)}
    slots = profile.slots_per_gpu if isinstance(profile.slots_per_gpu, int) else 1
    packs = (number or 1) * slots
    here = profile.cpus_per_node or profile.cpus_per_pack * packs
    return {
        "gpus_per_pack": (profile.gpus_per_node or 0) if gpus_per_pack(profile) else 0,
        "cpus_per_pack": here,
        "cpus_per_node": here,
        **_memory(profile, packs),
    }


def _shared(profile: Profile, slots: int) -> dict[str, Any]:
    """Cores are what packs without a GPU share; beside a GPU each has its own."""
    cores_too = {"cpus_per_pack": profile.cpus_per_pack * slots} if gpus_per_pack(profile) else {}
    return {**cores_too, **_memory(profile, slots)}


def _all_memory(profile: Profile) -> dict[str, Any]:
    if profile.mem_per_node_gb is not None:
        return {"mem_gb": profile.mem_per_node_gb, "mem_per_cpu_gb": None, "mem_per_gpu_gb": None}
    return {} if profile.memory_key != "mem_gb" or profile.memory_gb is None else {"mem_gb": 0.0}


def _memory(profile: Profile, packs: int) -> dict[str, Any]:
    """By the core or by the GPU it grows by itself."""
    if profile.mem_per_node_gb is not None:
        return {"mem_gb": profile.mem_per_node_gb, "mem_per_cpu_gb": None, "mem_per_gpu_gb": None}
    if profile.memory_key != "mem_gb" or profile.memory_gb is None:
        return {}
    return {"mem_gb": profile.memory_gb * packs}


def work(profile: Profile, *, pool: str, worker: str, preload: str) -> Work:
    """What such a job is told. ``profile``: of the packs."""
    known = [here.limit_min for here in profile.places if here.limit_min is not None]
    own = {name: value for name, value in profile.environment.items() if name in payload.THREAD_VARIABLES}
    return Work(
        pool=pool,
        worker=worker,
        preload=preload,
        gpus_per_ticket=gpus_per_pack(profile.places[0]),
        cpus_per_ticket=profile.places[0].cpus_per_pack,
        slots=profile.slots_per_gpu,
        limit_s=60.0 * min(known) if known else None,
        lead_s=float(profile.signal_lead_s),
        reserve_s=profile.reserve_s if profile.reserve_s is not None else RESERVE_S,
        idle_s=profile.idle_s,
        environment=own,
        devices=devices(profile),
    )
