"""Effect sizes by their definitions, and the DSReLU paper's own equation on the DSReLU paper's own tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from analysis.errors import DeclarationError
from analysis.runs import simulated
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import effects, frequentist
from analysis.statistics.scores import of_arrays, scores

ACCURACY, LOSS = (find(unstated_metrics(), name) for name in ("accuracy", "loss"))

VALUES = arrays(float, st.shared(st.integers(2, 15), key="n"), elements=st.floats(0, 1, width=32))


@given(x=VALUES, y=VALUES)
def test_cliffs_delta_and_a12_count_every_pair(x: np.ndarray, y: np.ndarray) -> None:
    u = stats.mannwhitneyu(x, y).statistic
    assert (effects.cliff_delta(x, y) + 1) / 2 == pytest.approx(u / (len(x) * len(y)))
    assert effects.cliff_delta(x, y) == -effects.cliff_delta(y, x)


def test_rank_biserial_is_the_wilcoxon_sums() -> None:
    d = np.array([0.3, -0.1, 0.2, 0.5, -0.4, 0.0])
    assert effects.rank_biserial(d) == pytest.approx((3 + 2 + 5 - 1 - 4) / 15)
    assert math.isnan(effects.rank_biserial(np.zeros(4)))


def test_relative_error_change_is_of_the_error() -> None:
    assert effects.relative_error_change(of_arrays([0.95], [0.9], ratio=0.25, metric=ACCURACY)) == pytest.approx(-0.5)
    loss = of_arrays([0.4], [0.5], ratio=0.25, metric=LOSS)
    assert effects.relative_error_change(loss) == pytest.approx(-0.2)
    assert math.isnan(effects.relative_error_change(of_arrays([0.9], [1.0], ratio=0.25, metric=ACCURACY)))
    assert math.isnan(effects.relative_error_change(of_arrays([], [], ratio=0.25, metric=ACCURACY)))
    # Of a metric without a best value there is no error.
    assert math.isnan(effects.relative_error_change(of_arrays([0.95], [0.9], ratio=0.25)))


def test_d_z_is_hidden_where_the_spread_is_below_one_item() -> None:
    x, y = np.array([0.5002, 0.5001, 0.5003]), np.array([0.5, 0.5, 0.5])
    assert math.isnan(effects.d_z(of_arrays(x, y, ratio=0.5, n_heldout=1000, metric=ACCURACY)))
    assert effects.d_z(of_arrays(x, y, ratio=0.5, n_heldout=100_000, metric=ACCURACY)) == pytest.approx(2.0)
    assert math.isnan(effects.d_z(of_arrays(y, y, ratio=0.5)))


def test_sizes_of_a_study() -> None:
    study = simulated.study(seed=1)
    frame = effects.sizes(scores(study.cube, dataset="digits", metric=ACCURACY), "relu")
    assert list(frame.columns) == effects.SIZES
    assert len(frame) == 5
    assert (frame["wins"] + frame["ties"] + frame["losses"] == frame["n"]).all()
    assert ((frame["low"] < frame["difference"]) & (frame["difference"] < frame["high"])).all()


def test_improvement_names_the_runner_up_on_each_basis() -> None:
    study = simulated.study(seed=1, activations=("a", "b", "c"))
    cube = study.cube
    values = {"a": [0.6] * 5, "b": [0.5, 0.5, 0.5, 0.5, 0.5], "c": [0.1, 0.2, 0.55, 0.1, 0.3]}
    cube["heldout/accuracy"] = [
        values[label][fold] for label, fold in zip(cube["activation"], cube["fold"], strict=True)
    ]
    mean, best = effects.improvement(scores(cube, dataset="digits", metric=ACCURACY), "a").to_dict("records")
    assert (mean["runner_up"], best["runner_up"]) == ("b", "c")
    assert mean["percent"] == pytest.approx(20)
    assert best["percent"] == pytest.approx(100 * (0.6 - 0.55) / 0.55)
    assert "after the fact" in best["note"]
    with pytest.raises(DeclarationError, match="there are a, b, c"):
        effects.improvement(scores(cube, dataset="digits", metric=ACCURACY), "d")


def test_improvement_of_a_lone_activation() -> None:
    study = simulated.study(seed=1, activations=("a",))
    frame = effects.improvement(scores(study.cube, dataset="digits", metric=ACCURACY), "a")
    assert set(frame["note"]) == {"Nothing to compare with."}


def test_an_interval_stays_within_what_the_metric_allows() -> None:
    x, y = np.array([0.9, 0.1, 0.5]), np.array([0.2, 0.6, 0.4])
    wide, free = (of_arrays(x, y, ratio=0.5, metric=metric) for metric in (ACCURACY, LOSS))
    found = effects.size(wide)
    assert (found["low"], found["high"]) == (-1.0, 1.0)
    assert frequentist.corrected_t(wide).interval == (-1.0, 1.0)
    # A loss has no worst value.
    unbounded = frequentist.corrected_t(free).interval
    assert unbounded is not None
    assert unbounded.high > 1.0
