"""Answers that come from several clusters: each part below a line that names its cluster."""

from __future__ import annotations

import re

HEADING = re.compile(r"^CLUSTER: *(\S+)\s*$", flags=re.MULTILINE)


def several(out: str) -> bool:
    """Whether sinfo's or squeue's answer is in parts."""
    return HEADING.search(out) is not None


def here(out: str, name: str) -> str:
    """The part of an answer that the cluster of that name gave; all of it where it is in no parts. What stands above
    the first heading is a notice. Without a name the first cluster's: commands begin with their own."""
    first, *rest = HEADING.split(out)
    if not rest:
        return first
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    return parts.get(name, "") if name else rest[1]


def sent_elsewhere(job: str, cluster: str) -> str:
    """What to do about a job that sbatch sent away."""
    return (
        f"sbatch sent job {job} to cluster {cluster}, whose jobs this machine's squeue does not see; it was cancelled. "
        f"Run actsweep on a login node of {cluster}, or remove what sends jobs there (a wrapper, SLURM_CLUSTERS)"
    )
