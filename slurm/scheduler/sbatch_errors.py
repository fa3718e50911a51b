"""What sbatch's words mean: try later, change something, or nobody knows whether it took the job.

The words are data: ``sbatch_answers.csv``, a pattern, an example and its source a line. The first pattern that is found
says the meaning, so what is narrower stands above. What no line knows is for a person to look at.
"""

from __future__ import annotations

import csv
import enum
import re
from functools import lru_cache
from importlib import resources
from typing import NamedTuple


class Meaning(enum.Enum):
    """What is to be done after sbatch said no."""

    LATER = "later"
    LATER_AND_FEWER = "later and fewer"
    """A limit of submitted jobs: the same number is refused again."""
    UNCERTAIN = "uncertain"
    """The connection broke: the job may be there."""
    NEVER = "never"


class Known(NamedTuple):
    """A line of the table."""

    means: Meaning
    pattern: str
    """A regular expression for sbatch's words in lower case."""
    example: str
    source: str


@lru_cache(maxsize=1)
def known() -> tuple[Known, ...]:
    """All that sbatch is known to say, in the order in which it is looked for."""
    text = resources.files("slurm.scheduler").joinpath("sbatch_answers.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Known(Meaning(row["means"]), row["pattern"], row["example"], row["source"]) for row in rows)


def meaning(words: str) -> Meaning:
    """What sbatch's error means; NEVER where nobody knows it."""
    text = words.lower()
    return next((line.means for line in known() if re.search(line.pattern, text)), Meaning.NEVER)
