"""What the first screen says of several data sets together."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.report import across
from analysis.report.findings import Findings, gather
from analysis.report.sections import answer, datasets
from analysis.runs import simulated
from analysis.runs.load import Study

pytestmark = pytest.mark.slow
LABELS = ("relu", "apalu", "lelu")


def studies(count: int, *, effects: dict[str, float], named: list[str] | None = None, model: str = "") -> list[Study]:
    found = []
    for at in range(count):
        name = (named or [f"set{at}" for at in range(count)])[at]
        made = simulated.study(
            seed=at + 1, activations=LABELS, epochs=2, dataset=name, name=f"study{at}", effects=effects
        )
        if model:
            made = dataclasses.replace(made, plan=dataclasses.replace(made.plan, model=f"{model}{at}"))
        found.append(made)
    return found


def facts(findings: Findings) -> dict[str, list[str]]:
    screen = answer.section(findings).blocks[0]
    return {term: list(lines) for term, lines in screen.facts}  # type: ignore[union-attr]


def test_how_often_each_is_ahead_is_said_and_what_that_is_worth() -> None:
    said = facts(gather(studies(3, effects={"apalu": 0.08, "lelu": -0.08})))["Across the data sets"]
    assert said[0] == "On average ahead of relu on all 3: apalu."
    assert said[1] == "3 data sets are too few to conclude for others (6 are needed): each verdict is its own."


def test_where_none_is_ahead_everywhere_that_is_said() -> None:
    worse = {"apalu": -0.08, "lelu": -0.08}
    third = simulated.study(seed=9, activations=LABELS, epochs=2, dataset="other", name="third", effects=worse)
    mixed = [*studies(2, effects={"apalu": 0.08, "lelu": -0.08}), third]
    assert facts(gather(mixed))["Across the data sets"][0] == (
        "On average nothing is ahead of relu on all 3: apalu on 2."
    )


def test_one_data_set_has_nothing_to_say_across() -> None:
    assert "Across the data sets" not in facts(gather(studies(1, effects={})))


def test_a_data_set_that_stands_twice_is_no_second_trial() -> None:
    named = ["digits (sample=500)", "digits", *(f"set{at}" for at in range(5))]
    findings = gather(studies(7, effects={}, named=named))
    said = across.why_no_more(findings)
    assert said.startswith("No test over them: digits is among them more than once")
    section = datasets.section(findings)
    assert section is not None
    names = [table.name for table in section.tables()]
    assert "table-9-ranks" in names
    assert "table-8-matrix" not in names
    assert "table-9-hierarchy" not in names


def test_with_enough_data_sets_the_test_is_pointed_to() -> None:
    findings = gather(studies(6, effects={}))
    assert across.why_no_more(findings) == "A test over all 6 data sets stands under Across data sets."
    section = datasets.section(findings)
    assert section is not None
    assert "table-8-matrix" in [table.name for table in section.tables()]


def test_models_are_counted_and_zones_span_what_they_are() -> None:
    several = gather(studies(3, effects={}, model="mlp"))
    assert any("one of" not in line and "3 models in all." in line for line in facts(several)["Where it is weak"])
    assert any("one model." in line for line in facts(gather(studies(2, effects={})))["Where it is weak"])
    assert across.default_zone(several, [0.01, 0.01]) == "the default is ± 1 point"
    assert across.default_zone(several, [0.002, 0.03]) == "the defaults are ± 0.20 to 3.0 points, by data set"
