"""What is wrong between the keys of a profile that say what a job holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from slurm.messages import Finding, Phrase
from slurm.profile_sections import Partition
from slurm.yaml_reader import Path as Place

KEYS = frozenset(
    {
        "executor",
        "gpus_per_pack",
        "cpus_per_pack",
        "jobs",
        "partitions",
        "slots_per_gpu",
        "gpus_per_node",
        "cpus_per_node",
        "mem_per_node_gb",
        "reserve_s",
        "signal_lead_s",
        "time",
        "time_min",
    }
)
LEAST_S = 60.0
"""That a job which takes further packs needs beside the warning, where the profile names no reserve."""


class Profile(Protocol):
    """What of :class:`slurm.profile.Profile` the rules look at."""

    @property
    def executor(self) -> str: ...
    @property
    def holds(self) -> str: ...
    @property
    def jobs(self) -> str | None: ...
    @property
    def slots_per_gpu(self) -> int | str: ...
    @property
    def gpus_per_pack(self) -> int | None: ...
    @property
    def cpus_per_pack(self) -> int: ...
    @property
    def partitions(self) -> tuple[Partition, ...]: ...
    @property
    def gpus_per_node(self) -> int | None: ...
    @property
    def cpus_per_node(self) -> int | None: ...
    @property
    def mem_per_node_gb(self) -> float | None: ...
    @property
    def reserve_s(self) -> float | None: ...
    @property
    def signal_lead_s(self) -> int: ...
    @property
    def limit_min(self) -> int | None: ...


def whole_node(profile: Profile) -> bool:
    """Whether a job asks for a node as it is, since nothing says how many cores it has."""
    on_cores = profile.executor == "slurm" and profile.gpus_per_pack == 0
    return on_cores and profile.holds == "node" and profile.cpus_per_node is None


def wrong(profile: Profile) -> Iterator[Finding]:
    """All of it."""
    for rule in (_alone, _node_unknown, _uneven, _unlike_partitions, _this_machine, _no_time):
        yield from rule(profile)


def _alone(profile: Profile) -> Iterator[Finding]:
    if profile.jobs == "pack" and profile.slots_per_gpu != 1:
        text = "accepts 1 with jobs: pack, where each job has one pack; give jobs: pilot or jobs: node"
        yield ("slots_per_gpu",), profile.slots_per_gpu, text


def _node_unknown(profile: Profile) -> Iterator[Finding]:
    on_gpus = profile.executor == "slurm" and profile.gpus_per_pack != 0
    if on_gpus and profile.holds == "node" and any(here is None for here in _gpus_of_nodes(profile)):
        text = "is missing; accepts the GPUs of a whole node, as 4 (jobs: node asks for all of them)"
        yield ("gpus_per_node",), None, text


def _gpus_of_nodes(profile: Profile) -> list[int | None]:
    return [
        entry.gpus_per_node if "gpus_per_node" in entry.model_fields_set else profile.gpus_per_node
        for entry in profile.partitions
    ] or [profile.gpus_per_node]


def _uneven(profile: Profile) -> Iterator[Finding]:
    each = 1 if profile.gpus_per_pack is None else profile.gpus_per_pack
    places: list[tuple[Place, Profile | Partition]] = [((), profile)]
    places += [(("partitions", at), entry) for at, entry in enumerate(profile.partitions)]
    for place, here in places:
        gpus, cores = here.gpus_per_node, here.cpus_per_node
        if gpus is not None and each and (gpus < each or gpus % each):
            text = f"accepts a multiple of gpus_per_pack ({each}), so that no GPU of the node is left over"
            yield (*place, "gpus_per_node"), gpus, text
        if cores is not None and cores < profile.cpus_per_pack:
            yield (*place, "cpus_per_node"), cores, f"accepts at least cpus_per_pack ({profile.cpus_per_pack})"


def _unlike_partitions(profile: Profile) -> Iterator[Finding]:
    """A job that takes further packs is told once what one of them needs, wherever Slurm puts it."""
    if profile.holds == "pack":
        return
    for at, entry in enumerate(profile.partitions):
        gpus, text = entry.gpus(profile.gpus_per_pack), "accepts the profile's own"
        if (1 if gpus is None else gpus) != (1 if profile.gpus_per_pack is None else profile.gpus_per_pack):
            yield ("partitions", at, "gpus_per_pack"), gpus, f"{text} where jobs take several packs; give jobs: pack"
        cores = entry.cpus_per_pack if "cpus_per_pack" in entry.model_fields_set else profile.cpus_per_pack
        if cores != profile.cpus_per_pack:
            yield ("partitions", at, "cpus_per_pack"), cores, f"{text} where jobs take several packs; give jobs: pack"


def _this_machine(profile: Profile) -> Iterator[Finding]:
    if profile.executor == "local":
        for key in ("cpus_per_node", "mem_per_node_gb"):
            if (got := getattr(profile, key)) is not None:
                yield (key,), got, "accepts nothing with executor: local, where this machine is the node; remove it"


def _no_time(profile: Profile) -> Iterator[Finding]:
    limit, lead = profile.limit_min, profile.signal_lead_s
    if profile.holds == "pack" or limit is None or 60 * limit <= lead:
        return  # the last is told of any profile
    reserve = profile.reserve_s if profile.reserve_s is not None else LEAST_S
    if 60 * limit > lead + reserve:
        return
    if profile.reserve_s is not None:
        text = f"accepts less than {60 * limit - lead} s, which is time ({limit} min) without signal_lead_s ({lead} s)"
        yield ("reserve_s",), Phrase(f"{reserve:g} s"), f"{text}; a job would take no pack at all"
    else:
        got = Phrase(f"{limit} min")
        text = f"accepts more than signal_lead_s ({lead} s) and a minute in which a pack gets on"
        yield ("time",), got, f"{text}, where jobs take several packs"
