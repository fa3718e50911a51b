"""Slurm's forms of a time limit, in minutes."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.time_limit import minutes

NUMBER = st.integers(min_value=0, max_value=999)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("90:30", 91),
        ("90:00", 90),
        ("1:00:00", 60),
        ("01:00:01", 61),
        ("0:0:1", 1),
        ("2-12", 3600),
        ("2-0", 2880),
        ("2-12:30", 3630),
        ("2-12:00:00", 3600),
        ("2-12:00:59", 3601),
        ("0:00", 0),
    ],
)
def test_the_forms_of_sbatchs_manual(text: str, expected: int) -> None:
    assert minutes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1h",
        "1:2:3:4",
        "2-",
        "-1",
        "2-1:2:3:4",
        "1-2-3",
        "1:",
        ":30",
        "1.5",
        " 90",
        "90\n",
        "UNLIMITED",
        "٣",
        "9" * 10,
    ],
)
def test_all_else_is_none(text: str) -> None:
    assert minutes(text) is None


@given(days=NUMBER, hours=NUMBER, mins=NUMBER, seconds=NUMBER)
def test_each_form_is_rounded_up_to_whole_minutes(days: int, hours: int, mins: int, seconds: int) -> None:
    forms = {
        f"{mins}": {"minutes": mins},
        f"{mins}:{seconds}": {"minutes": mins, "seconds": seconds},
        f"{hours}:{mins:02}:{seconds:02}": {"hours": hours, "minutes": mins, "seconds": seconds},
        f"{days}-{hours}": {"days": days, "hours": hours},
        f"{days}-{hours}:{mins:02}": {"days": days, "hours": hours, "minutes": mins},
        f"{days}-{hours:02}:{mins}:{seconds}": {"days": days, "hours": hours, "minutes": mins, "seconds": seconds},
    }
    minute = datetime.timedelta(minutes=1)
    for text, parts in forms.items():
        whole, rest = divmod(datetime.timedelta(**parts), minute)
        assert minutes(text) == whole + bool(rest), text
