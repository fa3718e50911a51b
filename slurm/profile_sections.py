"""The sections of a cluster profile: one of several partitions, and the driver's own job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from slurm.messages import Finding, Phrase, refuse
from slurm.sbatch_options import SbatchOptions
from slurm.time_limit import Minutes, TimeLimit

DAY_MIN = 1440


class TimeLimited(Protocol):
    """What has a time limit that may be given in either of two forms."""

    time: int | None
    time_min: int | None


def two_limits(entry: TimeLimited) -> Iterator[Finding]:
    if entry.time is not None and entry.time_min is not None:
        yield ("time",), Phrase("both time and time_min"), "accepts one time limit; keep one of the two"


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Partition(Strict):
    """One of several partitions of a study. With ``share``, packs are dealt out in proportion; without, the first
    partition with space under its ``max_jobs`` takes them."""

    name: str = Field(min_length=1, description="the name of a partition")
    share: Annotated[float, Field(gt=0)] | None = None
    """Of all packs, in proportion to the other partitions' shares."""
    max_jobs: PositiveInt | None = None
    """Most packs of ours pending or running in this partition."""
    account: str | None = None
    qos: str | None = None
    time: TimeLimit | None = None
    time_min: Minutes | None = None
    """Overrides of the profile's own account, qos and time limit."""

    @property
    def limit_min(self) -> int | None:
        """The partition's own time limit in minutes; None: the profile's."""
        return self.time or self.time_min

    @model_validator(mode="after")
    def _consistent(self) -> Partition:
        refuse(two_limits(self))
        return self


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
