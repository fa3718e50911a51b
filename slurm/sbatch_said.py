"""Of what sbatch prints, its own line: the id of the job, and the cluster where it names one."""

from __future__ import annotations

import re

ACCEPTED = re.compile(r"^(?:sbatch: )?Submitted batch job (\d+)(?: on cluster (\S+))?\s*$", flags=re.MULTILINE)


class SentElsewhere(Exception):
    """sbatch sent the job to another cluster than this machine's."""

    def __init__(self, job: str, cluster: str) -> None:
        super().__init__(f"job {job} went to cluster {cluster}")
        self.job, self.cluster = job, cluster


def accepted(output: str | bytes) -> tuple[str, str] | None:
    """Job and cluster ("" where none is named); the last such line counts, since a site's notices stand above it."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    found: list[tuple[str, str]] = ACCEPTED.findall(text)
    return found[-1] if found else None
