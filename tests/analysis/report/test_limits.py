"""The limits say what was found in the runs: what the plan says of them changes no sentence."""

from __future__ import annotations

import dataclasses

import pandas as pd

from analysis.report import findings as gathering
from analysis.report.sections import limits
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.plan import Plan


def said(study: Study) -> str:
    (listing,) = limits.section(gathering.gather(study)).blocks
    return " ".join(listing.items)  # type: ignore[union-attr]


def searched(tried: dict[str, int]) -> Study:
    """Each activation with so many settings in its search, and one of them confirmed."""
    base = simulated.study(seed=5, activations=tuple(tried), folds=3, epochs=4)
    parts = [base.cube]
    for number in range(max(tried.values())):
        rows = base.cube[base.cube["activation"].map(tried) > number]
        parts.append(
            rows.assign(
                phase="search",
                trial=[f"{label}-s{number}" for label in rows["activation"]],
                run_id=rows["run_id"] + f"s{number}",
            )
        )
    cube = pd.concat(parts, ignore_index=True)
    chosen = {label: f"{label}-s0" for label in tried}
    return dataclasses.replace(base, cube=simulated.choose(cube, chosen, on="validation/loss"))


def planned(study: Study, **more: object) -> Study:
    plan: Plan = dataclasses.replace(study.plan, **more)  # type: ignore[arg-type]
    return dataclasses.replace(study, plan=plan)


def test_budgets_are_those_of_the_runs() -> None:
    unequal = planned(searched({"relu": 1, "dsrelu": 3}), search_trials={"relu": 3, "dsrelu": 3})
    assert "1 to 3 tried for each of 2 activations" in said(unequal)
    assert "Different numbers of settings were tried: relu 1, dsrelu 3" in said(unequal)
    equal = planned(searched({"relu": 2, "dsrelu": 2}), search_trials={"relu": 1, "dsrelu": 9})
    assert "Settings were searched: 2 tried for each" in said(equal)
    assert "Different numbers" not in said(equal)


def test_where_nothing_was_searched_no_flag_says_otherwise() -> None:
    study = planned(simulated.study(seed=1, epochs=4, folds=3), search_trials={"relu": 20, "dsrelu": 20})
    assert "No runs of a search are there" in said(study)
    assert "exploratory" not in said(study)


def test_only_a_choice_makes_claims_on_the_search_exploratory() -> None:
    many = planned(searched({"relu": 2, "dsrelu": 2}), claims_phase="search", search_trials={"relu": 2, "dsrelu": 2})
    assert "exploratory" in said(many)
    one = planned(searched({"relu": 1, "dsrelu": 1}), claims_phase="search", search_trials={"relu": 1, "dsrelu": 1})
    assert "exploratory" not in said(one)


def test_a_validation_part_is_claimed_where_the_runs_have_one() -> None:
    study = simulated.study(seed=1, epochs=4, folds=3)
    assert "no check found that the held-out part served" in said(study)
    without = dataclasses.replace(study, cube=study.cube.assign(n_validation=0))
    assert "record no validation part" in said(without)
