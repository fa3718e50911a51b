"""The Slurm job that the driver runs in, in words: what ``executor: allocation`` would train on."""

from __future__ import annotations

import time
from itertools import groupby

from slurm import clusters
from slurm.allocation import enclosing
from slurm.allocation.enclosing import Node
from slurm.jobs import Costs
from slurm.profile import Profile
from slurm.scheduler.commands import Scheduler
from sweeps.wording import counted


def words(profile: Profile) -> str:
    """Job, nodes, until when, packs at a time. Raises :class:`slurm.errors.ClusterError` where there is none."""
    clusters.refuse_elsewhere(profile)
    known = enclosing.look(Scheduler(Costs()))
    profile = clusters.settled(profile)
    end = (
        "no end is told"
        if known.end is None
        else f"until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(known.end))}"
    )
    alike = [(first, len(list(same))) for first, same in groupby(known.nodes, key=lambda node: (node.gpus, node.cores))]
    nodes = ", ".join(f"{counted(count, 'node')}{_of(*what)}" for what, count in alike)
    return f"on job {known.id}: {nodes}; {end}; {_at_a_time(known.nodes, profile)}"


def _of(gpus: int | None, cores: int | None) -> str:
    told = [counted(gpus, "GPU")] if gpus else []
    told += [counted(cores, "core")] if cores else []
    return f" of {' and '.join(told)}" if told else ""


def _at_a_time(nodes: tuple[Node, ...], profile: Profile) -> str:
    each = profile.gpus_per_pack or profile.cpus_per_pack
    has = [node.gpus if profile.gpus_per_pack else node.cores for node in nodes]
    if any(count is None for count in has):
        return "how many packs at a time each node says itself"
    devices = sum((count or 0) // each for count in has)
    if profile.slots_per_gpu == "auto":
        return f"{counted(devices, 'pack')} at a time, or more as a short trial shows"
    return f"{counted(devices * profile.slots_per_gpu, 'pack')} at a time"
