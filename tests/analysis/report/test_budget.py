"""What a report says of a budget: on its first screen, under what was asked, under integrity, and what it cost."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.errors import SourceError
from analysis.report import build
from analysis.report import findings as gathering
from analysis.report.findings import Findings
from analysis.report.sections import answer, budget, cost, declaration, integrity
from analysis.runs import simulated
from analysis.runs.account import Account, Shortfall, from_json, to_json
from analysis.runs.load import Study
from analysis.runs.schema import ENERGY_J

LACKS = Shortfall(what="20 planned folds of tanh", phase="confirm", asked_s=720.0)
CUT = Shortfall(what="3 further settings of every activation, of 8 planned", phase="search", asked_s=360.0)


def account(*shortfalls: Shortfall) -> Account:
    return Account(spent_s=7200.0, cap_s=9000.0, price_per_gpu_hour=2.5, currency="EUR", shortfalls=tuple(shortfalls))


@pytest.fixture(scope="module")
def study() -> Study:
    return simulated.study(seed=4, activations=("relu", "tanh"), epochs=4)


def found(study: Study, kept: Account | None) -> Findings:
    return gathering.gather(dataclasses.replace(study, account=kept))


def text(*sections: object) -> str:
    return build.markdown([*sections], title="", digest="")  # type: ignore[list-item]


def test_a_budget_that_was_reached_is_on_the_first_screen_and_everywhere_else(study: Study) -> None:
    findings = found(study, account(LACKS, CUT))
    for section in (answer.section(findings), declaration.section(findings), integrity.section(findings)):
        said = text(section)
        assert "The budget of 2.5 device hours did not pay for all that was planned" in said, section.title
        assert "20 planned folds of tanh (at most 0.2 device hours more)" in said
        assert "3 further settings of every activation, of 8 planned" in said
        assert "left open by the budget, not by the data" in said


def test_a_search_that_was_cut_leaves_no_claim_open(study: Study) -> None:
    said = text(answer.section(found(study, account(CUT))))
    assert "3 further settings" in said
    assert "left open by the budget" not in said
    assert not account(CUT).cut
    assert account(LACKS).cut


def test_a_budget_that_paid_for_everything_is_told_with_what_was_spent(study: Study) -> None:
    findings = found(study, account())
    assert "did not pay" not in text(answer.section(findings), integrity.section(findings))
    assert "2 device hours (5.00 EUR) held by jobs, with all that was lost and tried again, of a budget of 2.5" in text(
        declaration.section(findings)
    )
    assert "2 device hours (5.00 EUR) held by jobs" in text(cost.section(findings))


def test_without_an_account_nothing_is_said_of_one(study: Study) -> None:
    findings = found(study, None)
    said = text(answer.section(findings), declaration.section(findings), cost.section(findings))
    assert "udget of" not in said
    assert "held by jobs" not in said


def test_energy_is_shown_where_a_device_told_it_and_nowhere_else(study: Study) -> None:
    assert budget.energy(found(study, None)) is None
    joules = [10.0 + at % 2 for at in range(len(study.curves))]
    told = dataclasses.replace(study, curves=study.curves.assign(**{ENERGY_J: joules}))
    findings = found(told, None)
    table = budget.energy(findings)
    assert table is not None
    assert set(table.frame["activation"]) == {"relu", "tanh"}
    assert table.frame["energy_j"].between(10, 11).all()
    assert "Energy of an epoch" in text(cost.section(findings))


def test_an_account_travels_as_text() -> None:
    kept = account(LACKS, CUT)
    assert from_json(to_json(kept)) == kept
    assert kept.left_s == 1800.0
    assert dataclasses.replace(kept, promised_s=3000.0).left_s == 0.0
    with pytest.raises(SourceError, match="schema 9, accepts 1"):
        from_json(to_json(dataclasses.replace(kept, schema=9)))
    with pytest.raises(SourceError, match="not a study's account"):
        from_json("[]")
