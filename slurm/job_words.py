"""What a job asks for and how Python starts in it: words of sbatch, srun and the shell, from the profile. Pure."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from slurm import profile_jobs
from slurm.profile import Profile

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ENCLOSING = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SUBMITIT_", "MLFLOW_TRACKING_")
KEPT = ("SLURM_CONF",)
"""Says where the scheduler's configuration is, and is nothing of an enclosing job's."""


def node_environment(profile: Profile) -> dict[str, str]:
    """Variables set on the node: the profile's own, and as many threads as the pack has cores."""
    threads = {variable: str(profile.cpus_per_pack) for variable in THREAD_VARIABLES}
    return {**threads, **profile.environment}


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what an enclosing Slurm job or submitit left in it, and without a tracking server's
    credentials: nodes write journals, not MLflow."""
    return {key: value for key, value in environment.items() if key in KEPT or not key.startswith(ENCLOSING)}


def interpreter(profile: Profile) -> str:
    """Shell words that start Python on the node, to be followed by ``-m`` and a module. ``-P`` keeps its current folder
    out of the way of installed code; ``actsweep_start`` keeps what else is called ``slurm`` out of the way of ours."""
    python = f"{profile.python or shlex.quote(sys.executable)} -P -u -m actsweep_start"
    container = profile.container
    if container is None or container.apptainer is None:
        return python
    binds = [word for each in container.bind for word in ("--bind", each)]
    return f"{shlex.join([container.command, 'exec', *container.options, *binds, container.apptainer])} {python}"


def srun_options(profile: Profile) -> list[str]:
    """Of the step that runs Python."""
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


def setup(profile: Profile) -> list[str]:
    """Lines of the shell before Python starts."""
    return [*SETUP, *profile.setup, "trap - ERR", "set +eE"] if profile.setup else []
