"""Knobs behind the gate, and DSReLU's slope."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import dsrelu, parameter_importance

LOSS = find(unstated_metrics(), "loss")

NOISE = 0.02


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def search(effect: float, settings: int = 60, folds: int = 2, seed: int = 0) -> pd.DataFrame:
    """A search over a, b and k in which only k matters, and as much as ``effect`` says."""
    draw = rng(seed)
    rows = []
    for trial in range(settings):
        a, b, k = np.exp(draw.uniform(0, 2, 3))
        for fold in range(folds):
            loss = 1 + effect * math.log(k) + draw.normal(0, NOISE)
            rows.append(
                {
                    **{"activation": "dsrelu", "phase": "search", "trial": f"t{trial:03}", "repeat": 0, "fold": fold},
                    **{"seed": 1, "status": "finished", "validation/loss": loss, "training.lr": 1e-3},
                    **{"activation.a": a, "activation.b": b / 10, "activation.k": k, "activation.progress": "epoch"},
                }
            )
    return pd.DataFrame(rows)


def test_settings_are_trials_with_their_varied_parameters() -> None:
    table = parameter_importance.settings(search(0.1), "dsrelu", column="validation/loss")
    assert len(table) == 60
    assert parameter_importance.parameters_of(table) == ["activation.a", "activation.b", "activation.k"]
    assert parameter_importance.parameters_of(table, derived=True) == list(dsrelu.DERIVED)
    assert set(table["folds"]) == {2}


def test_the_parameter_that_matters_passes_the_gate_and_the_others_do_not() -> None:
    table = parameter_importance.settings(search(0.1), "dsrelu", column="validation/loss")
    frame = parameter_importance.importance(table, rng(1), metric=LOSS, shuffles=10)
    assert list(frame.columns) == parameter_importance.COLUMNS
    assert frame.loc[0, "parameter"] == "activation.k"
    assert frame["passes"].tolist() == [True, False, False]
    assert frame.loc[0, "r2"] > 0.8
    assert frame.loc[0, "fanova"] > 0.7
    assert "about 90 are needed" in frame.loc[0, "note"]


def test_noise_has_no_detectable_effect_though_importances_sum_to_one() -> None:
    table = parameter_importance.settings(search(0.0), "dsrelu", column="validation/loss")
    frame = parameter_importance.importance(table, rng(1), metric=LOSS, shuffles=10, fanova=False)
    assert frame["importance"].sum() == pytest.approx(1)
    assert not frame["passes"].any()
    assert set(frame["word"]) == {parameter_importance.NO_EFFECT}


def test_the_generator_decides_and_nothing_else() -> None:
    table = parameter_importance.settings(search(0.05, settings=30), "dsrelu", column="validation/loss")
    one, same, other = (
        parameter_importance.importance(table, rng(seed), metric=LOSS, shuffles=2) for seed in (1, 1, 2)
    )
    assert one.equals(same)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("cube", "said"),
    [
        (search(0.1, settings=5), "at least 12"),
        (search(0.1).assign(**{"validation/loss": 0.5}), "same for every setting"),
        (search(0.1).assign(status="diverged"), "0 finished settings"),
    ],
)
def test_what_cannot_be_analysed_says_why(cube: pd.DataFrame, said: str) -> None:
    table = parameter_importance.settings(cube, "dsrelu", column="validation/loss")
    frame = parameter_importance.importance(table, rng(), metric=LOSS, parameters=["activation.k"])
    assert not frame["passes"].any()
    assert said in frame.loc[0, "note"]
    assert parameter_importance.partial_dependence(
        cube, "dsrelu", "activation.k", rng(), column="validation/loss"
    ).empty


def test_diverged_folds_are_not_scores() -> None:
    cube = search(0.1)
    cube.loc[0, "validation/loss"] = math.nan
    cube.loc[2, "validation/loss"] = math.inf
    table = parameter_importance.settings(cube, "dsrelu", column="validation/loss")
    assert np.isfinite(table["score"]).all()


def test_partial_dependence_follows_the_effect() -> None:
    frame = parameter_importance.partial_dependence(
        search(0.1), "dsrelu", "activation.k", rng(), column="validation/loss", points=8
    )
    assert frame["forests"].unique().tolist() == [2]
    assert frame["mean"].iloc[-1] - frame["mean"].iloc[0] == pytest.approx(0.2, abs=0.06)
    assert ((frame["low"] <= frame["mean"]) & (frame["mean"] <= frame["high"])).all()


def test_interaction_is_a_grid() -> None:
    frame = parameter_importance.interaction(
        search(0.1), "dsrelu", ("activation.a", "activation.k"), rng(), column="validation/loss", points=5
    )
    assert len(frame) == 25
    by_second = frame.groupby("second")["expected"].mean()
    assert by_second.iloc[-1] > by_second.iloc[0] + 0.1
    assert parameter_importance.interaction(
        search(0.1), "dsrelu", ("activation.a", "none"), rng(), column="validation/loss"
    ).empty


@pytest.mark.parametrize(
    ("degrees", "k", "start", "end", "crosses"),
    [
        ((85, 10), 5, 10.576, 1.030, 1.008),
        ((75, 30), 5, 3.493, 0.817, 0.873),
        ((80, 15), 10, 5.635, 0.304, 0.685),
        ((70, 35), 5, 2.592, 0.856, 0.853),
    ],
)
def test_slopes_of_the_settings_in_use(
    degrees: tuple[int, int], k: float, start: float, end: float, crosses: float
) -> None:
    a, b = (math.tan(math.radians(angle)) for angle in degrees)
    assert dsrelu.slope(np.array([0.0, 1.0]), a, b, k) == pytest.approx([start, end], abs=1e-3)
    assert dsrelu.crossing(a, b, k) == pytest.approx(crosses, abs=1e-3)
    row = dsrelu.derived(pd.DataFrame({"activation.a": [a], "activation.b": [b], "activation.k": [k]})).iloc[0]
    assert row["slope at start"] == pytest.approx(start, abs=1e-3)
    grid = np.linspace(0, 1, 100_001)
    assert row["mean slope"] == pytest.approx(dsrelu.slope(grid, a, b, k).mean(), abs=1e-4)


def test_a_slope_that_never_is_one() -> None:
    assert math.isnan(dsrelu.crossing(3.0, 2.0, 5.0))
    assert math.isnan(dsrelu.crossing(2.0, 2.0, 5.0))
    assert math.isnan(dsrelu.crossing(3.0, 0.5, 0.0))


def test_what_a_run_really_saw() -> None:
    # As released: t is epochs over batches, so 44 epochs of 625 batches move 3.49 to 3.40 only.
    run = {
        **{"run_id": "r", "dataset": "cifar100", "activation": "dsrelu", "epochs": 44, "n_train": 40_000},
        **{"training.batch": 64, "training.epochs": 100, "activation.progress": "released"},
        **{"activation.a": 3.7321, "activation.b": 0.5774, "activation.k": 5.0},
    }
    frame = dsrelu.realised(pd.DataFrame([run]))
    assert len(frame) == 44
    assert frame["t"].iloc[-1] == pytest.approx(0.0704)
    assert frame["slope"].iloc[-1] == pytest.approx(3.40, abs=0.01)
    whole = dsrelu.realised(pd.DataFrame([run | {"activation.progress": "epoch", "epochs": 100}]))
    assert whole["slope"].iloc[-1] == pytest.approx(0.817, abs=1e-3)
    assert dsrelu.progress("step", 2, 2, 4).tolist() == pytest.approx([3 / 7, 1.0])
    assert dsrelu.progress("epochs", 2, 2, 4).tolist() == [0.75, 1.75]
    assert dsrelu.progress("constant", 2, 2, 4).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="got reading 'warp', accepts epoch"):
        dsrelu.progress("warp", 1, 1, 1)
    assert dsrelu.realised(pd.DataFrame([{"run_id": "r"}])).empty


def test_slopes_read_t_as_the_trainer_does() -> None:
    progress = pytest.importorskip("trainer.activations.progress")
    for reading in ("epoch", "step", "epochs", "released"):
        seen = [progress.progress_at(reading, epoch=e, epochs=7, steps=5, step=4) for e in range(1, 8)]
        assert dsrelu.progress(reading, 7, 7, 5).tolist() == pytest.approx(seen)
