"""What programs say, as data: a pattern, an example and its source a line; the first pattern that is found counts, so
what is narrower stands above. Each table lies beside the module that knows what its meanings are for."""

from __future__ import annotations

import csv
import enum
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Generic, NamedTuple, TypeVar

Meaning = TypeVar("Meaning", bound=enum.Enum)


class Known(NamedTuple, Generic[Meaning]):
    """A line of a table."""

    means: Meaning
    pattern: str
    """A regular expression for the words in lower case."""
    example: str
    source: str
    command: str = ""
    """Whose words they are, where the table is of several commands."""


@lru_cache
def read(package: str, file: str, meanings: type[Meaning]) -> tuple[Known[Meaning], ...]:
    """The lines of a table in the order in which they are looked for."""
    rows = csv.DictReader(resources.files(package).joinpath(file).read_text(encoding="utf-8").splitlines())
    return tuple(
        Known(meanings(row["means"]), row["pattern"], row["example"], row["source"], row.get("command", ""))
        for row in rows
    )


def find(lines: Iterable[Known[Meaning]], words: str) -> Known[Meaning] | None:
    """The first line that knows the words; None for none."""
    text = words.lower()
    return next((line for line in lines if re.search(line.pattern, text)), None)
