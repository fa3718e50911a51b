"""The profile that a study's packs run by: the one that it names, with what the study itself says of its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slurm import messages, profile_jobs
from slurm.profile import Profile, load
from sweeps.errors import StudyError
from sweeps.study.study import Study


def of(study: Study, named: str | Path | None = None) -> Profile:
    """``named``: another profile than the study's. Raises :class:`slurm.errors.ProfileError`, and :class:`StudyError`
    where the profile and what the study says of its jobs do not go together."""
    profile = load(named or study.cluster.profile)
    said = dict(_said(study))
    if not said:
        return profile
    keys = {"pack": "node"} if "jobs" in said else {}
    keys |= {"slots_per_gpu": said["slots_per_gpu"]} if "slots_per_gpu" in said else {}
    where = f"{study.name}: cluster: {', '.join(f'{key}: {value}' for key, value in keys.items())}"
    if said.get("jobs") == "node" and profile.jobs == "pilot":
        raise StudyError(
            f"{where}: profile {profile.name} has jobs: pilot, which asks for what one pack needs; accepts a profile "
            "with jobs: node, or one that does not say jobs"
        )
    changed = profile.model_copy(update=said)
    problems = [
        f"{'.'.join(map(str, key))} {accepts if got is None else f'is {messages.show(got)}: {accepts}'}"
        for key, got, accepts in profile_jobs.wrong(changed)
    ]
    if problems:
        raise StudyError(f"{where} does not go with profile {profile.name}: {'; '.join(problems)}")
    return changed


def _said(study: Study) -> Iterator[tuple[str, Any]]:
    if study.cluster.pack == "node":
        yield "jobs", "node"
    if study.cluster.slots_per_gpu is not None:
        yield "slots_per_gpu", study.cluster.slots_per_gpu
