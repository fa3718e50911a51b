"""What sbatch itself says of the scripts that would be sent, without sending them: ``sbatch --test-only``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from slurm import executor
from slurm.jobs import Costs
from slurm.profile import Profile
from slurm.scheduler import sbatch_errors
from slurm.scheduler.commands import Answer, Scheduler
from slurm.scheduler.sbatch_errors import Meaning

WOULD_START = r"Job \d+ to start at"
REFUSAL = r"^(sbatch: (error|fatal|unrecognized|invalid|option)|allocation failure|Invalid )"


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    words: str
    """What sbatch answered, or why it could not be asked."""
    refused: bool
    """Whether a person must change something first."""


def scripts(profile: Profile, *, name: str, folder: Path) -> dict[str, str]:
    """The batch script of one pack in each of the profile's partitions, by the partition's name."""
    return {
        here.partition or "": executor.script(profile, 1, name=name, folder=folder, partition=here.partition)
        for here in profile.places
    }


def rehearse(scripts: Sequence[str]) -> Rehearsal | None:
    """Hands each script to this machine's sbatch; the first refusal, else the first answer. None where there is no
    sbatch. Submits nothing."""
    if shutil.which("sbatch") is None or not scripts:
        return None
    scheduler = Scheduler(Costs())
    answers: list[str] = []
    with TemporaryDirectory() as folder:
        for number, script in enumerate(scripts):
            file = Path(folder) / f"{number}.sh"
            file.write_text(script, encoding="utf-8")
            answer = scheduler.ask("sbatch", "--test-only", str(file))
            words = _words(answer)
            if not answer.ok:
                return Rehearsal(words=words, refused=sbatch_errors.meaning(words) is Meaning.NEVER)
            answers.append(words)
    return Rehearsal(words=answers[0], refused=False)


def _words(answer: Answer) -> str:
    """What sbatch itself said, without a site's notices beside it."""
    lines = [*answer.out.splitlines(), *answer.err.splitlines()]
    own = [line for line in lines if re.search(WOULD_START if answer.ok else REFUSAL, line)]
    shown = own or [line for line in lines if not line.startswith("sbatch: info:")]
    return " ".join(re.sub(r"^(sbatch: )?(error: |fatal: )?", "", line) for line in shown).strip()
