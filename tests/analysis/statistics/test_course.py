"""The course of a study that repeats until its comparisons are decided."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from analysis.errors import DeclarationError
from analysis.runs.load import Study
from analysis.runs.plan import Family
from analysis.runs.simulated import study
from analysis.statistics import claims, course, integrity, retrospect, sequential
from analysis.statistics.course import Course
from analysis.statistics.sequential import Looks
from analysis.statistics.verdict import Word

FOUR = ("relu", "tanh", "gelu", "elu")
EFFECTS = {"tanh": 0.03, "gelu": -0.03, "elu": 0.0}


def repeated(
    *, repeats: int = 6, rope: float | None = 0.002, family: Family = "control", seed: int = 3, **model: object
) -> Study:
    """A simulated study with all of its repeats."""
    found = study(
        seed=seed,
        activations=FOUR,
        repeats=repeats,
        epochs=2,
        **{"effects": EFFECTS, "noise_sd": 0.006, **model},  # type: ignore[arg-type]
    )
    declared = dataclasses.replace(found.plan.declaration, rope=rope, family=family)
    return dataclasses.replace(found, plan=dataclasses.replace(found.plan, declaration=declared))


@pytest.fixture(scope="module")
def decided() -> Study:
    return retrospect.until_decided(repeated())


def followed(found: Study) -> Course:
    return claims.followed(claims.claimed(found.cube, found.plan), found.plan)


def test_each_comparison_ends_at_its_boundary_and_keeps_its_word(decided: Study) -> None:
    found = followed(decided)
    ends = {pair[0]: (standing.verdict.word, standing.repeats) for pair, standing in found.standings.items()}
    assert ends["tanh"] == (Word.BETTER, 2)
    assert ends["gelu"] == (Word.WORSE, 2)
    assert ends["elu"][1] == 6
    assert found.open == (("elu", "relu"),)
    assert [look.repeats for look in found.looks] == [2, 3, 4, 5, 6]
    assert [pair[0] for pair in found.looks[0].looked] == ["tanh", "gelu", "elu"]
    assert [pair[0] for pair in found.looks[1].looked] == ["elu"]


def test_later_repeats_of_a_decided_comparison_change_nothing_of_it(decided: Study) -> None:
    whole = dataclasses.replace(repeated(), plan=decided.plan)
    for pair, standing in followed(whole).standings.items():
        assert standing.verdict == followed(decided).standings[pair].verdict


def test_a_verdict_is_of_its_look_alone(decided: Study) -> None:
    found = {one.activation: one for one in claims.compare(decided.cube, decided.plan)}
    assert [found[label].n for label in ("tanh", "gelu", "elu")] == [10, 10, 30]
    rows = course.until(claims.claimed(decided.cube, decided.plan), decided.plan, 2)
    fixed = dataclasses.replace(decided.plan, until_decided=None, repeats=(0, 1))
    alone = {one.activation: one for one in claims.compare(rows, fixed)}
    assert found["tanh"].estimate == alone["tanh"].estimate
    assert found["tanh"].extras["p_of_look"] == alone["tanh"].p
    assert found["tanh"].p is not None
    assert alone["tanh"].p is not None
    assert found["tanh"].p > alone["tanh"].p
    assert found["tanh"].interval is not None
    assert alone["tanh"].interval is not None
    assert found["tanh"].interval.low < alone["tanh"].interval.low
    assert found["tanh"].probabilities == alone["tanh"].probabilities


def test_p_and_word_agree(decided: Study) -> None:
    for found in claims.compare(decided.cube, decided.plan):
        told = found.p_adjusted is not None and found.p_adjusted <= 0.05
        assert (found.word in (Word.BETTER, Word.WORSE)) <= told


def test_fewer_open_comparisons_have_wider_limits(decided: Study) -> None:
    """Holm's steps at one look: the second of two p-values is held against the limit of one fewer."""
    rule = course.ruled(decided.plan)
    tanh, gelu, elu = claims.compare(decided.cube, decided.plan)
    limit = rule.limit("difference", 0, 3)
    nominal = [limit * 0.5, (limit + rule.limit("difference", 0, 2)) / 2, 0.9]
    found = [dataclasses.replace(one, p=p) for one, p in zip((tanh, gelu, elu), nominal, strict=True)]
    first, second, _third = course.at_look(found, [], rule, 0)
    assert first.p_adjusted is not None
    assert first.p_adjusted <= 0.05
    assert second.p_adjusted is not None
    assert second.p_adjusted <= 0.05
    assert rule.p("difference", 0, 3, nominal[1]) > 0.05
    alone = course.at_look(found[1:2], [], rule, 0)[0]
    assert alone.p_adjusted is not None
    assert alone.p_adjusted > 0.05
    after = course.at_look(found[1:2], [first.__class__(**{**vars(first), "word": Word.BETTER})], rule, 0)[0]
    assert after.p_adjusted is not None
    assert after.p_adjusted <= 0.05


def test_what_is_told_equivalent_frees_no_limit_for_differences(decided: Study) -> None:
    rule = course.ruled(decided.plan)
    tanh, *_ = claims.compare(decided.cube, decided.plan)
    open_ = dataclasses.replace(tanh, p=rule.limit("difference", 0, 2))
    same = dataclasses.replace(tanh, word=Word.EQUIVALENT)
    (found,) = course.at_look([open_], [same], rule, 0)
    assert found.p_adjusted is not None
    assert found.p_adjusted > 0.05


