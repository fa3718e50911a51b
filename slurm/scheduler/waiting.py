"""Why a job waits, in words, and what a person can do about it. The reasons are data: ``waiting_reasons.csv``."""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources

from slurm.scheduler import states


@lru_cache(maxsize=1)
def known() -> tuple[tuple[str, str, str], ...]:
    """Slurm's reason (maybe with wildcards), what it means, and what to do ("" for nothing); the first that fits
    counts."""
    text = resources.files("slurm.scheduler").joinpath("waiting_reasons.csv").read_text(encoding="utf-8")
    return tuple((row["reason"], row["words"], row["do"]) for row in csv.DictReader(text.splitlines()))


def explained(reason: str, state: str = "PENDING") -> str:
    """``QOSMaxGRESPerUser: the QOS gives each user no more at a time; ...``. Slurm adds to some reasons, as in
    "(ReqNodeNotAvail, UnavailableNodes:gpu3)", and a reason that nobody knows is given as it is. Of a job whose state
    says that it is held, that it is, whatever else it would wait for."""
    bare = reason.strip().strip("()")
    said = _said(bare)
    return _said(states.word(state)) if states.held(state) and "held" not in said else said


def _said(bare: str) -> str:
    first = bare.partition(",")[0].strip()
    for known_reason, words, do in known():
        if fnmatchcase(first.lower(), known_reason.lower()):
            return f"{bare}: {words}{f'; {do}' if do else ''}"
    return bare
