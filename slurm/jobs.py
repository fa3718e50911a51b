"""Jobs as the driver sees them: one id per submitted text, one report per poll."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from slurm.errors import SubmissionRejected

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a submission may be called."""


def check_name(name: str, longest: int | None = None) -> None:
    """Raises :class:`SubmissionRejected` for a name that no submission can have."""
    if not NAME.fullmatch(name) or (longest is not None and len(name) > longest):
        raise SubmissionRejected(f'"{name}" cannot name jobs; letters, digits, dot, dash and underscore can')


def numbered(root: Path, name: str, file: str) -> dict[int, str]:
    """The jobs ``<name>.<index>`` of a submission whose folder below ``root`` has the file: index -> job, in order."""
    jobs = [path.parent.name for path in root.glob(f"{name}.*/{file}")]
    found = {job.removeprefix(f"{name}."): job for job in jobs}
    return {int(index): found[index] for index in sorted(filter(str.isdecimal, found), key=int)}


GPU_MEMORY = "give a pack fewer folds, a smaller batch or a larger GPU"
"""What to do where the GPU's memory was too small."""


class JobState(enum.Enum):
    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    NODE_FAILED = "node failed"
    PREEMPTED = "preempted"
    CANCELLED_BY_US = "cancelled by us"
    CANCELLED = "cancelled by another"
    UNKNOWN = "unknown"
    """The cluster has not said; never treat it as over."""

    @property
    def over(self) -> bool:
        return self not in (JobState.PENDING, JobState.RUNNING, JobState.UNKNOWN)


class Retry(enum.Enum):
    """Whether a job that ended in a state is worth another submission."""

    NEVER = "never"
    CAPPED = "capped"
    """Counts against the cap of the profile."""
    ALWAYS = "always"
    """Not the job's doing (preemption): does not count."""


@dataclass(frozen=True, kw_only=True)
class JobReport:
    job: str
    state: JobState
    node: str | None = None
    reason: str = ""
    """In words a user can act on; names the memory or the limit to change where that is the reason. Of a job that
    waits, what for, as "Priority: waits behind jobs of higher priority"; what a person can do about it after "; "."""
    expected_start: float | None = None
    """When the scheduler expects to start a job that waits, in seconds since 1970; None where it does not say."""


@dataclass(kw_only=True)
class Costs:
    """What the driver cost the scheduler, by command."""

    calls: dict[str, int] = field(default_factory=dict)

    def count(self, command: str) -> None:
        self.calls[command] = self.calls.get(command, 0) + 1


class Cluster(Protocol):
    """Runs ``call(text) -> text`` somewhere else. ``LocalCluster`` and ``SlurmCluster`` are the two there are; both
    go through submitit and pickle nothing but the name of ``call`` and the text."""

    costs: Costs

    @property
    def trouble(self) -> str:
        """What keeps the states of jobs from being known, in words; "" where nothing does."""

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        """Submits one job per text (as arrays where there are arrays) and gives their ids in order.

        ``call`` is "module:function". ``name`` is unique per call and is what :meth:`recover` finds the jobs by.
        ``folder`` receives scripts, logs and pickles. ``avoid`` names nodes not to use. Raises
        :class:`slurm.errors.SubmissionRefused` (nothing was submitted; try later) or ``SubmissionRejected``.
        """

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        """Jobs that an interrupted :meth:`submit` with this name did submit: index of the text -> job id."""

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        """How each job stands, from as few scheduler calls as possible; may answer from memory between them."""

    def cancel(self, jobs: Collection[str]) -> None:
        """Asks for the end of jobs, pending or running; their state becomes CANCELLED_BY_US."""

    def room(self, active: int) -> int:
        """How many more jobs may be given now, when ``active`` of ours are pending or running."""

    def release(self) -> None:
        """Nothing more is to be submitted for now: what is held for later jobs alone is given back."""


@runtime_checkable
class HoldsSeveral(Protocol):
    """A :class:`Cluster` on which several texts run in a job of the scheduler's."""

    def workers(self) -> Counter[JobState] | None:
        """The jobs of the scheduler's that are not known to be over, by state; None where each text is one."""


def retry(state: JobState) -> Retry:
    """The one table of what is worth a retry."""
    return RETRY[state]


RETRY: dict[JobState, Retry] = {
    JobState.PENDING: Retry.NEVER,
    JobState.RUNNING: Retry.NEVER,
    JobState.UNKNOWN: Retry.NEVER,
    JobState.FINISHED: Retry.CAPPED,  # over, yet its folds have no end: something went wrong on the node
    JobState.FAILED: Retry.CAPPED,
    JobState.TIMED_OUT: Retry.ALWAYS,  # progress is on disk; the driver stops only when no epoch was gained
    JobState.OUT_OF_MEMORY: Retry.NEVER,
    JobState.NODE_FAILED: Retry.ALWAYS,
    JobState.PREEMPTED: Retry.ALWAYS,
    JobState.CANCELLED_BY_US: Retry.NEVER,
    JobState.CANCELLED: Retry.CAPPED,  # an administrator's, mostly; a user ends a study with `actsweep stop`
}
