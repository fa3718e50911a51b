"""Further options of sbatch that a profile may give by their long names, and those that have a key of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator

from slurm.messages import Finding, Phrase, refusal, refuse

ELSEWHERE = "*"
"""The jobs of another cluster would be seen by none of our questions."""
OWN_KEYS = {
    "account": "account",
    "array": "array_throttle",
    "chdir": "working_folder",
    "cluster": ELSEWHERE,
    "clusters": ELSEWHERE,
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_pack",
    "error": None,
    "exclude": "exclude",
    "gpus": "gpus_per_pack and ask_gpus_as",
    "gpus-per-node": "gpus_per_pack and ask_gpus_as",
    "gpus-per-task": "gpus_per_pack and ask_gpus_as",
    "gres": "gres (for GPUs gpus_per_pack, gpu_type and ask_gpus_as)",
    "input": None,
    "job-name": None,
    "mem": "mem_gb",
    "mem-per-cpu": "mem_per_cpu_gb",
    "mem-per-gpu": "mem_per_gpu_gb",
    "no-requeue": None,
    "nodes": None,
    "ntasks": None,
    "ntasks-per-node": None,
    "open-mode": None,
    "output": None,
    "parsable": None,
    "partition": "partition",
    "qos": "qos",
    "requeue": None,
    "signal": "signal_lead_s",
    "test-only": None,
    "time": "time",
    "wait": None,
    "wrap": None,
}
"""Options that a profile may not set by hand: the key that sets them, or None where the product decides."""


def _options(options: object) -> object:
    if not isinstance(options, Mapping):
        raise refusal("accepts a mapping of long names of sbatch options, as {mail-type: FAIL}")
    refuse(_findings(options))
    return options


def _findings(options: Mapping[str, object]) -> Iterator[Finding]:
    for option, value in options.items():
        if not re.fullmatch(r"[a-z][a-z0-9-]*", option):
            named = "accepts long names of sbatch options without dashes in front, as exclusive or mail-type"
            yield (option,), Phrase(f'the name "{option}"'), named
        elif not isinstance(value, str | int | bool) or "\n" in str(value):
            yield (option,), value, "accepts a line of text, a whole number, true or false"
        elif option in OWN_KEYS:
            key = OWN_KEYS[option]
            told = f"give {key} instead" if key else "remove it: actsweep sets it"
            if key == ELSEWHERE:
                told = "remove it and run actsweep on a login node of that cluster, whose squeue sees its jobs"
            text = f"accepts no {option} here; {told}"
            yield (option,), value, text


SbatchOptions = Annotated[dict[str, str | int | bool], BeforeValidator(_options)]
