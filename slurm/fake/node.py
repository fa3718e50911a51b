"""A fake node: what a job has there, and srun."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from slurm.fake import sbatch

KEPT = ("PATH", "HOME", "USER", "LANG")
"""What a job of --export=NONE has of its submitter's environment, as a login there would give it."""
OF_A_JOB = ("SLURM_", "SUBMITIT_")


def environment(job: str, node: str, options: Mapping[str, str]) -> dict[str, str]:
    """In which the script of a job runs."""
    root, _, task = job.partition("_")
    nothing = options.get("export") == "NONE"
    found = {key: value for key, value in os.environ.items() if not key.startswith(OF_A_JOB)}
    found = {key: value for key, value in found.items() if key in KEPT} if nothing else found
    found |= {"SLURM_EXPORT_ENV": "NONE"} if nothing else {}
    found |= {"SLURM_JOB_ID": root, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "1"}
    found |= {"SLURM_JOB_NODELIST": node, "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0"}
    found |= {"SLURM_ARRAY_JOB_ID": root, "SLURM_ARRAY_TASK_ID": task} if task else {}
    return found | sbatch.given(options)


def log(pattern: str, of: Mapping[str, str]) -> str:
    """The file that ``--output`` means in that environment; /dev/null without one."""
    job = of["SLURM_JOB_ID"]
    array, task = of.get("SLURM_ARRAY_JOB_ID", job), of.get("SLURM_ARRAY_TASK_ID", "")
    for letter, value in (("%A", array), ("%a", task), ("%t", "0"), ("%j", job)):
        pattern = pattern.replace(letter, value)
    return pattern or os.devnull


def become(words: list[str]) -> None:
    """Becomes the step's program, with its output where ``--output`` says."""
    rest = list(words)
    output = ""
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--output":
            output = rest.pop(0)
    if output:
        file = os.open(log(output, os.environ), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
    program = shutil.which(rest[0]) or rest[0]
    hands_on = os.environ.get("SLURM_EXPORT_ENV") != "NONE"
    handed = {key: value for key, value in os.environ.items() if hands_on or key.startswith("SLURM_")}
    os.execve(program, rest, handed)  # noqa: S606
