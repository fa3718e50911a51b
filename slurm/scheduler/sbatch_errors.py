"""What sbatch's words mean: try later, change something, or nobody knows whether it took the job.

The words are data: ``sbatch_answers.csv``, a pattern, an example and its source a line. The first pattern that is found
says the meaning, so what is narrower stands above. What no line knows is for a person to look at.
"""

from __future__ import annotations

import enum

from slurm import word_table
from slurm.word_table import Known


class Meaning(enum.Enum):
    """What is to be done after sbatch said no."""

    LATER = "later"
    LATER_AND_FEWER = "later and fewer"
    """A limit of submitted jobs: the same number is refused again."""
    UNCERTAIN = "uncertain"
    """The connection broke: the job may be there."""
    NEVER = "never"


def known() -> tuple[Known[Meaning], ...]:
    """All that sbatch is known to say, in the order in which it is looked for."""
    return word_table.read("slurm.scheduler", "sbatch_answers.csv", Meaning)


def meaning(words: str) -> Meaning:
    """What sbatch's error means; NEVER where nobody knows it."""
    found = word_table.find(known(), words)
    return found.means if found is not None else Meaning.NEVER
