"""One rule for a word, wherever it is found; equivalence for a family; what a design could have told."""

from __future__ import annotations

import dataclasses
import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import DeclarationError
from analysis.runs import plan as planning
from analysis.runs import simulated
from analysis.runs.metric import Metric
from analysis.statistics import bayes, claims, design, frequentist, hierarchical, multiplicity, rule
from analysis.statistics.scores import Pairs, of_arrays
from analysis.statistics.verdict import Verdict, Word

BENCH = Path(__file__).parents[2] / "bench" / "bench_equivalence.py"
SHARE = Metric(name="share", better="higher", low=0, high=1, share_of_items=True)


def pairs_of(d: Any, control: float = 0.8, *, ratio: float = 0.25, metric: Metric = SHARE) -> Pairs:
    values = np.asarray(d, dtype=float)
    return of_arrays(control + metric.sign * values, np.full_like(values, control), ratio=ratio, metric=metric)


def decided(pairs: Pairs, *, rope: float | None = None, m: int = 1, alpha: float = 0.05) -> Verdict:
    (found,) = claims.decide_all([claims.combined(pairs, rope=rope, alpha=alpha)], m=m, alpha=alpha)
    return found


def spread(mean: float, sd: float, n: int) -> np.ndarray:
    """n values of exactly this mean and standard deviation."""
    raw = np.random.default_rng(n).normal(size=n)
    return mean + sd * (raw - raw.mean()) / raw.std(ddof=1)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(mean=st.floats(-3, 3), n=st.integers(3, 30), width=st.floats(0, 4))
def test_the_test_alone_the_posterior_alone_and_a_family_of_one_agree(mean: float, n: int, width: float) -> None:
    pairs = pairs_of(spread(mean, 1, n), metric=Metric(name="free", better="higher"))
    alone = frequentist.corrected_t(pairs, rope=width).word
    assert bayes.correlated_t(pairs, rope=width).word is alone
    found = decided(pairs, rope=width).word
    assert (Word.UNDECIDED if found is Word.CANNOT_TELL else found) is alone


def test_a_difference_within_the_zone_is_not_better_by_any_way() -> None:
    """p alone says apart, and the zone says it may be too small to matter."""
    pairs = pairs_of(spread(0.01, 0.004, 25))
    assert frequentist.corrected_t(pairs).word is Word.BETTER
    assert frequentist.corrected_t(pairs, rope=0.01).word is Word.UNDECIDED
    found = decided(pairs, rope=0.01)
    assert (found.word, found.note) == (Word.UNDECIDED, claims.SMALL)


def test_equivalence_needs_the_posterior_inside_and_not_one_end_alone() -> None:
    """Between the two: each of the one-sided tests passes, their tails together are more than alpha."""
    pairs = pairs_of(spread(0, 1, 25), metric=Metric(name="free", better="higher"))
    se = frequentist.standard_error(pairs.d, pairs.ratio)
    between = 1.85 * se
    alone = frequentist.corrected_t(pairs, rope=between)
    assert float(alone.extras["p_equivalence"]) < 0.05
    assert alone.word is Word.UNDECIDED
    assert decided(pairs, rope=between).word is not Word.EQUIVALENT
    assert frequentist.corrected_t(pairs, rope=2.2 * se).word is Word.EQUIVALENT


@pytest.mark.parametrize("rope", [-0.01, math.inf, math.nan])
def test_a_zone_of_no_width_that_there_can_be_is_refused_wherever_it_enters(rope: float) -> None:
    pairs = pairs_of([0.01, 0.02, 0.0])
    plan = simulated.study(seed=1, epochs=1).plan
    ways: list[Callable[[], object]] = [
        lambda: frequentist.corrected_t(pairs, rope=rope),
        lambda: bayes.correlated_t(pairs, rope=rope),
        lambda: bayes.by_width(pairs, [0.0, rope]),
        lambda: claims.combined(pairs, rope=rope, alpha=0.05),
        lambda: hierarchical.across([pairs] * 7, rope=rope, points=5),
        lambda: dataclasses.replace(plan.declaration, rope=rope),
        lambda: planning.from_json(
            planning.to_json(plan).replace('"rope": null', f'"rope": {str(rope).replace("inf", "Infinity")}')
            if not math.isnan(rope)
            else planning.to_json(plan).replace('"rope": null', '"rope": NaN')
        ),
    ]
    for way in ways:
        with pytest.raises(DeclarationError, match=r"rope .*accepts 0 or a finite number above it"):
            way()


