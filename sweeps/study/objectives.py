"""What a search of several objectives may look for, and what does not go with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from slurm.messages import nearest
from slurm.yaml_reader import Path
from sweeps.study.field_types import SELECTS_ON
from sweeps.study.sections import Search

COSTS: Mapping[str, str] = {"epoch_s": "seconds of an epoch: training, evaluation and the rest"}
"""What is measured beside the task's metrics; less is better."""
SAMPLERS = ("tpe", "nsgaii", "nsgaiii", "gp", "qmc", "random")
"""Optuna's that take several objectives."""
WHERE: Path = ("search", "objectives")


def conflicts(search: Search, validated: Iterable[str]) -> Iterator[tuple[Path, object, str]]:
    """(path, what was got, what is accepted) of everything that is wrong with a search's objectives. ``validated``: the
    task's metrics of the validation part."""
    given = search.objectives
    if not given:
        return
    known = [*(SELECTS_ON + name for name in validated), *COSTS]
    for at, name in enumerate(given):
        if name not in known:
            yield (*WHERE, at), name, f"accepts {', '.join(known)}{nearest(name, known)}"
        elif name in given[:at]:
            yield (*WHERE, at), name, "accepts each objective once; remove one of the two"
    if given[0] != search.select_on:
        yield (
            (*WHERE, 0),
            given[0],
            f"accepts search.select_on first, {search.select_on}: the winner that is confirmed is chosen by it",
        )
    if len(given) == 1:
        yield WHERE, list(given), f"accepts two or more, as [{search.select_on}, epoch_s]; leave it out for one"
    if search.scheduler.name != "none":
        yield (
            ("search", "scheduler", "name"),
            search.scheduler.name,
            "accepts none with search.objectives: it stops trials by select_on alone, those that are good by another "
            "objective among them",
        )
    if search.algorithm not in ("random", "grid", "tpe", "optuna"):
        yield (
            ("search", "algorithm"),
            search.algorithm,
            "accepts random, grid, tpe or optuna with search.objectives: no other takes several",
        )
    elif search.sampler is not None and search.sampler not in SAMPLERS:
        yield (
            ("search", "sampler"),
            search.sampler,
            f"accepts {', '.join(SAMPLERS)} with search.objectives{nearest(search.sampler, SAMPLERS)}",
        )
