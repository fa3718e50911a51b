"""The sections of a cluster profile: one of several partitions, and the driver's own job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from slurm.messages import Finding, Phrase, refuse
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
    mem_gb: PositiveFloat = 2.0

    @property
    def limit_min(self) -> int:
        """Its time limit in minutes."""
        return self.time or self.time_min or DAY_MIN

    @model_validator(mode="after")
    def _consistent(self) -> DriverJob:
        refuse(two_limits(self))
        return self
