"""The door to the clusters there are, and to the logs that any of them left."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from slurm.allocation import enclosing
from slurm.allocation import step as steps
from slurm.allocation.cluster import AllocationCluster
from slurm.errors import ClusterError
from slurm.jobs import Cluster, Costs
from slurm.local import cluster as local
from slurm.local.cluster import LocalCluster
from slurm.pool import fleet, outfit, place, succession
from slurm.pool.cluster import PoolCluster
from slurm.profile import Executor, Profile
from slurm.scheduler import submissions
from slurm.scheduler.cluster import SlurmCluster
from slurm.scheduler.commands import Scheduler


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
    kind = AllocationCluster if profile.executor is Executor.ALLOCATION else _of_jobs
    inner = kind(outfit.for_worker(profile), pool / fleet.JOBS)
    return PoolCluster(profile, inner, pool, no_more=no_more)


def log(job: str, folder: Path) -> Path | None:
    """The standard output and error of a job that was submitted below ``folder``, on whichever cluster and by whatever
    profile; None where there is none yet."""
    ticket = place.log(job, folder)
    found = (ticket, steps.log(job, folder), local.log(job, folder), submissions.log(job, folder))
    return next((path for path in found if path is not None and path.exists()), None)


def refuse_elsewhere(profile: Profile) -> None:
    """Raises :class:`slurm.errors.ClusterError` where this process is not where the profile's driver has to run: in a
    Slurm job, with executor: allocation; where there is sbatch, with executor: slurm; where there is the
    working_folder that it names, on this machine."""
    where = profile.working_folder
    if profile.executor is Executor.LOCAL and where is not None and not Path(where).is_dir():
        raise ClusterError(
            f"profile {profile.name}: working_folder is {where}, and there is no such folder here; correct the profile"
        )
    if profile.executor is Executor.SLURM and (shutil.which("sbatch") is None or shutil.which("srun") is None):
        raise ClusterError(
            f"profile {profile.name}: there is no sbatch or srun on the PATH here; start it on a machine of the Slurm "
            "cluster"
        )
    if profile.executor is Executor.ALLOCATION:
        if enclosing.job_here() is None:
            raise ClusterError(f"profile {profile.name}: {enclosing.OUTSIDE}")
        if shutil.which("srun") is None:
            raise ClusterError(
                f"profile {profile.name}: executor: allocation starts steps by srun, and there is none on the PATH here"
            )


def settled(profile: Profile) -> Profile:
    """The profile with what the enclosing Slurm job alone knows: with executor: allocation, whether packs get a GPU
    where it does not say; as it is outside of any. Raises :class:`slurm.errors.ClusterError` for more GPUs to a pack
    than any node of that job has."""
    if profile.executor is not Executor.ALLOCATION or enclosing.job_here() is None:
        return profile
    known = enclosing.look(Scheduler(Costs()))
    most = max((node.gpus for node in known.nodes if node.gpus is not None), default=None)
    if profile.gpus_per_pack is None:
        return profile.model_copy(update={"gpus_per_pack": 1 if most else 0})
    if most is not None and profile.gpus_per_pack > most:
        raise ClusterError(
            f"profile {profile.name}: gpus_per_pack is {profile.gpus_per_pack}, and no node of job {known.id}, which "
            f"this process runs in, has more than {most}; ask for them (salloc --gpus-per-node=N), or give fewer"
        )
    return profile
