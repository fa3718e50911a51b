"""What is wrong between the keys of a cluster profile that are right each for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from slurm.messages import Finding, Phrase
from slurm.profile_sections import MEMORY, Partition
from slurm.yaml_reader import Path as Place

LOCAL, SLURM, ALLOCATION = "local", "slurm", "allocation"
ONLY_ON_SLURM = (
    "partition",
    "partitions",
    "account",
    "qos",
    "sbatch",
    "mem_per_cpu_gb",
    "mem_per_gpu_gb",
    "gres",
    "exclude",
    "container",
)
HELD = (
    "partition",
    "partitions",
    "account",
    "qos",
    "constraint",
    "gpu_type",
    "gres",
    *MEMORY,
    "time",
    "time_min",
    "sbatch",
    "gpus_per_node",
    "cpus_per_node",
    "mem_per_node_gb",
    "array_throttle",
    "max_array_size",
    "max_submit",
)
"""What a job got before the driver started in it."""


class Profile(Protocol):
    """What of :class:`slurm.profile.Profile` the rules look at."""

    @property
    def executor(self) -> str: ...
    @property
    def jobs(self) -> str | None: ...
    @property
    def partition(self) -> str | None: ...
    @property
    def partitions(self) -> tuple[Partition, ...]: ...
    @property
    def gpus_per_pack(self) -> int | None: ...
    @property
    def gres(self) -> tuple[str, ...]: ...
    @property
    def device(self) -> str | None: ...
    @property
    def mem_per_gpu_gb(self) -> float | None: ...
    @property
    def time(self) -> int | None: ...
    @property
    def limit_min(self) -> int | None: ...
    @property
    def signal_lead_s(self) -> int: ...
    @property
    def poll_min_s(self) -> float: ...
    @property
    def poll_max_s(self) -> float: ...
    @property
    def model_fields_set(self) -> set[str]: ...


def unlike_the_executor(profile: Profile) -> Iterator[Finding]:
    yield from _held_by_the_allocation(profile)
    if profile.executor == LOCAL:
        for key in ONLY_ON_SLURM:
            if given := getattr(profile, key):
                got = Phrase(", ".join(entry.name for entry in given)) if key == "partitions" else given
                yield (key,), got, "accepts nothing with executor: local; remove it, or give executor: slurm"


def _held_by_the_allocation(profile: Profile) -> Iterator[Finding]:
    if profile.executor != ALLOCATION:
        return
    for key in HELD:
        if key in profile.model_fields_set and (given := getattr(profile, key)):
            got = Phrase(", ".join(entry.name for entry in given)) if key == "partitions" else given
            yield (
                (key,),
                got,
                "accepts nothing with executor: allocation: the job around the driver has its own; remove it",
            )
    if profile.jobs not in (None, "node"):
        yield ("jobs",), profile.jobs, "accepts node with executor: allocation: one worker a node takes packs"


def no_limit(profile: Profile) -> Iterator[Finding]:
    if profile.executor != SLURM or profile.limit_min is not None:
        return
    text = "is missing; accepts the time limit of one job, as 240 (minutes) or 4:00:00"
    if all(entry.limit_min is None for entry in profile.partitions):
        yield ("time",), None, text
        return
    for index, entry in enumerate(profile.partitions):
        if entry.limit_min is None:
            yield ("partitions", index, "time"), None, f"{text}; give it here, or one for all partitions above"


def too_short(profile: Profile) -> Iterator[Finding]:
    """Time limits after whose begin jobs would at once be told to stop."""
    if profile.executor != SLURM:
        return
    lead = profile.signal_lead_s
    places: list[tuple[Place, Profile | Partition]] = [((), profile)]
    places += [(("partitions", index), entry) for index, entry in enumerate(profile.partitions)]
    for place, entry in places:
        if entry.limit_min is not None and 60 * entry.limit_min <= lead:
            key = "time" if entry.time is not None else "time_min"
            yield (
                (*place, key),
                Phrase(f"{entry.limit_min} min"),
                f"accepts more than signal_lead_s ({lead} s), or jobs would be told to stop as they start; "
                "give more time, or a shorter signal_lead_s",
            )


def both_kinds_of_partition(profile: Profile) -> Iterator[Finding]:
    if profile.partition and profile.partitions:
        text = "accepts one of the two; give partition, or name it among partitions"
        yield ("partition",), Phrase("both partition and partitions"), text


def unlike_partitions(profile: Profile) -> Iterator[Finding]:
    with_share = [entry.share is not None for entry in profile.partitions]
    names = [entry.name for entry in profile.partitions]
    for index, name in enumerate(names):
        if any(with_share) and not with_share[index]:
            text = "is missing; accepts a number greater than 0; give every partition a share, or none"
            yield ("partitions", index, "share"), None, text
        if name in names[:index]:
            text = f"accepts a name of its own; partitions[{names.index(name)}] has this one: keep one of them"
            yield ("partitions", index, "name"), name, text


def poll_bounds(profile: Profile) -> Iterator[Finding]:
    least, most = profile.poll_min_s, profile.poll_max_s
    if most >= least:
        return
    if "poll_max_s" in profile.model_fields_set:
        yield ("poll_max_s",), Phrase(f"{most:g}"), f"accepts at least poll_min_s, {least:g}"
    else:
        yield ("poll_min_s",), Phrase(f"{least:g}"), f"accepts at most poll_max_s, {most:g}"


def memory_in_two_ways(profile: Profile) -> Iterator[Finding]:
    """sbatch refuses one beside another."""
    given = [key for key in MEMORY if key in profile.model_fields_set and getattr(profile, key) is not None]
    if len(given) > 1:
        yield (given[-1],), Phrase(" and ".join(given)), "accepts one of them; keep what the site asks memory by"
    if profile.mem_per_gpu_gb is not None and profile.gpus_per_pack == 0:
        yield ("mem_per_gpu_gb",), profile.mem_per_gpu_gb, "accepts nothing with gpus_per_pack: 0; give mem_gb"


def gpu_without_gpus(profile: Profile) -> Iterator[Finding]:
    for entry in profile.gres:
        if entry.partition(":")[0] == "gpu":
            text = "accepts other resources than GPUs; give gpus_per_pack, gpu_type and ask_gpus_as: gres"
            yield ("gres",), entry, text


def unlike_the_profile(profile: Profile) -> Iterator[Finding]:
    """What a partition says and what it has from the profile, that do not go together."""
    for index, entry in enumerate(profile.partitions):
        if (gpus := entry.gpus(profile.gpus_per_pack)) != 0:
            continue
        place: Place = ("partitions", index)
        if profile.device == "cuda":
            text = "accepts 1 or more with device: cuda of the profile; remove device, and packs train on what they get"
            yield (*place, "gpus_per_pack"), gpus, text
        if profile.mem_per_gpu_gb is not None and not entry.memory_keys:
            text = (
                "is missing; accepts the memory of a pack where mem_per_gpu_gb of the profile gives none: it has no GPU"
            )
            yield (*place, "mem_gb"), None, text
        if "gpus_per_pack" not in entry.model_fields_set and entry.gpu_type is not None:
            text = "accepts nothing with gpus_per_pack: 0 of the profile; give the partition gpus_per_pack, too"
            yield (*place, "gpu_type"), entry.gpu_type, text
