"""The sections of a cluster profile: one of several partitions, and the driver's own job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from slurm.messages import Finding, Phrase, refuse
from slurm.sbatch_options import SbatchOptions
from slurm.time_limit import Minutes, TimeLimit

DAY_MIN = 1440
MEMORY = ("mem_gb", "mem_per_cpu_gb", "mem_per_gpu_gb")


class TimeLimited(Protocol):
    """What has a time limit that may be given in either of two forms."""

    time: int | None
    time_min: int | None


def two_limits(entry: TimeLimited) -> Iterator[Finding]:
    if entry.time is not None and entry.time_min is not None:
        yield ("time",), Phrase("both time and time_min"), "accepts one time limit; keep one of the two"


def _variables(environment: object) -> object:
    if isinstance(environment, Mapping):
        refuse(_unlike_variables(environment))
    return environment


def _unlike_variables(environment: Mapping[str, object]) -> Iterator[Finding]:
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            text = "accepts names of letters, digits and underscore, no digit first"
            yield (name,), Phrase(f'the name "{name}"'), text
        elif not isinstance(value, str):
            yield (name,), value, "accepts text; put it in quotes"
        elif "\n" in value:
            yield (name,), value, "accepts one line"


Variables = Annotated[dict[str, str], BeforeValidator(_variables)]
"""Of the node's environment, by name."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Partition(Strict):
    """One of several partitions of a study. With ``share``, packs are dealt out in proportion; without, the first
    partition with space under its ``max_jobs`` takes them.

    Every further key is the profile's key of that name, for packs in this partition: a key that is given here stands in
    the place of the profile's, ``null`` and an empty list, too (``constraint: null`` asks for none). So ``setup``,
    ``gres`` and ``exclude`` are instead of the profile's, not after them; one key of memory is instead of whichever the
    profile has. ``environment`` and ``sbatch`` go over the profile's name by name (``sbatch: {exclusive: false}`` takes
    one away), and a time limit that is null is the profile's."""

    name: str = Field(min_length=1, description="the name of a partition")
    share: Annotated[float, Field(gt=0)] | None = None
    """Of all packs, in proportion to the other partitions' shares."""
    max_jobs: PositiveInt | None = None
    """Most packs of ours pending or running in this partition."""
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_pack: int | None = Field(default=None, ge=0)
    """0: packs in this partition train on the CPU, beside others that train on GPUs."""
    gpu_type: str | None = None
    gres: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cpus_per_pack: PositiveInt = 1
    mem_gb: PositiveFloat | None = None
    mem_per_cpu_gb: PositiveFloat | None = None
    mem_per_gpu_gb: PositiveFloat | None = None
    gpus_per_node: int | None = Field(default=None, ge=0)
    cpus_per_node: PositiveInt | None = None
    mem_per_node_gb: PositiveFloat | None = None
    time: TimeLimit | None = None
    time_min: Minutes | None = None
    sbatch: SbatchOptions = Field(default_factory=dict)
    setup: tuple[str, ...] = ()
    environment: Variables = Field(default_factory=dict)
    price_per_gpu_hour: PositiveFloat | None = None

    @property
    def limit_min(self) -> int | None:
        """The partition's own time limit in minutes; None: the profile's."""
        return self.time or self.time_min

    @property
    def memory_keys(self) -> list[str]:
        """The keys of memory that are given here."""
        return [key for key in MEMORY if key in self.model_fields_set]

    def gpus(self, otherwise: int | None) -> int | None:
        """GPUs of a pack here; ``otherwise`` are the profile's."""
        return self.gpus_per_pack if "gpus_per_pack" in self.model_fields_set else otherwise

    def over(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """What packs here have otherwise than ``profile``, key -> value, says."""
        given = self.model_fields_set - {"name", "share", "max_jobs", "time", "time_min"}
        found: dict[str, Any] = {"partition": self.name, "partitions": ()}
        found |= {key: getattr(self, key) for key in given}
        if self.limit_min is not None:
            found |= {"time": self.limit_min, "time_min": None}
        if self.memory_keys:
            found |= {key: getattr(self, key) for key in MEMORY}
        if self.gpus_per_pack == 0:
            found["gpu_type"] = None
        return found | {key: {**profile[key], **getattr(self, key)} for key in ("environment", "sbatch")}

    @model_validator(mode="after")
    def _consistent(self) -> Partition:
        refuse([*two_limits(self), *alone(self)])
        return self


def alone(entry: Partition) -> Iterator[Finding]:
    """What is wrong within one partition, whatever the profile says."""
    given = [key for key in entry.memory_keys if getattr(entry, key) is not None]
    if len(given) > 1:
        yield (given[-1],), Phrase(" and ".join(given)), "accepts one of them; keep what the site asks memory by"
    for each in entry.gres:
        if each.partition(":")[0] == "gpu":
            yield ("gres",), each, "accepts other resources than GPUs; give gpus_per_pack and gpu_type"
    if entry.gpus_per_pack == 0:
        for key, instead in (("gpu_type", "remove it"), ("mem_per_gpu_gb", "give mem_gb")):
            if (got := getattr(entry, key)) is not None:
                yield (key,), got, f"accepts nothing with gpus_per_pack: 0; {instead}"


class Container(Strict):
    """What Python runs in on the node: Apptainer (or Singularity) by its own command, or pyxis by srun's option."""

    apptainer: str | None = None
    """A .sif file, or an address that Apptainer knows."""
    command: str = Field(default="apptainer", min_length=1)
    """Or singularity, or the path of one."""
    image: str | None = None
    """As pyxis' ``--container-image``."""
    bind: tuple[str, ...] = ()
    """``FOLDER`` or ``OUTSIDE:INSIDE``; what the study's folder, the data and the code lie below must be among them
    unless the site binds it."""
    options: tuple[str, ...] = ()
    """Further words: of ``apptainer exec`` as ``--nv``, of srun as ``--container-workdir=/work``."""

    @model_validator(mode="after")
    def _one(self) -> Container:
        if (self.apptainer is None) == (self.image is None):
            got = Phrase("both apptainer and image" if self.image is not None else "neither apptainer nor image")
            refuse([((), got, "accepts one: apptainer: FILE.sif, or image: NAME where the site has pyxis")])
        return self


class DriverJob(Strict):
    """The small job that `actsweep run --detach` submits the driver as."""

    partition: str | None = None
    """None: the profile's own; name a CPU partition where there is one."""
    account: str | None = None
    qos: str | None = None
    time: TimeLimit | None = None
    time_min: Minutes | None = None
    """Time limit, in either form; a day where neither says it. It asks to be requeued before its limit, so that a study
    may last longer."""
    mem_gb: PositiveFloat | None = 2.0
    """None asks for none."""
    constraint: str | None = None
    sbatch: SbatchOptions = Field(default_factory=dict)
    """Further options of this job alone: it takes none of the packs'."""

    @property
    def limit_min(self) -> int:
        """Its time limit in minutes."""
        return self.time or self.time_min or DAY_MIN

    @model_validator(mode="after")
    def _consistent(self) -> DriverJob:
        refuse(two_limits(self))
        return self