def test_a_look_is_due_when_every_fold_has_an_end(decided: Study) -> None:
    cube = decided.cube.copy()
    running = (cube["activation"] == "tanh") & (cube["repeat"] == 1) & (cube["fold"] == 4)
    cube.loc[running, "status"] = "missing"
    found = claims.followed(claims.claimed(cube, decided.plan), decided.plan)
    standing = found.standings["tanh", "relu"]
    assert (standing.look, standing.verdict.p) == (None, None)
    assert standing.verdict.word not in course.DECIDED
    assert course.NOT_DUE in standing.verdict.note
    cube.loc[running, "status"] = "infra_failed"
    again = claims.followed(claims.claimed(cube, decided.plan), decided.plan)
    assert again.standings["tanh", "relu"].verdict.n == 9


def test_other_choices_are_compared_at_the_same_looks(decided: Study) -> None:
    loss = claims.compare(decided.cube, decided.plan, column="heldout/loss")
    complete = claims.compare(decided.cube, decided.plan, handling="complete")
    for other in (loss, complete):
        assert [one.n for one in other] == [10, 10, 30]
        assert all(one.extras["repeats"] in (2, 6) for one in other)
    assert [one.p for one in complete] == [one.p for one in claims.compare(decided.cube, decided.plan)]


def test_two_studies_are_one_family_by_holm_over_p_values_that_hold_over_their_looks(decided: Study) -> None:
    other = retrospect.until_decided(repeated(seed=5, name="other", dataset="wine"))
    cube = pd.concat([decided.cube, other.cube], ignore_index=True)
    found = claims.compare_studies(cube, [decided.plan, other.plan])
    assert {one.extras["family"] for one in found} == {6}
    least = min(found, key=lambda one: one.p or 1.0)
    assert least.p_adjusted == pytest.approx(min(1.0, 6 * (least.p or 1.0)))


def test_all_pairs_are_followed_too() -> None:
    found = retrospect.until_decided(repeated(family="all_pairs", repeats=4))
    assert len(followed(found).standings) == 6
    assert followed(found).standings["tanh", "gelu"].verdict.word is Word.BETTER


def checked(found: Study) -> list[tuple[str, str]]:
    _, checks = claims.concluded(found.cube, [found.plan])
    rows = checks[checks["check"] == "repeats by the rule"]
    return list(zip(rows["status"], rows["note"], strict=True))


def test_runs_that_follow_the_rule_pass_its_check(decided: Study) -> None:
    assert [status for status, _ in checked(decided)] == ["pass"]
    assert not integrity.checks(repeated().cube, repeated().plan)["check"].eq("repeats by the rule").any()


def test_repeats_beyond_the_stop_are_found(decided: Study) -> None:
    whole = dataclasses.replace(repeated(), plan=decided.plan)
    notes = [note for status, note in checked(whole) if status == "warn"]
    assert notes == [
        "tanh has 6 repeats, where its comparisons were decided after 2.",
        "gelu has 6 repeats, where its comparisons were decided after 2.",
    ]


def test_a_stop_before_the_boundary_is_found(decided: Study) -> None:
    short = dataclasses.replace(decided, cube=decided.cube[decided.cube["repeat"] < 4])
    assert checked(short) == [("warn", "elu: open after 4 of at most 6 repeats.")]


def test_first_must_be_among_the_repeats() -> None:
    with pytest.raises(DeclarationError, match="first 7: accepts 1 to 6"):
        retrospect.until_decided(repeated(), first=7)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "bench_until_decided.py"
    spec = importlib.util.spec_from_file_location("bench_until_decided", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("effects", [{}, {"tanh": 0.012, "gelu": -0.008, "elu": 0.004}])
def test_the_measured_words_are_the_products(bench: ModuleType, effects: dict[str, float]) -> None:
    """The measurement follows the rule by code of its own, so that thousands of studies take seconds."""
    looks, rope = Looks(5, 0.25, 2, 5), 0.01
    rule = sequential.boundaries(looks, labels=4, family="control", alpha=0.05)
    words = {0: "open", 1: Word.BETTER, 2: Word.WORSE, 3: Word.EQUIVALENT}
    for seed in range(4):
        found = repeated(seed=seed, repeats=5, rope=rope, effects=effects, noise_sd=0.004 + 0.002 * seed)
        found = dataclasses.replace(found, plan=dataclasses.replace(found.plan, until_decided=rule))
        mine = followed(found)
        d = differences(found)
        mean, variance, n = sequential.moments(d, looks)
        theirs, ends = bench.followed(bench.Moments(mean, variance, n, 0.25), rule, rope)
        for at, standing in enumerate(mine.standings.values()):
            word = standing.verdict.word if standing.decided else "open"
            assert (word, standing.look) == (words[int(theirs[0, at])], int(ends[0, at]))


def differences(found: Study) -> np.ndarray:
    wide = found.cube.pivot_table(index="activation", columns=["repeat", "fold"], values="heldout/accuracy")
    values = wide.loc[list(FOUR)].to_numpy()
    return (values[1:] - values[:1]).reshape(1, 3, 5, 5)


def test_the_fixed_rule_is_untouched(decided: Study) -> None:
    """A plan without boundaries has the verdicts that it always had, on all repeats."""
    fixed = dataclasses.replace(decided.plan, until_decided=None)
    assert [one.n for one in claims.compare(repeated().cube, fixed)] == [30, 30, 30]


Sorted = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize("shuffled", [lambda cube: cube.iloc[::-1], lambda cube: cube.sample(frac=1, random_state=1)])
def test_the_order_of_rows_changes_no_word(decided: Study, shuffled: Sorted) -> None:
    one = claims.followed(claims.claimed(shuffled(decided.cube), decided.plan), decided.plan)
    assert [look.words for look in one.looks] == [look.words for look in followed(decided).looks]
