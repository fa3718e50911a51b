"""Counts in words."""

from __future__ import annotations

import pytest

from analysis.report.figures.comparisons import ranged
from analysis.runs.wording import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 comparisons"), (1, "1 comparison"), (2, "2 comparisons"), (2.0, "2 comparisons")]
)
def test_one_is_said_as_one(count: float, said: str) -> None:
    assert counted(count, "comparison") == said


def test_a_plural_of_its_own_is_given() -> None:
    assert [counted(n, "search", "searches") for n in (1, 2)] == ["1 search", "2 searches"]


def test_a_range_is_counted_by_its_end() -> None:
    assert [ranged(counts, "split") for counts in ({1}, {5}, {1, 5}, set())] == [
        "1 split",
        "5 splits",
        "1 to 5 splits",
        "0 splits",
    ]
