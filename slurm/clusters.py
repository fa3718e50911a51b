"""The door to either of the two clusters there are, and to the logs that either left."""

from __future__ import annotations

from pathlib import Path

from slurm.jobs import Cluster
from slurm.local import cluster as local
from slurm.local.cluster import LocalCluster
from slurm.profile import Executor, Profile
from slurm.scheduler import submissions
from slurm.scheduler.cluster import SlurmCluster


def open_cluster(profile: Profile, *folders: Path) -> Cluster:
    """The cluster that the profile describes; jobs that an earlier driver submitted below ``folders`` are known to it.

    Asks nothing of a scheduler yet.
    """
    return LocalCluster(profile, *folders) if profile.executor is Executor.LOCAL else SlurmCluster(profile, *folders)


def log(job: str, folder: Path) -> Path | None:
    """The standard output and error of a job that was submitted below ``folder``, on whichever cluster and by whatever
    profile; None where there is none yet."""
    path = local.log(job, folder) or submissions.log(job, folder)
    return path if path is not None and path.exists() else None
