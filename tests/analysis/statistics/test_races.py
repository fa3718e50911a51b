"""What runs say of the race of a search's settings, and how those that use the runs treat dropped ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.report import build
from analysis.report.findings import gather
from analysis.report.sections import limits
from analysis.runs import plan as planning
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.plan import Race
from analysis.statistics import claims, parameter_importance, races

LOSS = "validation/loss"
RACE = Race(rule="Gupta's subset rule on corrected folds", folds=(2, 3, 4, 5), error=0.05)
EASY = {0: 0.0, 1: 0.1, 2: 5.0, 3: 6.0, 4: 7.0}
"""What a fold adds to every setting's loss: the later ones are hard."""


def raced(*, settings: int = 20, kept: int = 4, last_alone: bool = False) -> Study:
    """A search of dsrelu: setting ``n`` has loss n / 100 and k = n; the first ``kept`` have all folds, half of the rest
    three and the others two. ``last_alone``: only one is left, after four folds."""
    base = simulated.study(seed=5, activations=("relu", "dsrelu"), folds=5)
    parts = [base.cube.assign(trial=base.cube["activation"] + "-c000")]
    mine = base.cube[base.cube["activation"] == "dsrelu"]
    for number in range(settings):
        folds = 5 if number < kept else 3 if number % 2 else 2
        if last_alone:
            folds = 4 if number == 0 else min(folds, 3)
        part = mine[mine["fold"] < folds].assign(phase="search", trial=f"dsrelu-s{number:03d}")
        part = part.assign(**{"activation.k": float(number), "run_id": part["run_id"] + f"s{number}"})
        part[LOSS] = number / 100 + part["fold"].map(EASY)
        part["dropped"] = "worse" if folds < (4 if last_alone else 5) else ""
        parts.append(part)
    cube = pd.concat(parts, ignore_index=True)
    cube["dropped"] = cube["dropped"].fillna("")
    cube = simulated.choose(cube, {"dsrelu": "dsrelu-s000"}, on=LOSS)
    plan = dataclasses.replace(
        base.plan,
        search_trials={"relu": 0, "dsrelu": settings},
        search_varies={"dsrelu": ("activation.k",)},
        search_race=RACE,
    )
    return dataclasses.replace(base, cube=cube, plan=plan)


def of_search(study: Study) -> pd.DataFrame:
    return study.cube[study.cube["phase"] == "search"]


def test_the_course_of_a_race_is_counted_in_its_runs() -> None:
    found = races.course(of_search(raced()), RACE)
    assert found == {
        "settings": 20,
        "after_2": 8,
        "after_3": 8,
        "after_4": 0,
        "lost": 0,
        "left": 4,
        "trained": 8 * 2 + 8 * 3 + 4 * 5,
        "planned": 100,
        "spared": 40,
    }


def test_a_setting_without_a_result_was_not_dropped() -> None:
    rows = of_search(raced()).copy()
    rows.loc[rows["trial"] == "dsrelu-s001", "status"] = "diverged"
    found = races.course(rows, RACE)
    assert (found["lost"], found["left"]) == (1, 3)


def test_settings_are_compared_on_the_folds_that_all_of_them_have() -> None:
    """Over all of its folds each dropped setting looks better than the best one: the later folds are hard."""
    study = raced()
    table = parameter_importance.settings(study.cube, "dsrelu", column=LOSS)
    assert set(table["folds"]) == {2}
    assert table["score"].to_numpy() == pytest.approx(np.arange(20) / 100 + 0.05)
    naive = of_search(study).groupby("trial")[LOSS].mean()
    assert naive.idxmin() != "dsrelu-s000"
    whole = of_search(study).drop(columns="dropped")
    assert races.on_shared_folds(whole) is whole


def test_partial_dependence_draws_a_forest_for_the_shared_folds_alone() -> None:
    rng = np.random.default_rng(0)
    found = parameter_importance.partial_dependence(raced().cube, "dsrelu", "activation.k", rng, column=LOSS)
    assert set(found["forests"]) == {2}
    assert found["high"].max() < 1


def test_a_winner_with_all_folds_needs_no_note_and_one_left_alone_has_one() -> None:
    study = raced()
    won = claims.winners(study.cube, study.plan).set_index("activation").loc["dsrelu"]
    assert (won["trial"], won["folds"], won["complete"], won["settings"], won["note"]) == ("dsrelu-s000", 5, 4, 20, "")
    study = raced(last_alone=True)
    won = claims.winners(study.cube, study.plan).set_index("activation").loc["dsrelu"]
    assert (won["trial"], won["folds"], won["complete"]) == ("dsrelu-s000", 4, 0)
    assert won["note"] == "Chosen after 4 of 5 folds: no other was left in its race."
    cut = study.cube[(study.cube["phase"] != "search") | (study.cube["fold"] < 2)].copy()
    cut.loc[cut["trial"] == "dsrelu-s001", "dropped"] = ""
    won = claims.winners(cut, study.plan).set_index("activation").loc["dsrelu"]
    assert won["note"] == "Chosen after 2 of 5 folds: its race ended early."


def test_the_report_names_rule_guarantee_looks_and_savings_and_misses_no_dropped_fold(tmp_path: Path) -> None:
    page = build.write(raced(), tmp_path / "report")
    text = (page.parent / "report.md").read_text()
    for said in (
        "after 2, 3, 4 of 5, those shown to be worse than another of them got no more (Gupta's subset rule on",
        "the probability that the truly best setting is dropped is to be 0.05 at most",
        "Search budgets are equal in the number of settings and in this rule, not in folds.",
        "16 of 20 settings dropped; 40 of 100 planned folds of searches not trained.",
        "every setting counts with its mean over the 2 that all of them have",
        "which raced by one rule: budgets are equal in settings, not in folds",
    ):
        assert said in text
    assert "Interim" not in text
    table = pd.read_csv(page.parent / "tables" / "table-5-races.csv")
    assert table.loc[0, ["after_2", "after_3", "after_4", "left", "spared"]].tolist() == [8, 8, 0, 4, 40]


def test_without_a_race_nothing_is_said_of_one(tmp_path: Path) -> None:
    study = raced()
    plain = dataclasses.replace(
        study,
        cube=study.cube[~races.dropped(study.cube)].drop(columns="dropped"),
        plan=dataclasses.replace(study.plan, search_race=None),
    )
    text = (build.write(plain, tmp_path / "report").parent / "report.md").read_text()
    assert "raced" not in text
    assert "Races of settings" not in text
    assert "raced" not in limits.searched(gather(plain))


def test_a_race_in_which_nothing_was_dropped_says_so(tmp_path: Path) -> None:
    study = raced(settings=4, kept=4)
    study = dataclasses.replace(study, cube=study.cube.drop(columns="dropped"))
    text = (build.write(study, tmp_path / "report").parent / "report.md").read_text()
    assert "No setting was dropped." in text


def test_a_plan_keeps_its_race_and_one_without_is_written_as_before() -> None:
    plan = raced().plan
    assert planning.from_json(planning.to_json(plan)) == plan
    without = dataclasses.replace(plan, search_race=None)
    assert "race" not in planning.to_json(without)
    assert planning.from_json(planning.to_json(without)) == without
