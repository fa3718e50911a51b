"""How activations stand against floors: by the corrected interval of their difference, whichever way is better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.runs.metric import Metric
from analysis.runs.simulated_measures import Drawn, Shape, study
from analysis.statistics import floors
from analysis.statistics.floors import Standing, standing
from analysis.statistics.scores import scores

ERROR = Metric(name="error", better="lower", low=0.0)


def found(**more: object) -> list[floors.Floor]:
    drawn = Drawn(
        metric=ERROR,
        middle=2.0,
        unit_sd=0.3,
        noise_sd=0.05,
        effects={"elu": -0.5, "tanh": 0.6},
        floors={"the last value": 2.0, "the mean": 9.0, "a spline": 1.0},
    )
    shape = Shape(folds=5, repeats=2, **more)  # type: ignore[arg-type]
    cube = study(seed=2, drawn=[drawn], activations=("relu", "elu", "tanh"), shape=shape).cube
    return floors.floors(cube, scores(cube, dataset="measures", metric=ERROR))


def test_the_best_floor_comes_first_and_who_beats_it_is_told_by_intervals() -> None:
    spline, last, mean = found()
    assert [spline.predictor, last.predictor, mean.predictor] == ["a spline", "the last value", "the mean"]
    assert (spline.beaten_by, spline.of(Standing.BELOW)) == ([], ["relu", "elu", "tanh"])
    assert (last.beaten_by, last.of(Standing.OPEN), last.of(Standing.BELOW)) == (["elu"], ["relu"], ["tanh"])
    assert mean.beaten_by == ["relu", "elu", "tanh"]
    assert [floor.predictor for floor in floors.unbeaten([spline, last, mean])] == ["a spline"]
    best = last.best
    assert best is not None
    assert best.activation == "elu"


def test_the_interval_is_that_of_the_corrected_t() -> None:
    last = found()[1]
    verdict = next(one for one in last.against if one.activation == "relu")
    drawn = Drawn(metric=ERROR, middle=2.0, unit_sd=0.3, noise_sd=0.05, effects={"elu": -0.5, "tanh": 0.6})
    cube = study(seed=2, drawn=[drawn], activations=("relu", "elu", "tanh"), shape=Shape(folds=5, repeats=2)).cube
    d = 2.0 - cube.loc[cube["activation"] == "relu", "heldout/error"].to_numpy()
    half = stats.t.isf(0.025, 9) * d.std(ddof=1) * np.sqrt(1 / 10 + 0.25)
    assert verdict.interval == pytest.approx((d.mean() - half, d.mean() + half))


def test_a_floor_that_differs_by_split_is_paired_with_it() -> None:
    drawn = Drawn(metric=ERROR, middle=2.0, unit_sd=1.0, noise_sd=0.01)
    cube = study(seed=3, drawn=[drawn], activations=("relu", "elu"), shape=Shape(folds=5)).cube
    relu = cube.loc[cube["activation"] == "relu"].set_index("fold")["heldout/error"]
    cube["floor/error/a bit more"] = cube["fold"].map(relu) + 0.1
    (floor,) = floors.floors(cube, scores(cube, dataset="measures", metric=ERROR))
    assert floor.beaten_by == ["relu", "elu"]
    # Of relu it is exactly 0.1 on every split: no spread, no interval.
    assert [standing(one) for one in floor.against] == [Standing.AHEAD, Standing.ABOVE]
    assert not floor.by_interval


def test_two_splits_have_no_interval_and_are_told_by_the_mean() -> None:
    drawn = Drawn(metric=ERROR, middle=2.0, noise_sd=0.01, floors={"low": 1.0, "high": 3.0})
    cube = study(seed=3, drawn=[drawn], activations=("relu", "elu"), shape=Shape(folds=2)).cube
    low, high = floors.floors(cube, scores(cube, dataset="measures", metric=ERROR))
    assert (low.beaten_by, high.beaten_by) == ([], ["relu", "elu"])
    assert not low.by_interval


def test_what_is_predicted_is_no_floor() -> None:
    """The true function errs by nothing: that no model beats it says nothing. A perfect score of another kind may be a
    floor, as the brightness of photographs that were taken on another day."""
    cube = pd.DataFrame({"floor/error/the truth": [0.0, 0.0], "floor/error/luck": [0.0, 0.1]})
    area = Metric(name="area", better="higher", low=0.0, high=1.0)
    cube["floor/area/brightness"] = 1.0
    assert floors.truths(cube, [ERROR, area]) == {"the truth"}
