"""What the other commands mean where they fail: squeue, sacct and scancel. sbatch's words are in ``sbatch_errors``.

The words are data: ``answers.csv``, a command, a pattern, an example and its source a line. What no line knows is taken
for something that passes: asking again costs little, and a job that is not cancelled costs much.
"""

from __future__ import annotations

import enum

from slurm import word_table
from slurm.word_table import Known


class Means(enum.Enum):
    """What is to be done."""

    LATER = "later"
    """Ask again, with back-off; tell people after three times."""
    ABSENT = "absent"
    """The site has no such thing: do not ask again."""
    GONE = "gone"
    """There is nothing left to cancel."""
    NEVER = "never"
    """It may not be done, however often it is tried."""


def known() -> tuple[Known[Means], ...]:
    """All that is known, in the order in which it is looked for."""
    return word_table.read("slurm.scheduler", "answers.csv", Means)


def said(command: str, line: str) -> Known[Means] | None:
    """The line of the table that knows these words."""
    return word_table.find((each for each in known() if each.command == command), line)


def meanings(command: str, words: str) -> set[Means]:
    """What each line of a command's words means: scancel has one for each job that it could not cancel."""
    found = {each.means for line in words.splitlines() if line.strip() and (each := said(command, line)) is not None}
    return found or {Means.LATER}
