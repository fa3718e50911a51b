"""Keeps studies apart that are compared: two of one name, two on one data set, and one that was given twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from analysis.errors import DeclarationError
from analysis.runs.load import Study


def named_apart(studies: Sequence[Study]) -> tuple[Study, ...]:
    """The studies, where several have one name under names of their own: their folders', or their sweeps' where those
    do not differ. Raises :class:`DeclarationError` for a study that is given twice, and where nothing tells two
    apart."""
    once(studies)
    result = list(studies)
    for name in dict.fromkeys(study.plan.study for study in studies):
        same = [at for at, study in enumerate(studies) if study.plan.study == name]
        if len(same) < 2:
            continue
        taken = {study.plan.study for at, study in enumerate(studies) if at not in same}
        folders = [folder.absolute().name if (folder := studies[at].folder) is not None else "" for at in same]
        sweeps = [f"{name} {sweep[:6]}" if (sweep := studies[at].plan.sweep) else "" for at in same]
        found = next((names for names in (folders, sweeps) if _tell(names, taken)), None)
        if found is None:
            raise DeclarationError(
                f"{len(same)} studies are named {name} and nothing tells them apart; give their folders, or report "
                "each alone"
            )
        for at, own in zip(same, found, strict=True):
            result[at] = _renamed(studies[at], own)
    return tuple(result)


def once(studies: Sequence[Study]) -> None:
    """Raises :class:`DeclarationError` where two of them are the same runs: by two ways to one store, or in a copy."""
    seen: dict[str, Study] = {}
    for study in studies:
        mine = set(study.cube["run_id"]) - {""}
        if shared := mine & seen.keys():
            places = " and ".join(dict.fromkeys(one.source or "unnamed" for one in (seen[min(shared)], study)))
            raise DeclarationError(
                f"{study.plan.study} is given twice: the same runs, from {places}; name each study once"
            )
        seen |= dict.fromkeys(mine, study)


def on_own_data(studies: Sequence[Study]) -> tuple[Study, ...]:
    """The studies, with a study's name added to its data set where another has the same."""
    held = [set(study.cube["dataset"]) for study in studies]
    result = []
    for at, study in enumerate(studies):
        others = set().union(*(names for other, names in enumerate(held) if other != at))
        if held[at] & others:
            named = study.cube["dataset"].map(lambda name, plan=study.plan: f"{name} ({plan.study})")
            study = dataclasses.replace(study, cube=study.cube.assign(dataset=named))
        result.append(study)
    return tuple(result)


def _tell(names: Sequence[str], taken: set[str]) -> bool:
    return all(names) and len(set(names)) == len(names) and not set(names) & taken


def _renamed(study: Study, name: str) -> Study:
    plan = dataclasses.replace(study.plan, study=name)
    return dataclasses.replace(study, plan=plan, cube=study.cube.assign(study=name))
