"""What a job asks sbatch and srun for, and the lines of its script before Python starts, by the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurm import profile_jobs

if TYPE_CHECKING:
    from slurm.profile import Profile


def srun_options(profile: Profile) -> list[str]:
    # sbatch's --cpus-per-task no longer reaches srun since Slurm 22.05
    cores = [] if profile_jobs.whole_node(profile) else [f"--cpus-per-task={profile.cpus_per_pack}"]
    return [*cores, *image_options(profile)]


def image_options(profile: Profile) -> list[str]:
    """Of srun, where Python runs in a container of pyxis."""
    container = profile.container
    if container is None or container.image is None:
        return []
    mounts = [f"--container-mounts={','.join(container.bind)}"] if container.bind else []
    return [f"--container-image={container.image}", *mounts, *container.options]


def memory(profile: Profile) -> dict[str, str]:
    """The one option by which memory is asked for; none where the site gives it."""
    for option, gigabytes in (("mem_per_cpu", profile.mem_per_cpu_gb), ("mem_per_gpu", profile.mem_per_gpu_gb)):
        if gigabytes is not None:
            return {option: f"{round(1024 * gigabytes)}M"}
    return {} if profile.memory_gb is None else {"mem": f"{round(1024 * profile.memory_gb)}M"}


def resources(profile: Profile) -> dict[str, str]:
    """GPUs by the option that the site takes them by, and other generic resources."""
    gpus = 1 if profile.gpus_per_pack is None else profile.gpus_per_pack
    wanted = (f"{profile.gpu_type}:{gpus}" if profile.gpu_type else str(gpus)) if gpus else ""
    gres = list(profile.gres)
    if wanted and profile.ask_gpus_as == "gres":
        gres.insert(0, f"gpu:{wanted}")
    options: dict[str, str] = {profile.ask_gpus_as: wanted} if wanted and profile.ask_gpus_as != "gres" else {}
    if "gpus-per-task" in options:
        options["ntasks"] = "1"  # Slurm 23.02 on takes no --ntasks-per-node for the number of tasks
    return options | ({"gres": ",".join(gres)} if gres else {})


SETUP = (
    "set -eE",
    """trap 'echo "setup of the profile failed with status $?: $BASH_COMMAND" >&2' ERR""",
)
"""A line of the profile's setup that fails ends the job, and says which."""
ALL_CORES = (
    "unset SLURM_TRES_PER_TASK",  # 23.11 and later take no two words on one number
    "export SLURM_CPUS_PER_TASK=$SLURM_CPUS_ON_NODE SRUN_CPUS_PER_TASK=$SLURM_CPUS_ON_NODE",
)
"""Of a node that was asked for whole, however many cores it has."""


def all_cores(profile: Profile) -> list[str]:
    return list(ALL_CORES) if profile_jobs.whole_node(profile) else []


def setup(profile: Profile) -> list[str]:
    return [*SETUP, *profile.setup, "trap - ERR", "set +eE"] if profile.setup else []
