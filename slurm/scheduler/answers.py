"""What the other commands mean where they fail: squeue, sacct and scancel. sbatch's words are in ``sbatch_errors``.

The words are data: ``answers.csv``, a command, a pattern, an example and its source a line. What no line knows is taken
for something that passes: asking again costs little, and a job that is not cancelled costs much.
"""

from __future__ import annotations

import csv
import enum
import re
from functools import lru_cache
from importlib import resources
from typing import NamedTuple


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


class Known(NamedTuple):
    """A line of the table."""

    command: str
    means: Means
    pattern: str
    """A regular expression for the command's words in lower case."""
    example: str
    source: str


@lru_cache(maxsize=1)
def known() -> tuple[Known, ...]:
    """All that is known, in the order in which it is looked for."""
    text = resources.files("slurm.scheduler").joinpath("answers.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        Known(row["command"], Means(row["means"]), row["pattern"], row["example"], row["source"]) for row in rows
    )


def said(command: str, line: str) -> Known | None:
    """The line of the table that knows these words."""
    text = line.lower()
    return next((each for each in known() if each.command == command and re.search(each.pattern, text)), None)


def meanings(command: str, words: str) -> set[Means]:
    """What each line of a command's words means: scancel has one for each job that it could not cancel."""
    found = {each.means for line in words.splitlines() if line.strip() and (each := said(command, line)) is not None}
    return found or {Means.LATER}
