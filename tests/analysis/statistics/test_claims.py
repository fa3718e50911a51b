"""Winners of a search, and the verdicts of a whole study."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import DeclarationError, DuplicateRuns
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics import claims, multiplicity, verdict
from analysis.statistics.verdict import Word

LOSS = "validation/loss"


def of(**more: object) -> Study:
    return simulated.study(seed=3, activations=("relu", "dsrelu", "tanh"), **more)  # type: ignore[arg-type]


def searched() -> Study:
    """Three settings of each of two activations; the second is best by validation, the third by held-out accuracy."""
    base = simulated.study(seed=5, activations=("relu", "dsrelu"), folds=3)
    parts = [base.cube.assign(trial=base.cube["activation"] + "-c")]
    for number, shift in enumerate((0.3, 0.1, 0.2)):
        part = base.cube.assign(phase="search", trial=[f"{label}-{number}" for label in base.cube["activation"]])
        part["run_id"] = part["run_id"] + f"s{number}"
        part["validation/loss"] = shift + 0.001 * part["fold"]
        part["heldout/accuracy"] = 0.5 + number / 10
        parts.append(part)
    cube = pd.concat(parts, ignore_index=True)
    return dataclasses.replace(base, cube=simulated.choose(cube, {"relu": "relu-1", "dsrelu": "dsrelu-1"}, on=LOSS))


def test_the_winner_is_the_one_that_the_driver_chose() -> None:
    study = searched()
    found = claims.winners(study.cube, study.plan).set_index("activation")
    assert found["trial"].to_dict() == {"relu": "relu-1", "dsrelu": "dsrelu-1"}
    assert found["settings"].tolist() == [3, 3]
    assert found["complete"].tolist() == [3, 3]
    assert found.loc["relu", "score"] == pytest.approx(0.101)
    other = simulated.choose(study.cube, {"relu": "relu-0", "dsrelu": "dsrelu-2"}, on=LOSS)
    assert claims.winners(other, study.plan)["trial"].tolist() == ["relu-0", "dsrelu-2"]


def test_a_stopped_trial_that_the_driver_chose_wins() -> None:
    """One setting ran to its end at .5, another was stopped at .4: which of them won is not for the report to say."""
    study = searched()
    cube = study.cube[~study.cube["trial"].isin(["relu-2"])].copy()
    for trial, status, loss in (("relu-0", "finished", 0.5), ("relu-1", "stopped", 0.4)):
        cube.loc[cube["trial"] == trial, ["status", LOSS]] = [status, loss]
    found = claims.winners(cube, study.plan).set_index("activation").loc["relu"]
    assert (found["trial"], found["complete"]) == ("relu-1", 1)
    plan = dataclasses.replace(study.plan, claims_phase="search", search_trials={"relu": 2, "dsrelu": 3})
    assert set(claims.claimed(cube, plan).query("activation == 'relu'")["trial"]) == {"relu-1"}


def test_a_search_that_has_not_chosen_says_so() -> None:
    study = searched()
    plan = dataclasses.replace(study.plan, search_trials={"relu": 3, "dsrelu": 3})
    cube = simulated.choose(study.cube, {"dsrelu": "dsrelu-1"}, on=LOSS)
    found = claims.winners(cube, plan).set_index("activation")
    assert pd.isna(found.loc["relu", "trial"])
    assert found.loc["relu", "note"] == "The search has not chosen a setting."
    assert found.loc["dsrelu", "note"] == ""


def test_nothing_searched_is_told_from_a_search_without_runs() -> None:
    study = searched()
    cube = study.cube[(study.cube["activation"] != "relu") | (study.cube["phase"] == "confirm")]
    for tried, note in ((0, "Nothing was searched."), (3, "No run of its search is there.")):
        plan = dataclasses.replace(study.plan, search_trials={"relu": tried, "dsrelu": 3})
        relu = claims.winners(cube, plan).set_index("activation").loc["relu"]
        assert (relu["note"], relu["settings"], relu["folds"], relu["complete"]) == (note, 0, 0, 0)


def test_an_activation_that_claims_rest_on_without_a_search_says_so() -> None:
    study = searched()
    cube = simulated.choose(study.cube, {"dsrelu": "dsrelu-1"}, on=LOSS)
    cube = cube[~cube["trial"].isin(["relu-0", "relu-2"])]
    plan = dataclasses.replace(study.plan, claims_phase="search", search_trials={"relu": 0, "dsrelu": 3})
    found = claims.winners(cube, plan).set_index("activation")
    assert (found.loc["relu", "trial"], found.loc["relu", "note"]) == ("relu-1", "Nothing was searched.")
    assert found.loc["dsrelu", "note"] == ""


def test_frames_without_a_record_of_the_choice_ask_for_one() -> None:
    study = searched()
    cube = study.cube.drop(columns=["selected", "selected_value", "selected_among"])
    with pytest.raises(DeclarationError, match=r"relu: 3 trials of a search and no record.*add a column 'selected'"):
        claims.claimed(cube, dataclasses.replace(study.plan, claims_phase="search"))
    one = cube[cube["trial"].isin(["relu-0", "dsrelu-0"])]
    plan = dataclasses.replace(study.plan, claims_phase="search")
    assert set(claims.claimed(one, plan)["trial"]) == {"relu-0", "dsrelu-0"}


def test_a_search_may_not_select_on_the_held_out_part() -> None:
    study = searched()
    for name, said in (("heldout/accuracy", "held-out"), ("validation/f2", "they have validation/accuracy")):
        with pytest.raises(DeclarationError, match=said):
            claims.winners(study.cube, dataclasses.replace(study.plan, search_selects_on=name))


def test_claims_on_the_search_rest_on_the_winners_alone() -> None:
    study = searched()
    plan = dataclasses.replace(study.plan, claims_phase="search", search_trials={"relu": 3, "dsrelu": 3})
    assert set(claims.claimed(study.cube, plan)["trial"]) == {"relu-1", "dsrelu-1"}
    (only,) = claims.compare(study.cube, plan)
    assert "exploratory" in only.note
    assert set(claims.claimed(study.cube, study.plan)["trial"]) == {"relu-c", "dsrelu-c"}


def test_a_setting_chosen_on_the_same_splits_claims_nothing_not_even_the_controls() -> None:
    study = searched()
    study.cube.loc[study.cube["activation"] == "dsrelu", "heldout/accuracy"] += 0.1 + 0.001 * study.cube["fold"]
    for counts, word in (
        ({"relu": 3, "dsrelu": 3}, Word.DESCRIPTIVE),
        ({"relu": 3, "dsrelu": 1}, Word.DESCRIPTIVE),
        ({"relu": 1, "dsrelu": 1}, Word.BETTER),
    ):
        plan = dataclasses.replace(study.plan, claims_phase="search", search_trials=counts)
        (found,) = claims.compare(study.cube, plan)
        assert found.word is word
        assert ("exploratory" in found.note) is (word is Word.DESCRIPTIVE)
    refused = verdict.Verdict(
        dataset="d", activation="a", control="b", metric="accuracy", method="", word=Word.CANNOT_TELL
    )
    assert claims.explored(refused).word is Word.CANNOT_TELL


def test_alone_it_would_pass_is_said_only_where_p_alone_does() -> None:
    open_ = verdict.Verdict(
        dataset="d",
        activation="a",
        control="b",
        metric="accuracy",
        method="",
        probabilities=verdict.Probabilities(0.01, 0.03, 0.96),
        p=0.07,
        p_adjusted=0.14,
        word=Word.UNDECIDED,
    )
    assert claims.decide(open_).note == ""
    assert claims.decide(dataclasses.replace(open_, p=0.04)).note == claims.ALONE
    assert claims.decide(dataclasses.replace(open_, p=0.04, p_adjusted=0.05)).word is Word.BETTER


@pytest.mark.slow
def test_studies_of_different_alpha_get_intervals_of_one_level() -> None:
    a, b = of(), simulated.study(seed=4, name="other", dataset="cifar", activations=("relu", "dsrelu", "tanh"))
    cube = pd.concat([a.cube, b.cube], ignore_index=True)
    found = claims.compare_studies(cube, [a.plan, claims.at_level(b.plan, 0.01)])
    assert {v.level for v in found} == {0.99}
    same = claims.compare_studies(cube, [claims.at_level(a.plan, 0.01), claims.at_level(b.plan, 0.01)])
    assert [v.interval for v in found] == [v.interval for v in same]


def test_a_study_without_search_has_no_winners() -> None:
    study = of()
    assert claims.winners(study.cube, study.plan).empty


def test_verdicts_find_what_was_put_in() -> None:
    study = of(effects={"dsrelu": 0.05, "tanh": -0.05}, repeats=5, noise_sd=0.003)
    plan = dataclasses.replace(study.plan, declaration=dataclasses.replace(study.plan.declaration, rope=0.01))
    found = {v.activation: v for v in claims.compare(study.cube, plan)}
    assert found["dsrelu"].word is Word.BETTER
    assert found["tanh"].word is Word.WORSE
    assert found["dsrelu"].estimate == pytest.approx(0.05, abs=0.01)
    assert found["dsrelu"].interval is not None
    assert found["dsrelu"].interval.low < found["dsrelu"].estimate < found["dsrelu"].interval.high
    first, second = sorted(found.values(), key=lambda v: v.p or 0.0)
    assert first.p is not None
    assert first.p_adjusted == pytest.approx(2 * first.p)
    assert second.p_adjusted == pytest.approx(second.p)
    assert found["dsrelu"].extras["family"] == 2
    frame = verdict.to_frame(found.values())
    assert list(frame.columns[: len(verdict.COLUMNS)]) == list(verdict.COLUMNS)
    assert frame["word"].tolist() == ["better", "worse"]


def test_no_difference_can_be_a_finding() -> None:
    study = of(effects={}, repeats=10, noise_sd=0.002)
    plan = dataclasses.replace(study.plan, declaration=dataclasses.replace(study.plan.declaration, rope=0.02))
    assert {v.word for v in claims.compare(study.cube, plan)} == {Word.EQUIVALENT}


def test_the_family_stays_whole_when_an_activation_is_lost() -> None:
    study = of()
    cube = study.cube.copy()
    cube.loc[cube["activation"] == "tanh", "status"] = "infra_failed"
    found = {v.activation: v for v in claims.compare(cube, study.plan)}
    assert found["tanh"].p is None
    assert found["tanh"].word is Word.CANNOT_TELL
    assert found["dsrelu"].p is not None
    assert found["dsrelu"].p_adjusted == pytest.approx(min(1, 2 * found["dsrelu"].p))


def test_all_pairs_and_several_data_sets_make_one_family() -> None:
    a, b = of(), simulated.study(seed=4, name="other", dataset="cifar", activations=("relu", "dsrelu", "tanh"))
    cube = pd.concat([a.cube, b.cube], ignore_index=True)
    found = claims.compare_studies(cube, [a.plan, b.plan])
    assert [(v.dataset, v.activation) for v in found] == [
        ("digits", "dsrelu"),
        ("digits", "tanh"),
        ("cifar", "dsrelu"),
        ("cifar", "tanh"),
    ]
    assert {v.extras["family"] for v in found} == {4}
    plan = dataclasses.replace(a.plan, declaration=dataclasses.replace(a.plan.declaration, family="all_pairs"))
    pairs = claims.compare(a.cube, plan)
    assert [(v.activation, v.control) for v in pairs] == [("dsrelu", "relu"), ("tanh", "relu"), ("dsrelu", "tanh")]
    assert {v.extras["family"] for v in pairs} == {3}


def test_one_activation_makes_no_comparison() -> None:
    study = simulated.study(seed=1, activations=("relu",))
    assert claims.compare(study.cube, study.plan) == []


def test_a_constant_metric_claims_nothing() -> None:
    study = of()
    for found in claims.compare(study.cube.assign(**{"heldout/accuracy": 0.5}), study.plan):
        assert found.p is None
        assert found.word is Word.DESCRIPTIVE
        assert "identical on every split" in found.note


def test_duplicate_runs_stop_the_comparison() -> None:
    study = of()
    twice = pd.concat([study.cube, study.cube.iloc[:1].assign(run_id="again")], ignore_index=True)
    with pytest.raises(DuplicateRuns, match="again"):
        claims.compare(twice, study.plan)


def test_an_unknown_control_is_refused_with_the_labels() -> None:
    study = of()
    plan = dataclasses.replace(study.plan, declaration=dataclasses.replace(study.plan.declaration, control="gelu"))
    with pytest.raises(DeclarationError, match=r"'gelu'.*relu, dsrelu, tanh"):
        claims.compare(study.cube, plan)


def test_penalised_and_complete_cases_differ_where_a_run_diverged() -> None:
    study = of(diverged=[("dsrelu", 0, 1)])
    penalised, complete = (
        next(v for v in claims.compare(study.cube, study.plan, handling=handling) if v.activation == "dsrelu")
        for handling in ("penalised", "complete")
    )
    assert penalised.estimate < complete.estimate - 0.1
    assert "scored as if nothing was learned" in penalised.note
    assert "left out" in complete.note


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(names=st.permutations(["x", "y", "z"]), order=st.randoms(use_true_random=False))
def test_labels_and_row_order_do_not_matter(names: list[str], order: object) -> None:
    study = of()
    renamed = dict(zip(study.plan.activations, names, strict=True))
    index = list(study.cube.index)
    order.shuffle(index)  # type: ignore[attr-defined]
    cube = study.cube.loc[index].assign(activation=lambda frame: frame["activation"].map(renamed))
    plan = dataclasses.replace(
        study.plan,
        activations=tuple(names),
        declaration=dataclasses.replace(study.plan.declaration, control=renamed["relu"]),
    )
    for a, b in zip(claims.compare(study.cube, study.plan), claims.compare(cube, plan), strict=True):
        assert renamed[a.activation] == b.activation
        assert b.p_adjusted == pytest.approx(a.p_adjusted)
        assert b.word == a.word


def test_family_sizes_and_holm() -> None:
    assert multiplicity.family_size("control", activations=6, datasets=3) == 15
    assert multiplicity.family_size("all_pairs", activations=6, datasets=3) == 45
    assert multiplicity.family_size("control", activations=1, datasets=3) == 0
    # Demsar (2006), section 3.2.2: p of 0.016, 0.019 and 0.607 against 0.05/3, 0.05/2 and 0.05.
    assert multiplicity.holm([0.016, 0.019, 0.607]) == pytest.approx([0.048, 0.048, 0.607])
    missing = multiplicity.holm([0.016, math.nan, 0.607])
    assert missing[0] == pytest.approx(0.048)
    assert np.isnan(missing[1])
    assert multiplicity.holm([0.01], 5) == pytest.approx([0.05])
    assert multiplicity.holm([], 3).size == 0
    with pytest.raises(DeclarationError, match="family of 1"):
        multiplicity.holm([0.1, 0.2], 1)


def test_holm_on_the_example_of_garcia_and_herrera() -> None:
    """Garcia and Herrera (2008): mean ranks of five classifiers on 30 data sets; the z of each pair, Holm over ten."""
    from scipy import stats

    ranks = {"C4.5": 2.1, "1-NN": 3.25, "NaiveBayes": 2.2, "Kernel": 4.333, "CN2": 3.117}
    names = list(ranks)
    couples = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    unit = math.sqrt(5 * 6 / (6 * 30))
    z = {pair: abs(ranks[pair[0]] - ranks[pair[1]]) / unit for pair in couples}
    p = [2 * float(stats.norm.sf(value)) for value in z.values()]
    assert z[("C4.5", "Kernel")] == pytest.approx(5.471, abs=2e-3)
    adjusted = dict(zip(couples, multiplicity.holm(p), strict=True))
    assert adjusted[("C4.5", "Kernel")] == pytest.approx(4.487e-7, rel=0.01)
    assert adjusted[("NaiveBayes", "Kernel")] == pytest.approx(1.563e-6, rel=0.01)
    rejected = {pair for pair, value in adjusted.items() if value <= 0.05}
    kernel = {("C4.5", "Kernel"), ("NaiveBayes", "Kernel"), ("Kernel", "CN2"), ("1-NN", "Kernel")}
    assert rejected == kernel | {("C4.5", "1-NN")}


def test_the_notebook_example_of_the_module_runs() -> None:
    assert claims.__doc__ is not None
    code = claims.__doc__.split("::\n", 1)[1]
    *body, last = [line[4:] for line in code.rstrip().splitlines()]
    names: dict[str, object] = {}
    exec("\n".join(body), names)
    shown = eval(last, names)
    assert shown["word"].tolist() == ["better"]
    assert not re.search("significan", str(shown))
