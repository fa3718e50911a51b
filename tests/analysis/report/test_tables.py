"""How tables are written: every form shows the same cells."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.report import tables
from analysis.report.tables import Table

TABLE = Table(
    name="one",
    title="A & B",
    caption="50 % of n_1",
    frame=pd.DataFrame(
        {
            "activation": ["leaky_relu", "a|b"],
            "mean": [0.81234, math.nan],
            "p": [0.00001, 0.04],
            "n": [5, 4],
            "note": ["Too few.", "Too few."],
        }
    ),
    formats={"mean": ".3f", "p": "p", "n": "d"},
    heads={"mean": "mean ± sd"},
    boxed=frozenset({(0, "mean")}),
)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (-0.01234, "+.3f", "−0.012"),
        (math.nan, ".3f", "–"),
        (None, "d", "–"),
        (math.inf, ".1f", "∞"),
        (0.00005, "p", "< 0.0001"),
        (0.031, "p", "0.0310"),
        (-0.1, "%", "−10.0 %"),
        (7.0, "d", "7"),
        (True, "", "yes"),
        ("text", ".3f", "text"),
    ],
)
def test_a_value_is_shown_by_its_kind(value: object, kind: str, expected: str) -> None:
    assert tables.format_cell(value, kind) == expected


def test_sentences_become_numbered_notes_and_stay_whole_in_the_csv() -> None:
    assert [row[-1] for row in TABLE.texts()] == ["1", "1"]
    assert TABLE.notes == ["Too few."]
    assert "1. Too few." in tables.to_markdown(TABLE)
    assert tables.to_csv(TABLE).count("Too few.") == 2


def test_markdown_escapes_bars_and_marks_boxed_cells() -> None:
    text = tables.to_markdown(TABLE)
    assert "a\\|b" in text
    assert "**[0.812]**" in text
    assert text.splitlines()[1] == "| --- | ---: | ---: | ---: | --- |"


def test_latex_is_booktabs_with_every_special_sign_escaped() -> None:
    text = tables.to_latex(TABLE)
    assert r"\toprule" in text
    assert r"leaky\_relu" in text
    assert r"A \& B. 50 \% of n\_1" in text
    assert r"mean $\pm$ sd" in text
    assert r"\fbox{0.812}" in text
    assert text.count(r"\\") == 3
    assert "$<$ 0.0001" in text
    assert tables.escape_latex("−∞ > Δ, R²") == r"$-$$\infty$ $>$ $\Delta$, R$^2$"


def test_sorting_compares_numbers_by_value_and_missing_ones_as_nothing() -> None:
    keys = TABLE.keys()
    assert [row[1] for row in keys] == ["0.81234", ""]
    assert float(keys[0][2]) < float(keys[1][2])


def test_records_are_plain_json_values() -> None:
    records = tables.to_records(TABLE)
    assert records[1]["mean"] is None
    assert records[0]["n"] == 5


@pytest.mark.parametrize(
    ("values", "expected"), [([0.5, 0.6], 4), ([0.98, 0.9801], 6), ([10.0, 90.0], 2), ([1.0, 1.0], 4), ([], 4)]
)
def test_decimals_follow_the_spread(values: list[float], expected: int) -> None:
    assert tables.decimals(values) == expected
