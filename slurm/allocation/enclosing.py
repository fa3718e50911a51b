"""The Slurm job that this process runs in: which it is, its nodes with what it has of each, and when it ends.

``scontrol show job`` says all of it in one call. Where it does not answer, what Slurm left in the environment has to
do: that knows the nodes of the whole job, and not always what the job has of each.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slurm.errors import ClusterError
from slurm.scheduler.commands import Scheduler

OUTSIDE = (
    "executor: allocation trains on what a Slurm job holds, and this process runs in none (SLURM_JOB_ID is not set); "
    "start it within one, as `salloc --nodes=2 --gpus-per-node=4 --time=4:00:00 actsweep run STUDY --cluster "
    "allocation` or from a batch script; with executor: slurm the driver submits jobs itself"
)
_SPLIT = re.compile(r",(?![^\[]*\])")
_RANGE = re.compile(r"\[([0-9,-]+)\]")


@dataclass(frozen=True, kw_only=True)
class Node:
    """What the job has of one node; None where that was not said."""

    name: str
    cores: int | None = None
    gpus: int | None = None


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A Slurm job as far as known."""

    job: str
    """Its id, with ``.N`` where it is the N-th restart: what ran before that is over."""
    nodes: tuple[Node, ...]
    start: float | None
    end: float | None
    """Seconds since the Unix epoch; None: no limit, or not said."""
    running: bool = True
    """False: the scheduler says that it is over, or knows it no more."""

    @property
    def id(self) -> str:
        return self.job.partition(".")[0]

    @property
    def gpus(self) -> int | None:
        """On all nodes; None where none of them was said."""
        known = [node.gpus for node in self.nodes if node.gpus is not None]
        return sum(known) if known else None


def job_here(environment: Mapping[str, str] = os.environ) -> str | None:
    """The job that this process runs in, as :attr:`Allocation.job`; None outside of any."""
    job = environment.get("SLURM_JOB_ID") or environment.get("SLURM_JOBID")
    restarts = environment.get("SLURM_RESTART_COUNT", "0")
    return f"{job}.{restarts}" if job and restarts not in ("", "0") else job or None


def look(
    scheduler: Scheduler, environment: Mapping[str, str] = os.environ, *, before: Allocation | None = None
) -> Allocation:
    """The job that this process runs in; ``before``: as it was known, to be kept where the scheduler does not answer.
    Raises :class:`slurm.errors.ClusterError` outside of any."""
    job = job_here(environment)
    if job is None:
        raise ClusterError(OUTSIDE)
    answer = scheduler.ask("scontrol", "--oneliner", "--details", "show", "job", job.partition(".")[0])
    told = _told(job, answer.out) if answer.ok else None
    if told is not None:
        return told
    running = "Invalid job id" not in answer.err
    return dataclasses.replace(before or _remembered(job, environment), running=running)


def _told(job: str, text: str) -> Allocation | None:
    """From scontrol's words. A job of an array is told with all its tasks where its own id is the array's."""
    line = next((line for line in text.splitlines() if re.match(rf"JobId={job.partition('.')[0]}\b", line)), "")
    pairs = re.findall(r"(?:^|\s)([\w/:]+)=(\S*)", line)
    once = dict(reversed(pairs))
    if "JobState" not in once or not once.get("NodeList", "").strip("()"):
        return None
    nodes = {name: Node(name=name) for name in expand(once["NodeList"])}
    for block in re.findall(r"\sNodes=\S+ CPU_IDs=.*?(?=\sNodes=|\sMinCPUsNode=|$)", line):
        named = dict(re.findall(r"(?:^|\s)([\w/:]+)=(\S*)", block))
        for name in expand(named["Nodes"]):
            nodes[name] = Node(name=name, cores=_count(named["CPU_IDs"]), gpus=_gpus(named.get("GRES", "")))
    return Allocation(
        job=job,
        nodes=tuple(nodes.values()),
        start=_time(once.get("StartTime", "")),
        end=_time(once.get("EndTime", "")),
        running=once["JobState"] in ("RUNNING", "SUSPENDED", "CONFIGURING"),
    )


def _remembered(job: str, environment: Mapping[str, str]) -> Allocation:
    """From the environment that Slurm gave to the job."""
    names = list(expand(environment.get("SLURM_JOB_NODELIST", environment.get("SLURM_NODELIST", ""))))
    counts = list(_repeated(environment.get("SLURM_JOB_CPUS_PER_NODE", "")))
    cores = counts if len(counts) == len(names) else [None] * len(names)
    each = re.fullmatch(r"(?:[^:,]+:)?(\d+)", environment.get("SLURM_GPUS_PER_NODE", ""))
    gpus = int(each.group(1)) if each else None
    return Allocation(
        job=job,
        nodes=tuple(Node(name=name, cores=count, gpus=gpus) for name, count in zip(names, cores, strict=True)),
        start=_seconds(environment.get("SLURM_JOB_START_TIME", "")),
        end=_seconds(environment.get("SLURM_JOB_END_TIME", "")),
    )


def expand(nodes: str) -> Iterator[str]:
    """Names that one of Slurm's lists of nodes stands for: ``gpu[1-2,07],login`` and ``rack[1-2]n[01-40]``."""
    for item in _SPLIT.split(nodes.strip()):
        if not item or item == "(null)":
            continue
        fixed = _RANGE.split(item)
        parts = [list(_numbers(part)) if index % 2 else [part] for index, part in enumerate(fixed)]
        yield from ("".join(name) for name in itertools.product(*parts))


def _numbers(ranges: str) -> Iterator[str]:
    for each in ranges.split(","):
        first, _, last = each.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))


def _repeated(counts: str) -> Iterator[int]:
    """``8(x3),4`` as 8, 8, 8, 4."""
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts):
        yield from [int(count)] * int(times or 1)


def _count(ids: str) -> int:
    """How many numbers ``0-3,8`` names."""
    spans = re.findall(r"(\d+)(?:-(\d+))?", ids)
    return sum(int(last or first) - int(first) + 1 for first, last in spans)


def _gpus(resources: str) -> int:
    """GPUs among ``gpu:a100:4(IDX:0-3),lscratch:50``."""
    return sum(int(count) for count in re.findall(r"(?:^|,)gpu(?::[^:,()]+)*?:(\d+)(?=\(|,|$)", resources))


def _seconds(words: str) -> float | None:
    return float(words) if words.isdecimal() else None


def _time(words: str) -> float | None:
    """Of ``2026-11-28T11:21:26``, in this machine's time zone, as Slurm's commands write it."""
    try:
        return time.mktime(time.strptime(words, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None