def test_equivalence_is_adjusted_over_the_family() -> None:
    """Three comparisons whose p of equivalence is 0.02, 0.03 and 0.2: alone two would pass, in the family none."""
    pairs = [pairs_of(spread(mean, 1, 25), metric=Metric(name="free", better="higher")) for mean in (0.2, 0.1, 0.5)]
    every = [claims.combined(one, rope=1.4, alpha=0.05) for one in pairs]
    adjusted = multiplicity.adjust(every, 5)
    raw = [float(one.extras["p_equivalence"]) for one in every]
    assert [one.extras["p_equivalence_adjusted"] for one in adjusted] == pytest.approx(multiplicity.holm(raw, 5))
    alone, family = decided(pairs[0], rope=1.4), claims.decide_all(every, m=5, alpha=0.05)[0]
    assert alone.word is Word.EQUIVALENT
    assert family.word is not Word.EQUIVALENT
    assert claims.ALONE in family.note
    assert claims.decide_all([family], m=1, alpha=0.05)[0].word is Word.EQUIVALENT


@pytest.mark.slow
def test_false_words_of_a_family_at_the_edge_of_the_zone() -> None:
    """A small version of the simulation: without the correction one study in six of five comparisons has a false word;
    and its words are the product's."""
    bench = runpy.run_path(str(BENCH))
    before, after, _, any_after = bench["rates"](2, 1000, 5, 1, 5)
    assert before > 0.13
    assert after <= 0.06
    assert any_after <= 0.06
    mean, se = bench["noise"](np.random.default_rng(4), 40, 3, 1, 5)
    mean = mean + 1.5 * (np.arange(3) == 0)
    same, told = bench["words"](mean, se, 4, 3.0, corrected=True)
    free, sd = Metric(name="free", better="higher"), se / math.sqrt(1 / 5 + 1 / 4)
    for row in range(40):
        pairs = [pairs_of(spread(mean[row, a], sd[row, a], 5), metric=free) for a in range(3)]
        found = claims.decide_all([claims.combined(one, rope=3.0, alpha=0.05) for one in pairs], m=3, alpha=0.05)
        assert [one.word is Word.EQUIVALENT for one in found] == same[row].tolist()
        assert [one.word in (Word.BETTER, Word.WORSE) for one in found] == told[row].tolist()
    assert same.any()


def test_three_folds_cannot_tell_and_many_can() -> None:
    # Three folds, a spread of 0.02, five comparisons: 4 % power at +3 points.
    assert design.told(0.03, sd=0.02, n=3, ratio=0.5, rope=0.0, alpha=0.05, m=5) == pytest.approx(0.036, abs=1e-3)
    few = decided(pairs_of(spread(0.03, 0.02, 3), ratio=0.5), m=5)
    assert few.word is Word.CANNOT_TELL
    assert float(few.extras["power"]) < 0.1
    assert few.reason in few.note
    assert "A true difference of 0.02 (2 % of the metric's range) would be told with" in few.note
    assert few.interval is not None
    many = decided(pairs_of(spread(0.003, 0.02, 100), ratio=1 / 9), m=1)
    assert many.word is Word.UNDECIDED
    assert float(many.extras["power"]) > 0.5
    assert many.reason == ""


