"""Further options of sbatch that a profile may give by their long names, and those that have a key of their own."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated

from pydantic import BeforeValidator

from slurm.messages import Finding, Phrase, refusal, refuse

ELSEWHERE = "*"
"""The jobs of another cluster would be seen by none of our questions."""
NEVER_STARTS = "**"
NO_ID = "***"
OWN_KEYS = {
    "account": "account",
    "array": "array_throttle",
    "chdir": "working_folder",
    "cluster": ELSEWHERE,
    "cluster-constraint": ELSEWHERE,
    "clusters": ELSEWHERE,
    "constraint": "constraint",
    "cpus-per-gpu": "cpus_per_pack",
    "cpus-per-task": "cpus_per_pack",
    "error": None,
    "exclude": "exclude",
    "gpus": "gpus_per_pack and ask_gpus_as",
    "gpus-per-node": "gpus_per_pack and ask_gpus_as",
    "gpus-per-socket": "gpus_per_pack and ask_gpus_as",
    "gpus-per-task": "gpus_per_pack and ask_gpus_as",
    "gres": "gres (for GPUs gpus_per_pack, gpu_type and ask_gpus_as)",
    "help": None,
    "hold": NEVER_STARTS,
    "input": None,
    "job-name": None,
    "mem": "mem_gb",
    "mem-per-cpu": "mem_per_cpu_gb",
    "mem-per-gpu": "mem_per_gpu_gb",
    "no-requeue": None,
    "nodes": None,
    "ntasks": None,
    "ntasks-per-core": None,
    "ntasks-per-gpu": None,
    "ntasks-per-node": None,
    "ntasks-per-socket": None,
    "open-mode": None,
    "output": None,
    "parsable": None,
    "partition": "partition",
    "qos": "qos",
    "quiet": NO_ID,
    "requeue": None,
    "signal": "signal_lead_s",
    "test-only": None,
    "time": "time",
    "tres-per-task": "gpus_per_pack and ask_gpus_as",
    "usage": None,
    "version": None,
    "wait": None,
    "wrap": None,
}
"""Options that a profile may not set by hand: the key that sets them, or None where the product decides."""
REMEDIES = {
    "": "remove it: actsweep sets it",
    ELSEWHERE: "remove it and run actsweep on a login node of that cluster, whose squeue sees its jobs",
    NEVER_STARTS: "remove it: a job that is held never starts by itself; begin says from when on it may",
    NO_ID: "remove it: sbatch would not say the id of its job",
}


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
            told = REMEDIES.get(key or "", f"give {key} instead")
            yield (option,), value, f"accepts no {option} here; {told}"
        elif meant := _cut_off(option):
            yield (option,), Phrase(f'the name "{option}"'), f"accepts whole names; write {' or '.join(meant)}"
        elif option == "nodelist" and re.search(r"[,\[]", str(value)):
            text = "accepts one node: packs run on one, and sbatch wants all that are listed; constraint or exclude do"
            yield (option,), value, text


def _cut_off(option: str) -> list[str]:
    """Options that sbatch would take an abbreviation for: none of our rules would see it."""
    return [] if option in _known() else [name for name in _known() if name.startswith(option)]


@lru_cache(maxsize=1)
def _known() -> tuple[str, ...]:
    """The long names of sbatch's options, Slurm 20.11 to 25.05."""
    text = resources.files("slurm").joinpath("sbatch_long_options.csv").read_text(encoding="utf-8")
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


SbatchOptions = Annotated[dict[str, str | int | bool], BeforeValidator(_options)]
