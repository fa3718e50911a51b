"""What differs between the partitions of a profile, and what sbatch says of each: for ``actsweep check``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from slurm.profile import Profile
from slurm.scheduler import rehearsal
from sweeps.errors import StudyError

OF_ANY = re.compile(r"#SBATCH --(array|job-name|output|error)=|srun |set [-+]eE$|trap ")


def differences(profile: Profile, shown: str, *, name: str, folder: Path) -> list[str]:
    """Against the script that is shown, the lines that packs have otherwise in each further partition."""
    lines: list[str] = []
    for partition, script in rehearsal.scripts(profile, name=name, folder=folder).items():
        if partition == partition_of(shown):
            continue
        mine, theirs = _lines(script), _lines(shown)
        lines.append(f"in partition {partition} instead:")
        lines += [f"  - {line}" for line in theirs if line not in mine]
        lines += [f"  + {line}" for line in mine if line not in theirs]
    return lines


def rehearsed(profile: Profile, planned: Sequence[str], *, name: str, folder: Path) -> str:
    """What this machine's sbatch says of one script a partition: of the largest that is planned there, else of one
    pack's. Raises :class:`StudyError` where a person must change something."""
    scripts = rehearsal.scripts(profile, name=name, folder=folder)
    scripts |= {partition_of(script): script for script in reversed(planned)}
    said: list[str] = []
    for partition, script in scripts.items():
        answer = rehearsal.rehearse([script])
        if answer is None:
            return "no sbatch here: whether the cluster takes this was not asked"
        where = f" for partition {partition}" if len(scripts) > 1 else ""
        if answer.refused:
            raise StudyError(f"profile {profile.name}: sbatch --test-only refuses this{where}: {answer.words}")
        said.append(f"sbatch --test-only{where}: {answer.words}")
    return "\n".join(said)


def partition_of(script: str) -> str:
    """ "" for one that names none."""
    found = re.search(r"#SBATCH --partition=(.*)", script)
    return found[1].strip("'\"") if found else ""


def _lines(script: str) -> list[str]:
    """Options, exports and setup: without what only tells one array from another, and without what is of every job."""
    return [line for line in script.splitlines() if line.strip() and not OF_ANY.match(line)]