def test_a_decided_word_stays_whatever_the_power_was() -> None:
    found = decided(pairs_of(spread(0.3, 0.05, 4), ratio=1 / 3))
    assert found.word is Word.BETTER
    assert float(found.extras["power"]) < design.COIN


def test_in_a_larger_family_the_design_tells_less_and_the_reason_is_not_said_twice() -> None:
    pairs = pairs_of(spread(0.004, 0.012, 15))
    alone, family = decided(pairs), decided(pairs, m=19)
    assert (alone.word, family.word) == (Word.UNDECIDED, Word.CANNOT_TELL)
    assert float(family.extras["power"]) < float(alone.extras["power"])
    assert float(family.extras["detectable"]) > float(alone.extras["detectable"])
    assert claims.decide_all([family], m=1, alpha=0.05)[0] == alone
    assert claims.decide_all([alone], m=19, alpha=0.05)[0] == family


def test_power_and_what_is_detectable_are_those_of_the_word() -> None:
    """Simulated: studies with that true difference get the word as often as the power says."""
    n, ratio, sd, rope = 10, 1 / 9, 0.01, 0.005
    found = decided(pairs_of(spread(0.0, sd, n), ratio=ratio), rope=rope, m=3)
    size = float(found.extras["detectable"])
    rho = ratio / (1 + ratio)
    rng = np.random.default_rng(0)
    d = size + sd * (
        math.sqrt(rho) * rng.normal(size=(20_000, 1)) + math.sqrt(1 - rho) * rng.normal(size=(20_000, n))
    ) / math.sqrt(1 - rho)
    se = d.std(axis=1, ddof=1) * math.sqrt(1 / n + ratio)
    words = [
        rule.word(
            rule.regions(mean, scale, n - 1, rope), p=3 * rule.p_difference(mean, scale, n - 1), p_same=None, alpha=0.05
        )
        for mean, scale in zip(d.mean(axis=1)[:3000], se[:3000], strict=True)
    ]
    assert np.mean([word is Word.BETTER for word in words]) == pytest.approx(0.8, abs=0.03)
    assert design.told(size, sd=sd, n=n, ratio=ratio, rope=rope, alpha=0.05, m=3) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "control", "rope", "size", "what"),
    [
        (SHARE, 0.8, None, 0.02, "2 % of the metric's range"),
        (SHARE, 0.8, 0.01, 0.02, "twice the declared"),
        (SHARE, 0.995, None, 0.0025, "half of what the control misses"),
        (Metric(name="error", better="lower", low=0, high=1), 0.01, None, 0.005, "half of what the control misses"),
        (Metric(name="phi", better="higher", low=-1, high=1), 0.5, None, 0.04, "2 % of the metric's range"),
        (Metric(name="loss", better="lower", low=0), 0.5, None, 0.05, "a tenth of what the control misses"),
        (Metric(name="free", better="higher"), 7.0, None, 1.0, "one standard deviation"),
    ],
)
def test_the_difference_that_is_asked_for(
    metric: Metric, control: float, rope: float | None, size: float, what: str
) -> None:
    found = design.asked(pairs_of(spread(0.0, 1.0, 5), control, metric=metric), rope)
    assert found.size == pytest.approx(size)
    assert what in found.what


def test_where_only_knowing_nothing_is_known_a_tenth_of_the_way_from_it_is_asked() -> None:
    pairs = pairs_of(spread(0.0, 1.0, 5), 7.0, metric=Metric(name="free", better="higher"))
    found = design.asked(dataclasses.replace(pairs, reference=2.0), None)
    assert found.size == pytest.approx(0.5)
    assert "knowing nothing" in found.what


def test_a_difference_that_no_metric_has_room_for_is_not_named_as_what_is_needed() -> None:
    found = decided(pairs_of(spread(0.0, 0.3, 3), ratio=0.5), m=5)
    assert "80 % needs more than the metric has room for" in found.note
    assert float(found.extras["detectable"]) > 0.8
