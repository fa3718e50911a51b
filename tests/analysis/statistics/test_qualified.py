"""What failed and warning checks do to the words that they concern, and to no others."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from analysis.report import findings as gathering
from analysis.report.sections import datasets, limits, verdicts
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics import claims, integrity, qualified
from analysis.statistics.finding import Consequence, Effect, Finding, fail, warn
from analysis.statistics.verdict import Verdict, Word

AWAY = Consequence(Effect.WITHDRAWS, "So it is no evidence.")
SAID = Consequence(Effect.QUALIFIES, "So it may be something else.")


def verdict(activation: str, word: Word = Word.BETTER, control: str = "relu") -> Verdict:
    return Verdict(dataset="d", activation=activation, control=control, metric="m", method="t", word=word, note="N.")


def told() -> Study:
    return simulated.study(
        seed=3,
        activations=("relu", "dsrelu", "tanh"),
        effects={"dsrelu": 0.05, "tanh": -0.05},
        repeats=5,
        noise_sd=0.003,
    )


def concluded(study: Study, cube: pd.DataFrame) -> dict[str, Verdict]:
    found, _ = claims.concluded(cube, [study.plan])
    return {one.activation: one for one in found}


def test_a_finding_touches_those_that_it_concerns() -> None:
    seen = fail("Odd scores (a).", frozenset({"a"}))
    finding = Finding(check="c", dataset="d", seen=seen, consequence=AWAY)
    a, b, other = qualified.qualify(
        [verdict("a"), verdict("b"), dataclasses.replace(verdict("a"), dataset="e")], [finding]
    )
    assert (a.word, a.withdrawn) == (Word.DESCRIPTIVE, Word.BETTER)
    assert a.note == "N. Odd scores (a). So it is no evidence."
    assert a.doubts == ("Odd scores (a). So it is no evidence.",)
    assert (b, other) == (verdict("b"), dataclasses.replace(verdict("a"), dataset="e"))
    both = qualified.qualify(
        [verdict("b", control="a")], [dataclasses.replace(finding, seen=fail("Odd.")), finding, finding]
    )[0]
    assert both.doubts == ("Odd. So it is no evidence.", "Odd scores (a). So it is no evidence.")


def test_a_difference_concerns_those_that_differ() -> None:
    groups = {"relu": "0.1", "a": "0.2", "b": "0.2", "c": "0.1"}
    finding = Finding(check="c", dataset="d", seen=warn("lr differs.", groups=groups), consequence=SAID)
    pairs = [("a", "relu"), ("b", "relu"), ("c", "relu"), ("b", "a"), ("c", "a")]
    found = qualified.qualify([verdict(a, control=b) for a, b in pairs], [finding])
    assert [bool(one.doubts) for one in found] == [True, True, False, False, True]
    assert {one.word for one in found} == {Word.BETTER}
    assert {one.withdrawn for one in found} == {None}


def test_what_claims_nothing_stays_and_what_qualifies_is_moot_where_the_word_is_gone() -> None:
    findings = [
        Finding(check="c", dataset="d", seen=warn("Lr."), consequence=SAID),
        Finding(check="c", dataset="d", seen=fail("Odd."), consequence=AWAY),
    ]
    open_ = claims.reasoned(verdict("a", Word.UNDECIDED), Word.UNDECIDED, claims.ALONE)
    (found,) = qualified.qualify([open_], findings)
    assert found.note == "N. Odd. So it is no evidence."
    assert (found.word, found.withdrawn) == (Word.DESCRIPTIVE, Word.UNDECIDED)
    assert claims.decide(found).word is Word.DESCRIPTIVE
    (stays,) = qualified.qualify([verdict("a", Word.CANNOT_TELL)], findings)
    assert stays.word is Word.CANNOT_TELL
    assert stays.doubts == ("Odd. So it is no evidence.",)


def test_the_same_runs_under_another_choice_have_the_same_doubts() -> None:
    findings = [Finding(check="c", dataset="d", seen=fail("Odd.", frozenset({"a"})), consequence=AWAY)]
    declared = qualified.qualify([verdict("a", Word.CANNOT_TELL), verdict("b")], findings)
    a, b, new = qualified.carried([verdict("a"), verdict("b"), verdict("new")], declared)
    assert (a.word, a.withdrawn) == (Word.DESCRIPTIVE, Word.BETTER)
    assert (b, new) == (verdict("b"), verdict("new"))


def test_a_frame_of_checks_says_whose_word_is_gone() -> None:
    study = told()
    cube = study.cube.copy()
    cube.loc[(cube["activation"] == "dsrelu") & (cube["fold"] == 0), "heldout/accuracy"] += 0.3 / 2000
    checks = claims.concluded(cube, [study.plan])[1]
    assert qualified.takes_away(checks, "dsrelu", "tanh")
    assert qualified.takes_away(checks, "dsrelu", "tanh", dataset="digits")
    assert not qualified.takes_away(checks, "relu", "tanh")
    assert not qualified.takes_away(checks, "dsrelu", "tanh", dataset="another")


def test_scores_of_no_whole_number_of_items_lose_their_own_word() -> None:
    study = told()
    cube = study.cube.copy()
    assert {one.word for one in concluded(study, cube).values()} == {Word.BETTER, Word.WORSE}
    cube.loc[(cube["activation"] == "dsrelu") & (cube["fold"] == 0), "heldout/accuracy"] += 0.3 / 2000
    found = concluded(study, cube)
    assert (found["dsrelu"].word, found["dsrelu"].withdrawn) == (Word.DESCRIPTIVE, Word.BETTER)
    assert "5 scores not a whole number of held-out items (dsrelu)" in found["dsrelu"].note
    assert (found["tanh"].word, found["tanh"].doubts) == (Word.WORSE, ())


def test_one_part_for_both_takes_every_word() -> None:
    study = told()
    cube = study.cube.assign(**{"validation/accuracy": study.cube["heldout/accuracy"]})
    for one in concluded(study, cube).values():
        assert one.word is Word.DESCRIPTIVE
        assert "nothing was held out" in one.note


def test_another_budget_qualifies_the_word_of_those_who_had_it() -> None:
    study = told()
    cube = study.cube.copy()
    cube.loc[cube["activation"] == "dsrelu", "training.lr"] = 0.01
    found = concluded(study, cube)
    assert found["dsrelu"].word is Word.BETTER
    assert "lr differs between activations" in found["dsrelu"].note
    assert found["tanh"].doubts == ()


def test_tries_are_counted_in_the_runs() -> None:
    study = told()
    search = study.cube[study.cube["repeat"] == 0].assign(phase="search")
    more = [search.assign(trial=search["trial"] + f"-{n}", run_id=search["run_id"] + f"-{n}") for n in range(3)]
    cube = pd.concat([study.cube, *more[:2], more[2][more[2]["activation"] == "dsrelu"]], ignore_index=True)
    equal = dataclasses.replace(study.plan, search_trials=dict.fromkeys(study.plan.activations, 3))
    cube = simulated.choose(cube, {label: f"{label}-0-0" for label in equal.activations}, on="validation/loss")
    found = {one.activation: one for one in claims.concluded(cube, [equal])[0]}
    assert "relu 2, dsrelu 3, tanh 2" in found["dsrelu"].note
    assert found["tanh"].doubts == ()


def test_sorted_imported_rows_take_the_word_and_sorted_runs_warn() -> None:
    study = told()
    cube = study.cube.sort_values(["activation", "repeat", "heldout/auc"], kind="stable")
    cube["fold"] = cube.groupby(["activation", "repeat"]).cumcount()
    cube["split_hash"] = [f"{r}-{f}" for r, f in zip(cube["repeat"], cube["fold"], strict=True)]
    measured = integrity.checks(cube, study.plan).query("check == 'order'")
    assert set(measured["status"]) == {"warn"}
    assert set(measured["effect"]) == {"nothing"}
    found = concluded(study, cube.assign(status="imported", verifiable=False))
    for one in found.values():
        assert one.word is Word.DESCRIPTIVE
        assert one.withdrawn is not None
        assert any("look sorted" in doubt and "no folds" in doubt for doubt in one.doubts)


@pytest.mark.slow
def test_the_report_follows() -> None:
    study = told()
    cube = study.cube.assign(**{"validation/accuracy": study.cube["heldout/accuracy"]})
    found = gathering.gather(dataclasses.replace(study, cube=cube))
    assert {one.word for one in found.verdicts} == {Word.DESCRIPTIVE}
    frame = verdicts.table(found).frame
    assert set(frame["verdict"]) == {"descriptive only"}
    assert frame["note"].str.contains("one part served for both").all()
    assert datasets.section(found) is None
    said = " ".join(limits.section(found).blocks[0].items)  # type: ignore[union-attr]
    assert "one part served for both" in said
    assert "no check found" not in said
    clean = " ".join(limits.section(gathering.gather(study)).blocks[0].items)  # type: ignore[union-attr]
    assert "no check found that the held-out part served" in clean
    assert "No runs of a search" in clean
