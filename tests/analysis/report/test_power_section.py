"""The planner's section and the limits: which comparisons it plans, by which rule, and what it says where it cannot."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from analysis.report import build
from analysis.report import findings as gathering
from analysis.report.blocks import Screen
from analysis.report.findings import Findings
from analysis.report.sections import answer, limits, power
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics.verdict import Word

pytestmark = pytest.mark.slow

LABELS = ("relu", "dsrelu", "tanh")


def gathered(*, effects: dict[str, float] | None = None, noise_sd: float = 0.004, **declared: Any) -> Findings:
    study = simulated.study(seed=4, activations=LABELS, epochs=4, effects=effects or {}, noise_sd=noise_sd)
    declaration = dataclasses.replace(study.plan.declaration, **declared)
    return gathering.gather(dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declaration)))


def said(found: Findings) -> str:
    sections = [section for section in (power.section(found), limits.section(found)) if section is not None]
    return build.markdown(sections, title="", digest="")


def rows(found: Findings) -> Any:
    section = power.section(found)
    assert section is not None
    (table,) = section.tables()
    return table.frame


def test_under_all_pairs_each_comparison_is_planned_with_its_own_two() -> None:
    found = gathered(effects={"dsrelu": 0.002}, family="all_pairs")
    frame = rows(found)
    observed = frame[frame["sd_at"] == "observed"].set_index(["activation", "control"])
    values = found.scores("digits").values
    assert ("dsrelu", "tanh") in observed.index
    for (a, b), row in observed.iterrows():
        assert row["sd"] == pytest.approx((values[a] - values[b]).std(ddof=1))
        assert row["size"] == pytest.approx(abs((values[a] - values[b]).mean()))


def test_a_declared_equivalence_is_planned_beyond() -> None:
    found = gathered(effects={"dsrelu": 0.004, "tanh": -0.004}, noise_sd=0.008, rope=0.004)
    frame = rows(found)
    assert set(frame["effect"]) == {"as observed", "twice the declared equivalence"}
    assert set(frame.loc[frame["effect"] != "as observed", "size"]) == {0.008}
    assert (frame["detectable"] > 0.004).all()


def test_what_no_number_of_repeats_can_do_is_said() -> None:
    found = gathered(effects={"dsrelu": 0.0005})
    text = said(found)
    frame = rows(found)
    observed = frame[frame["sd_at"] == "observed"]
    never = int(observed["trainings"].isna().sum())
    assert f"Of {len(observed)} open comparison" in text
    assert f"{never} cannot be decided for sure with 80 % power by any number of repeats" in text
    assert "seed" not in build.markdown([power.section(found)], title="", digest="").lower()  # type: ignore[list-item]
    # Three activations make three pairs, as in the matrix; the family against the control is of two.
    assert set(frame["datasets_needed"]) == {7}


def test_where_everything_was_decided_the_section_is_not_there() -> None:
    decided = gathered(effects={"dsrelu": 0.2, "tanh": -0.2}, noise_sd=0.002)
    assert {found.word for found in decided.verdicts} == {Word.BETTER, Word.WORSE}
    assert power.section(decided) is None
    study = decided.studies[0]
    imported = study.cube.assign(status="imported", verifiable=False)
    text = said(gathering.gather(dataclasses.replace(study, cube=imported)))
    assert "No next step can be planned for 2 comparisons left as descriptive only: digits, dsrelu against relu" in text
    assert "settings of the study file" not in text
    assert "How the settings were chosen" in text
    assert "1 seed a split" not in text


def test_one_paired_split_is_not_planned_and_is_named() -> None:
    study: Study = simulated.study(seed=4, activations=("relu", "dsrelu"), epochs=4)
    cube = study.cube.copy()
    cube.loc[(cube["activation"] == "dsrelu") & (cube["fold"] > 0), "status"] = "infra_failed"
    text = said(gathering.gather(dataclasses.replace(study, cube=cube), allow_incomplete=True))
    assert f"left as {Word.CANNOT_TELL}: digits, dsrelu against relu." in text
    assert np.isin("undecided", text.split()).sum() == 0


def test_the_cheapest_next_step_of_each_open_comparison_is_said() -> None:
    found = gathered(effects={"dsrelu": 0.006, "tanh": 0.001}, noise_sd=0.004, rope=0.01)
    section = power.section(found)
    assert section is not None
    (screen,) = answer.section(found).blocks
    assert isinstance(screen, Screen)
    text = json.dumps(screen.record["next"])
    seconds = {"digits": power.seconds(found, "digits")}
    steps = [power.next_step(found, one, seconds) for one in found.verdicts if one.word is Word.UNDECIDED]
    assert steps
    assert {step.aim for step in steps} == {"difference", "equivalence"}
    for step in steps:
        assert step.sentence in text
    assert section.methods
    (table,) = section.tables()
    assert table.caption.count(". ") <= 1
