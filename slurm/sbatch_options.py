"""Further options of sbatch that a profile may give by their long names, and those that have a key of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator

from slurm.messages import Finding, Phrase, refusal, refuse

OWN_KEYS = {
    "account": "account",
    "array": "array_throttle",
    "chdir": None,
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_pack",
    "error": None,
    "exclude": None,
    "gpus": "gpus_per_pack",
    "gpus-per-node": "gpus_per_pack",
    "gpus-per-task": "gpus_per_pack",
    "gres": "gpus_per_pack and gpu_type",
    "job-name": None,
    "mem": "mem_gb",
    "no-requeue": None,
    "nodes": None,
    "ntasks": None,
    "ntasks-per-node": None,
    "open-mode": None,
    "output": None,
    "partition": "partition",
    "qos": "qos",
    "requeue": None,
    "signal": "signal_lead_s",
    "time": "time",
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
            text = f"accepts no {option} here; " + (f"give {key} instead" if key else "remove it: actsweep sets it")
            yield (option,), value, text


SbatchOptions = Annotated[dict[str, str | int | bool], BeforeValidator(_options)]
