"""What a report says of a study that repeats until its comparisons are decided."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import build
from analysis.report.findings import Findings, gather
from analysis.report.sections import cost, curves, declaration, limits, repeats, results, robustness, verdicts
from analysis.runs.load import Study
from analysis.runs.simulated import study
from analysis.statistics import course, retrospect
from analysis.statistics.verdict import Word

FOUR = ("relu", "tanh", "gelu", "elu")


def repeated(repeats: int = 5, **model: object) -> Study:
    given = {"effects": {"tanh": 0.03, "gelu": -0.03, "elu": 0.0}, "seed": 3, "noise_sd": 0.006} | model
    found = study(activations=FOUR, repeats=repeats, epochs=2, **given)  # type: ignore[arg-type]
    declared = dataclasses.replace(found.plan.declaration, rope=0.002)
    return dataclasses.replace(found, plan=dataclasses.replace(found.plan, declaration=declared))


@pytest.fixture(scope="module")
def decided() -> Findings:
    return gather(retrospect.until_decided(repeated()))


@pytest.fixture(scope="module")
def written(decided: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.write_findings(decided, tmp_path_factory.mktemp("report")).parent


def text(findings: Findings) -> str:
    found = repeats.section(findings)
    assert found is not None
    return "\n".join(block.text for block in found.blocks if hasattr(block, "text"))


def test_it_says_how_many_looks_there_were_and_when_each_comparison_ended(decided: Findings) -> None:
    assert text(decided) == (
        "4 looks of at most 4 were taken, after 2 to 5 repeats; 70 of at most 100 trainings were made.\n"
        "Decided after 2 repeats: tanh (better) and gelu (worse).\n"
        "Undecided after all 5 repeats: elu."
    )


def test_a_study_that_is_decided_at_once_says_so() -> None:
    found = gather(retrospect.until_decided(repeated(effects={"tanh": 0.03, "gelu": -0.03, "elu": 0.03})))
    assert "1 look of at most 4 was taken, after 2 repeats; 40 of at most 100 trainings were made." in text(found)
    assert "Undecided" not in text(found)


def test_a_study_with_fixed_repeats_has_no_such_section() -> None:
    assert repeats.section(gather(repeated(repeats=2))) is None


def test_an_interim_report_says_after_how_many_repeats_it_is_open() -> None:
    whole = retrospect.until_decided(repeated())
    interim = dataclasses.replace(whole, cube=whole.cube[whole.cube["repeat"] < 3])
    assert "Undecided after 3 of at most 5 repeats: elu." in text(gather(interim))


def test_numbers_json_has_the_looks_and_the_boundaries(decided: Findings, written: Path) -> None:
    (found,) = json.loads((written / "numbers.json").read_text())["until_decided"]
    assert [look["repeats"] for look in found["looks"]] == [2, 3, 4, 5]
    assert found["looks"][0]["decided"] == {"tanh against relu": "better", "gelu against relu": "worse"}
    assert found["open"] == ["elu against relu"]
    rule = course.ruled(decided.plan)
    assert found["boundaries"]["difference_3_open"][0] == rule.limit("difference", 0, 3)
    assert len(found["boundaries"]["equivalence_1_open"]) == 4


def test_the_words_of_the_answer_are_those_of_the_looks(decided: Findings, written: Path) -> None:
    answer = json.loads((written / "numbers.json").read_text())["answer"]
    mine = {one["activation"]: one["word"] for one in answer["comparisons"]}
    followed = decided.followed(decided.datasets[0])
    assert followed is not None
    assert mine == {pair[0]: str(standing.verdict.word) for pair, standing in followed.standings.items()}
    assert (mine["tanh"], mine["gelu"]) == (Word.BETTER, Word.WORSE)


def test_nothing_that_was_never_planned_is_missing(decided: Findings, written: Path) -> None:
    assert not (decided.cube["status"] == "missing").any()
    assert all("without a pair" not in found.note for found in decided.verdicts)
    assert "Interim:" not in (written / "report.md").read_text()


def test_nowhere_is_it_said_that_holm_alone_was_applied_to_the_verdicts(written: Path) -> None:
    page = (written / "report.md").read_text()
    verdicts_part = page.split("## Verdicts")[1].split("## Integrity")[0]
    assert "Holm" not in verdicts_part
    assert "over all looks and 3 comparisons" in verdicts_part
    assert "interim analyses are not tracked" not in page


def test_pairs_behind_a_verdict_are_its_own(decided: Findings) -> None:
    for found in decided.verdicts:
        pairs = decided.pair_of(found)
        assert (pairs.n, pairs.missing) == (found.n, 0)
        assert pairs.d.mean() == pytest.approx(found.estimate)


def test_means_over_all_are_of_the_splits_that_all_have(decided: Findings) -> None:
    frame = results.means(decided).frame
    assert set(frame["n"]) == {10}
    assert set(frame["note"]) == {"Over the 10 of 25 splits that all have."}


def test_the_limits_say_what_the_other_numbers_do_not_account_for(decided: Findings) -> None:
    assert limits.LOOKED in limits.section(decided).blocks[0].items  # type: ignore[union-attr]
    assert limits.LOOKED not in limits.section(gather(repeated(repeats=2))).blocks[0].items  # type: ignore[union-attr]


def test_the_declaration_says_until_when_it_was_repeated(decided: Findings) -> None:
    facts = dict(declaration.section(decided).blocks[0].facts)  # type: ignore[union-attr]
    assert facts["Claims rest on"] == "the confirm phase: 2 to at most 5 x 5 folds, until each comparison is decided"
    assert facts["Alpha"] == "0.05, two-sided; over all looks, by the limits of the plan"
    assert facts["Family"].startswith("3 comparisons, step by step")


def test_every_table_and_figure_copes_with_unequal_repeats(decided: Findings) -> None:
    for make in (verdicts.section, curves.section, curves.generalisation, cost.section, robustness.section):
        assert make(decided) is not None


def test_an_interval_of_the_verdict_table_holds_over_the_looks(decided: Findings) -> None:
    """By its limit at the look, and so wider than the interval of a fixed number of repeats."""
    for found in decided.verdicts:
        assert found.interval is not None
        half = (found.interval.high - found.interval.low) / 2
        fixed = float(found.extras["se"]) * 2.0
        assert half > fixed


def test_the_methods_name_looks_and_cite_them(written: Path) -> None:
    methods = (written / "methods.tex").read_text()
    assert "2 to 5 repeats (until each comparison was decided)" in methods
    assert "family-wise error holds over all looks and 3 comparisons" in methods
    keys = set(re.findall(r"^@\w+\{(\w+),", (written / "references.bib").read_text(), re.MULTILINE))
    assert {"jennison1989interim", "tang1999closed"} <= keys
    assert "holm1979simple" not in keys


@pytest.mark.slow
def test_two_studies_are_reported_together(decided: Findings, tmp_path: Path) -> None:
    other = retrospect.until_decided(repeated(seed=8, name="other", dataset="wine"))
    both = gather([*decided.studies, other])
    assert both.family == 6
    assert both.corrected == "over all looks, then by Holm over 6 comparisons"
    page = build.write_findings(both, tmp_path).with_suffix(".md").read_text()
    assert page.count("were taken, after") + page.count("was taken, after") == 2


def test_the_check_of_the_rule_is_in_the_page(decided: Findings) -> None:
    whole = dataclasses.replace(repeated(), plan=decided.plan)
    found = gather(whole)
    assert isinstance(found.checks, pd.DataFrame)
    notes = found.checks[found.checks["check"] == "repeats by the rule"]["note"]
    assert any("where its comparisons were decided after 2" in note for note in notes)
    doubted = {one.activation for one in found.verdicts if any("decided after 2" in doubt for doubt in one.doubts)}
    assert {"tanh", "gelu"} <= doubted
