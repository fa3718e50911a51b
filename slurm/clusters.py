"""The door to the clusters there are, and to the logs that any of them left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slurm.jobs import Cluster
from slurm.local import cluster as local
from slurm.local.cluster import LocalCluster
from slurm.pool import fleet, outfit, place, succession
from slurm.pool.cluster import PoolCluster
from slurm.profile import Executor, Profile
from slurm.scheduler import submissions
from slurm.scheduler.cluster import SlurmCluster


def open_cluster(profile: Profile, *folders: Path) -> Cluster:
    """The cluster that the profile describes; jobs that an earlier driver submitted below ``folders`` are known to it,
    also where the profile said otherwise then what a job holds.

    Asks nothing of a scheduler yet.
    """
    if profile.holds == "pack":
        if not succession.had_tickets(folders):
            return _of_jobs(profile, *folders)
        present, earlier = _of_jobs(profile, *folders), _pool(profile, folders, no_more=True)
    elif succession.had_jobs(folders):
        present, earlier = _pool(profile, folders), _of_jobs(profile.for_one_pack(), *folders)
    else:
        return _pool(profile, folders)
    pooled = profile.holds != "pack"
    return succession.Succession(present, earlier, succession.is_ticket(folders), pooled=pooled)


def _of_jobs(profile: Profile, *folders: Path) -> Cluster:
    """With one job for each text."""
    return LocalCluster(profile, *folders) if profile.executor is Executor.LOCAL else SlurmCluster(profile, *folders)


def _pool(profile: Profile, folders: Sequence[Path], *, no_more: bool = False) -> Cluster:
    pool = place.folder(*folders)
    inner = _of_jobs(outfit.for_worker(profile), pool / fleet.JOBS)
    return PoolCluster(profile, inner, pool, no_more=no_more)


def log(job: str, folder: Path) -> Path | None:
    """The standard output and error of a job that was submitted below ``folder``, on whichever cluster and by whatever
    profile; None where there is none yet."""
    ticket = place.log(job, folder)
    path = ticket if ticket.exists() else local.log(job, folder) or submissions.log(job, folder)
    return path if path is not None and path.exists() else None
