"""srun on a fake node."""

from __future__ import annotations

import os
import shutil


def become(words: list[str]) -> None:
    """Becomes the step's program, with its output where ``--output`` says."""
    rest = list(words)
    output = ""
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--output":
            output = rest.pop(0)
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    for pattern, value in (("%A", array), ("%a", task), ("%t", "0"), ("%j", os.environ["SLURM_JOB_ID"])):
        output = output.replace(pattern, value)
    if output:
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
    program = shutil.which(rest[0]) or rest[0]
    hands_on = os.environ.get("SLURM_EXPORT_ENV") != "NONE"
    environment = {key: value for key, value in os.environ.items() if hands_on or key.startswith("SLURM_")}
    os.execve(program, rest, environment)  # noqa: S606
