"""Cases on their own: over seeds, marked only where a seed would not turn it round."""

from __future__ import annotations

import dataclasses
import math

import pytest
from scipy import stats

from analysis.runs.metric import Metric
from analysis.runs.simulated_measures import Drawn, Shape, study
from analysis.statistics import case_rows
from analysis.statistics.scores import Scores, scores

AREA = Metric(name="area", better="higher", low=0.0, high=1.0)


def table(**more: object) -> Scores:
    drawn = Drawn(metric=AREA, middle=0.8, unit_sd=0.05, noise_sd=0.004, effects={"elu": 0.03, "tanh": 0.001})
    shape = Shape(scheme="cases", cases=("a", "b", "c"), **{"repeats": 5, **more})  # type: ignore[arg-type]
    cube = study(seed=4, drawn=[drawn], activations=("relu", "elu", "tanh"), shape=shape).cube
    return scores(cube, dataset="measures", metric=AREA)


def test_a_row_is_a_case_and_an_activation_with_its_interval_over_seeds() -> None:
    found = table()
    rows = case_rows.rows(found, "relu").set_index(["case", "activation"])
    assert len(rows) == 9
    seeds = found.seeds_of.xs("b", level="unit")
    oracle = stats.ttest_rel(seeds["elu"], seeds["relu"]).confidence_interval(0.95)
    row = rows.loc[("b", "elu")]
    assert (row["low"], row["high"]) == pytest.approx((oracle.low, oracle.high))
    assert row["mean"] == pytest.approx(seeds["elu"].mean())
    assert row["sd"] == pytest.approx(seeds["elu"].std())
    assert (row["seeds"], row["pairs"]) == (5, 5)
    assert math.isnan(rows.loc[("b", "relu"), "difference"])


def test_the_best_is_marked_only_where_its_interval_to_every_other_excludes_0() -> None:
    rows = case_rows.rows(table(), "relu")
    assert set(rows.loc[rows["best"], "activation"]) == {"elu"}
    close = table()
    near = close.seeds_of.assign(elu=close.seeds_of["tanh"] + 1e-6 * (-1) ** close.seeds_of["tanh"].rank())
    assert not case_rows.rows(dataclasses.replace(close, seeds_of=near), "relu")["best"].any()


def test_two_seeds_mark_nothing() -> None:
    rows = case_rows.rows(table(repeats=2), "relu")
    assert not rows["best"].any()
    assert rows["low"].isna().all()


def test_a_seed_without_every_case_has_no_mean_over_cases() -> None:
    found = table()
    whole = case_rows.over_seeds(found)
    assert len(whole) == 5
    assert whole["elu"].mean() == pytest.approx(found.values["elu"].mean())
    lacking = found.seeds_of.copy()
    lacking.loc[("a", 0), "elu"] = math.nan
    assert case_rows.over_seeds(dataclasses.replace(found, seeds_of=lacking))["elu"].isna().sum() == 1
