"""The door to either of the two clusters there are."""

from __future__ import annotations

from pathlib import Path

from slurm.jobs import Cluster
from slurm.local.cluster import LocalCluster
from slurm.profile import Executor, Profile
from slurm.scheduler.cluster import SlurmCluster


def open_cluster(profile: Profile, folder: Path) -> Cluster:
    """The cluster that the profile describes; jobs that an earlier driver submitted below ``folder`` are known to it.

    Asks nothing of a scheduler yet.
    """
    return LocalCluster(profile, folder) if profile.executor is Executor.LOCAL else SlurmCluster(profile, folder)
