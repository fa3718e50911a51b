"""Sentences of the sections on all pairs and on other choices, and of the header: true whatever the numbers are."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.report import findings as gathering
from analysis.report import tables
from analysis.report.blocks import Section
from analysis.report.build import markdown
from analysis.report.findings import Findings
from analysis.report.sections import datasets, declaration, verdicts
from analysis.report.sections import robustness as section
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics import claims, robustness
from analysis.statistics.verdict import Verdict, Word

pytestmark = pytest.mark.slow


def verdict(activation: str, word: Word) -> Verdict:
    return Verdict(dataset="d", activation=activation, control="relu", metric="accuracy", method="", word=word)


def with_rope(study: Study, rope: float) -> Study:
    declaration = dataclasses.replace(study.plan.declaration, rope=rope)
    return dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declaration))


def several(count: int) -> Findings:
    return gathering.gather(
        [
            simulated.study(seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "dsrelu", "tanh"), epochs=4)
            for s in range(count)
        ]
    )


def said(section: Section | None) -> str:
    """All that a section says, every table in full."""
    assert section is not None
    told = [f"{table.caption}\n\n{tables.to_markdown(table)}" for table in section.tables()]
    return "\n\n".join([markdown([section], title="", digest=""), *told, *section.methods])


def test_a_verdict_that_changes_under_two_choices_counts_once() -> None:
    declared = [verdict("a", Word.BETTER), verdict("b", Word.UNDECIDED)]
    changed = [verdict("a", Word.UNDECIDED), verdict("b", Word.UNDECIDED)]
    text = section.sentence(declared, {"checkpoint: last": changed, "metric: loss": changed})
    assert text.startswith("1 of 2 verdicts changes under another")
    loud = section.sentence(declared, {section.PLAIN: changed})
    assert loud.startswith("0 of 2 verdicts change")
    assert loud.endswith("is wrong here, 1 would.")


def test_where_nothing_was_claimed_nothing_is_said_to_stand() -> None:
    declared = [verdict("a", Word.DESCRIPTIVE), verdict("b", Word.CANNOT_TELL)]
    text = section.sentence(declared, {"metric: loss": declared})
    assert "Nothing was claimed" in text
    assert "verdicts change" not in text
    rise = [verdict("a", Word.DESCRIPTIVE), verdict("b", Word.BETTER)]
    assert "1 of 2" in section.sentence(declared, {"metric: loss": rise})


def test_the_plain_t_differs_in_its_variance_alone() -> None:
    """A small difference that both find, inside practical equivalence: neither calls it better."""
    study = with_rope(
        simulated.study(seed=2, activations=("relu", "dsrelu"), effects={"dsrelu": 0.01}, repeats=6, noise_sd=0.002),
        0.03,
    )
    (main,), (naive,) = claims.compare(study.cube, study.plan), robustness.plain(study.cube, study.plan)
    assert main.word is naive.word is Word.EQUIVALENT
    assert naive.p is not None
    assert naive.p < 1e-6
    found = gathering.gather(study)
    assert [one.word for one in section.alternatives(found)[section.PLAIN]] == [Word.EQUIVALENT]


def test_nothing_is_said_across_data_sets_of_one() -> None:
    assert datasets.section(several(1)) is None
    several_sets = datasets.section(several(2))
    assert several_sets is not None
    assert "the planned conclusions are the verdicts" in said(several_sets)


def test_few_data_sets_get_no_test_across_them() -> None:
    text = said(datasets.section(several(3)))
    assert "Friedman" not in text
    assert "nothing is concluded across data sets" in text
    assert "of signs and ranks, so there is no interval" in text
    assert "Too few data sets for an interval" not in text


def test_the_profile_says_how_many_runs_lie_outside_its_scale() -> None:
    studies = [
        simulated.study(
            seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "dsrelu"), epochs=4, diverged=[("dsrelu", 0, 1)]
        )
        for s in (3, 4)
    ]
    section = datasets.section(gathering.gather(studies))
    assert section is not None
    figure = next(plot for plot in section.plots() if plot.name == "figure-6-profile")
    assert "Outside the drawn range: 2 of 20 runs." in figure.caption


def test_interim_analyses_are_not_said_to_be_tracked_and_an_incomplete_study_is_interim() -> None:
    whole = simulated.study(seed=5, activations=("relu", "dsrelu"), epochs=4)
    text = said(declaration.section(gathering.gather(whole)))
    assert "0.05, two-sided; interim analyses are not tracked" in text
    assert "interim:" not in text
    part = simulated.study(seed=5, activations=("relu", "dsrelu"), epochs=4, missing=[("relu", 0, 2)])
    text = said(declaration.section(gathering.gather(part, allow_incomplete=True)))
    assert "interim analyses are not tracked; interim: 9 of 10 folds" in text


def test_counts_are_words_of_one_or_of_several() -> None:
    for labels, said_of in ((("relu", "elu"), "1 comparison"), (("relu", "elu", "tanh"), "2 comparisons")):
        found = gathering.gather(simulated.study(seed=5, activations=labels, epochs=4))
        text = said(verdicts.section(found)) + said(declaration.section(found))
        assert f"after Holm over {said_of};" in text
        assert f"**Family**: {said_of}, Holm" in text


def test_the_level_of_mixed_studies_is_said() -> None:
    a, b = (
        simulated.study(seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "elu"), epochs=4) for s in (1, 2)
    )
    b = dataclasses.replace(b, plan=claims.at_level(b.plan, 0.01))
    assert "0.01, two-sided, the strictest of the studies' (0.01, 0.05)" in said(
        declaration.section(gathering.gather([a, b]))
    )


def test_a_metric_without_a_default_equivalence_says_so() -> None:
    study = simulated.study(seed=5, activations=("relu", "dsrelu", "tanh"), epochs=4)
    declared = dataclasses.replace(study.plan.declaration, metric="loss")
    loss = dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared))
    text = said(declaration.section(gathering.gather(loss)))
    assert "**Practical equivalence**: ± 0.02303 loss, by default (none was declared): 1 % of what knowing" in text
    assert "nan" not in text
    unknown = dataclasses.replace(loss, cube=loss.cube.drop(columns="reference/loss"))
    text = said(declaration.section(gathering.gather(unknown)))
    assert "**Practical equivalence**: none: none was declared, and neither seeds, items nor knowing nothing" in text
    assert "by default (none was declared): one held-out item" in said(declaration.section(gathering.gather(study)))


@pytest.mark.parametrize("status", ["finished", "imported"])
def test_imported_rows_rest_on_no_phase(status: str) -> None:
    study = simulated.study(seed=5, activations=("relu", "dsrelu"), epochs=4)
    cube = study.cube.assign(status=status, verifiable=status == "finished")
    text = said(declaration.section(gathering.gather(dataclasses.replace(study, cube=cube))))
    assert ("nothing: imported rows" in text) is (status == "imported")
    assert ("the confirm phase: 1 x 5 folds" in text) is (status == "finished")


def test_a_word_on_a_new_data_set_is_for_all_the_activations_that_are_asked_about() -> None:
    found = gathering.gather(
        [
            simulated.study(
                seed=s,
                name=f"n{s}",
                dataset=f"d{s}",
                activations=("relu", "dsrelu", "tanh"),
                effects={"dsrelu": 0.02, "tanh": 0.006},
                epochs=2,
            )
            for s in range(6)
        ]
    )
    table = datasets.hierarchy(found)
    assert "97.5 %" in table.caption
    assert "over 2 activations" in table.caption
    for row in table.frame.to_dict(orient="records"):
        assert (row["verdict"] == "better") is (row["better"] >= 0.975)
    assert "better" in set(table.frame["verdict"])
