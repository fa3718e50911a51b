"""What an n counts: splits, cases or seeds; and what of the runs' parts the correction for overlap is taken from."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.errors import DuplicateRuns
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.simulated_measures import Drawn, Shape, study
from analysis.statistics import claims, frequentist
from analysis.statistics.scores import Scores, pair, scores
from analysis.statistics.units import Unit
from analysis.statistics.verdict import Word

SCORE = Metric(name="area", better="higher", low=0.0, high=1.0)
DIGITS = tuple(str(digit) for digit in range(10))


def of(shape: Shape, **more: object) -> Study:
    drawn = Drawn(metric=SCORE, middle=0.8, unit_sd=0.04, noise_sd=0.01, effects={"elu": 0.03}, reference=0.5)
    return study(seed=1, drawn=[drawn], activations=("relu", "elu"), shape=shape, **more)  # type: ignore[arg-type]


def table(found: Study) -> Scores:
    return scores(found.cube, dataset="measures", metric=SCORE)


def test_seeds_are_averaged_within_a_case_and_the_test_is_over_the_cases() -> None:
    found = of(Shape(scheme="cases", cases=DIGITS, repeats=3, n_train=6000, n_heldout=10_000))
    cube = found.cube
    pairs = pair(table(found), "elu", "relu")
    by_hand = (
        cube.pivot_table(index=["case", "repeat"], columns="activation", values="heldout/area").groupby("case").mean()
    )
    d = (by_hand["elu"] - by_hand["relu"]).to_numpy()
    assert (pairs.unit, pairs.n, pairs.planned, pairs.ratio, pairs.ratio_known) == (Unit.CASE, 10, 10, 0.0, True)
    np.testing.assert_allclose(np.sort(pairs.d), np.sort(d))
    oracle = stats.ttest_1samp(d, 0)
    found_t = frequentist.corrected_t(pairs)
    assert found_t.p == pytest.approx(oracle.pvalue)
    assert found_t.interval == pytest.approx(oracle.confidence_interval(0.95))


def test_cases_that_must_share_what_they_train_on_keep_the_correction() -> None:
    """Leaving one product out of five: each trains on four fifths of all items."""
    shape = Shape(scheme="cases", cases=DIGITS[:5], n_train=800, n_heldout=200)
    assert table(of(shape)).ratio == pytest.approx(0.25)
    apart = Shape(scheme="cases", cases=DIGITS[:5], n_train=200, n_heldout=800)
    assert table(of(apart)).ratio == 0.0


def test_where_every_run_has_one_split_seeds_are_the_unit() -> None:
    found = of(Shape(scheme="fixed", repeats=6, n_train=7, n_heldout=999))
    pairs = pair(table(found), "elu", "relu")
    assert (pairs.unit, pairs.n, pairs.planned, pairs.ratio) == (Unit.SEED, 6, 6, 0.0)
    (verdict,) = claims.compare(found.cube, found.plan)
    assert verdict.word is Word.BETTER
    assert verdict.n == 6


def test_a_held_out_part_with_another_validation_draw_each_time_is_counted_as_before() -> None:
    found = of(Shape(scheme="kfold", folds=1, repeats=6, n_train=600, n_validation=200, n_heldout=200))
    assert (table(found).unit, table(found).ratio, len(table(found).values)) == (Unit.SPLIT, 0.25, 6)


@pytest.mark.parametrize("scheme", ["published", "time", "block"])
def test_repeats_on_the_same_folds_are_seeds_and_no_further_splits(scheme: str) -> None:
    found = of(Shape(scheme=scheme, folds=4, repeats=3, n_train=720, n_validation=180, n_heldout=100))
    counted = table(found)
    assert (counted.unit, len(counted.values), counted.planned, counted.seeds) == (Unit.SPLIT, 4, 4, 3)
    assert counted.ratio == pytest.approx(1 / 9)
    assert counted.seed_sd > 0


def test_the_same_hash_in_every_repeat_makes_no_duplicates_and_no_splits() -> None:
    found = of(Shape(folds=4, repeats=3))
    cube = found.cube.assign(split_hash=[f"h{fold}" for fold in found.cube["fold"]], scheme="")
    counted = scores(cube, dataset="measures", metric=SCORE)
    assert (len(counted.values), counted.planned, counted.seeds) == (4, 4, 3)
    with pytest.raises(DuplicateRuns, match="again"):
        scores(pd.concat([cube, cube.head(1).assign(run_id="again")]), dataset="measures", metric=SCORE)


def test_what_one_activation_lacks_of_a_case_is_no_difference() -> None:
    found = of(Shape(scheme="cases", cases=("a", "b", "c"), repeats=3))
    cube = found.cube.copy()
    cube.loc[(cube["case"] == "a") & (cube["repeat"] == 2), "heldout/area"] = 0.99
    gone = (cube["activation"] == "elu") & (cube["case"] == "a") & (cube["repeat"] == 2)
    cube.loc[gone, ["status", "split_hash", "case", "run_id"]] = ["missing", "", "", ""]
    counted = scores(cube, dataset="measures", metric=SCORE)
    kept = cube[(cube["case"] == "a") & (cube["repeat"] < 2)].groupby("activation")["heldout/area"].mean()
    assert counted.values.loc["a"].to_dict() == pytest.approx(kept.to_dict())
    assert (counted.planned, len(counted.values)) == (3, 3)


def test_a_case_of_which_one_activation_has_nothing_is_missing() -> None:
    cube = of(Shape(scheme="cases", cases=("a", "b", "c", "d"), repeats=2)).cube
    gone = (cube["activation"] == "elu") & (cube["case"] == "d")
    cube.loc[gone, ["status", "split_hash", "case"]] = ["failed", "", ""]
    pairs = pair(scores(cube, dataset="measures", metric=SCORE), "elu", "relu")
    assert (pairs.n, pairs.planned, pairs.missing) == (3, 4, 1)
    assert frequentist.limits(pairs)[0] == "1 of 4 planned cases without a pair."


def test_a_value_that_is_said_to_mean_nothing_is_no_divergence() -> None:
    cube = of(Shape(folds=4)).cube
    cube["remark/area"] = ""
    cube.loc[0, ["heldout/area", "remark/area"]] = [math.nan, "predictions at or below 0"]
    cube.loc[1, "heldout/area"] = math.nan
    counted = scores(cube, dataset="measures", metric=SCORE)
    assert counted.diverged == {"relu": 1, "elu": 0}
    assert counted.values["relu"].tolist()[:2] == pytest.approx([math.nan, 0.5], nan_ok=True)
    cube.loc[2, "remark/area"] = "looks odd, but has a value"
    again = scores(cube, dataset="measures", metric=SCORE)
    assert again.values["relu"].iloc[2] == cube.loc[2, "heldout/area"]
