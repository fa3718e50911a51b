"""The two clusters there are, behind one door."""

from __future__ import annotations

from pathlib import Path

from slurm.jobs import Cluster
from slurm.local import LocalCluster
from slurm.profile import Profile


def open_cluster(profile: Profile, folder: Path) -> Cluster:
    """The cluster that the profile describes; jobs that an earlier driver submitted below ``folder`` are known to it.

    Asks nothing of a scheduler yet.
    """
    return LocalCluster(profile, folder)
