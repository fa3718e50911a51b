"""Words under another choice are compared where both could have come out, and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.report import findings as gathering
from analysis.report.sections import robustness as section
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics import claims, robustness
from analysis.statistics.verdict import Verdict, Word

LABELS = ("relu", "dsrelu", "tanh")


def verdict(word: Word, **more: object) -> Verdict:
    extras = {"rope": 0.01, "rope_declared": True, "power": 0.9} | more
    extras = {name: value for name, value in extras.items() if value is not None}
    return Verdict(dataset="d", activation="a", control="b", metric="m", method="t", word=word, extras=extras)


def declared(study: Study, rope: float) -> Study:
    declaration = dataclasses.replace(study.plan.declaration, rope=rope)
    return dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declaration))


FREE: dict[str, object] = {"rope": float("nan"), "rope_declared": False}


@pytest.mark.parametrize(
    ("mine", "other", "why"),
    [
        (verdict(Word.EQUIVALENT), verdict(Word.UNDECIDED, **FREE), "no zone of equivalence there"),
        (verdict(Word.EQUIVALENT), verdict(Word.BETTER, **FREE), "no zone of equivalence there"),
        (verdict(Word.EQUIVALENT), verdict(Word.UNDECIDED, rope=0.001, rope_declared=False), "not the declared one"),
        (verdict(Word.UNDECIDED), verdict(Word.EQUIVALENT, rope=1.0, rope_declared=False), "not the declared one"),
        (verdict(Word.EQUIVALENT), verdict(Word.UNDECIDED), ""),
        (verdict(Word.EQUIVALENT, rope_declared=False), verdict(Word.UNDECIDED, rope=0.1, rope_declared=False), ""),
        (verdict(Word.BETTER), verdict(Word.UNDECIDED, **FREE), ""),
        (verdict(Word.BETTER), verdict(Word.CANNOT_TELL, power=None), "too few splits"),
        (verdict(Word.BETTER), verdict(Word.DESCRIPTIVE), "nothing can be claimed"),
        (verdict(Word.DESCRIPTIVE), verdict(Word.BETTER), "nothing can be claimed"),
    ],
)
def test_what_can_be_compared(mine: Verdict, other: Verdict, why: str) -> None:
    found = robustness.incomparable(mine, other)
    assert (why in found) if why else (found == "")
    assert robustness.changes(mine, other) is (not why)


def test_what_the_zone_alone_kept_from_being_better_is_not_held_against_a_metric_without_one() -> None:
    small = claims.reasoned(verdict(Word.UNDECIDED), Word.UNDECIDED, claims.SMALL)
    assert "no zone" in robustness.incomparable(small, verdict(Word.BETTER, **FREE))
    assert robustness.changes(verdict(Word.UNDECIDED), verdict(Word.BETTER, **FREE))


def test_two_words_for_open_are_no_change_and_a_turn_is_one() -> None:
    assert not robustness.changes(verdict(Word.UNDECIDED), verdict(Word.CANNOT_TELL))
    for nothing in (verdict(Word.CANNOT_TELL, power=None), verdict(Word.DESCRIPTIVE)):
        assert robustness.incomparable(verdict(Word.UNDECIDED), nothing) == ""
        assert not robustness.changes(verdict(Word.UNDECIDED), nothing)
    assert robustness.changes(verdict(Word.BETTER), verdict(Word.WORSE))
    assert robustness.changes(verdict(Word.CANNOT_TELL), verdict(Word.WORSE))


@pytest.mark.slow
def test_with_one_seed_no_equivalence_is_fragile_for_want_of_a_zone() -> None:
    found = gathering.gather(
        declared(simulated.study(seed=3, activations=LABELS, effects={}, repeats=10, noise_sd=0.002, epochs=4), 0.02)
    )
    assert {one.word for one in found.verdicts} == {Word.EQUIVALENT}
    others = section.alternatives(found)
    unzoned = [name for name in others if name.startswith("metric: ")]
    assert "metric: loss" in unzoned
    table = section.wide(found.verdicts, others)
    for name in unzoned:
        assert set(table.frame[name]) == {"not compared"}
    assert not {name for _, name in table.boxed} & set(unzoned)
    assert section.sentence(found.verdicts, others).startswith("0 of 2 verdicts change")
    left = section.uncompared(found.verdicts, others)
    assert "2 under metric: loss" in left
    assert "no zone of equivalence there" in left


@pytest.mark.slow
def test_what_is_named_was_tried_and_doubts_hold_for_every_choice() -> None:
    study = simulated.study(
        seed=3, activations=LABELS, effects={"dsrelu": 0.05, "tanh": -0.05}, repeats=5, noise_sd=0.003, epochs=4
    )
    found = gathering.gather(study)
    others = section.alternatives(found)
    text = section.sentence(found.verdicts, others)
    assert "another checkpoint rule or another metric" in text
    assert "diverged" not in text
    doubtful = study.cube.assign(**{"validation/accuracy": study.cube["heldout/accuracy"]})
    taken = gathering.gather(dataclasses.replace(study, cube=doubtful))
    for verdicts in section.alternatives(taken).values():
        assert {one.word for one in verdicts} <= {Word.DESCRIPTIVE, Word.CANNOT_TELL}
    assert section.section(gathering.gather(simulated.study(seed=1, activations=("relu",)))) is None
