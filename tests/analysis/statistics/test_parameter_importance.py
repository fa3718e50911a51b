"""Knobs behind the gate, and DSReLU's slope."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import dsrelu, parameter_importance

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
    frame = parameter_importance.importance(table, rng(1))
    assert list(frame.columns) == parameter_importance.COLUMNS
    assert frame.loc[0, "parameter"] == "activation.k"
    assert frame["passes"].tolist() == [True, False, False]
    assert frame.loc[0, "r2"] > 0.8
    assert frame.loc[0, "fanova"] > 0.7
    assert "about 90 are needed" in frame.loc[0, "note"]


def test_noise_has_no_detectable_effect() -> None:
    table = parameter_importance.settings(search(0.0), "dsrelu", column="validation/loss")
    frame = parameter_importance.importance(table, rng(1), fanova=False)
    assert not frame["passes"].any()
    assert set(frame["word"]) == {parameter_importance.NO_EFFECT}


def test_one_parameter_alone_can_pass() -> None:
    table = parameter_importance.settings(search(0.1), "dsrelu", column="validation/loss")
    frame = parameter_importance.importance(table, rng(1), parameters=["activation.k"], fanova=False)
    assert frame["passes"].tolist() == [True]
    assert frame.loc[0, "importance"] > frame.loc[0, "chance_95"]
    other = parameter_importance.importance(table, rng(1), parameters=["activation.a"], fanova=False)
    assert not other["passes"].any()


def test_six_that_matter_alike_all_pass() -> None:
    draw = rng(3)
    table = pd.DataFrame(draw.random((60, 6)), columns=[f"training.p{at}" for at in range(6)])
    table["score"] = table.sum(axis=1) + draw.normal(0, 0.1, 60)
    frame = parameter_importance.importance(table, rng(1), fanova=False)
    assert frame["passes"].tolist() == [True] * 6
    assert (frame["p"] <= 0.05).all()
    assert frame["importance"].min() > 0.03


def test_a_parameter_of_a_few_values_passes_and_an_interaction_counts() -> None:
    draw = rng(5)
    table = pd.DataFrame({"training.batch": draw.choice([16.0, 32.0, 64.0], 80), "training.lr": draw.random(80)})
    table["training.other"] = draw.random(80)
    table["score"] = (table["training.batch"] == 32) + 2 * (table["training.lr"] - 0.5) * (table["training.batch"] - 32)
    frame = parameter_importance.importance(table, rng(1), fanova=False).set_index("parameter")
    assert frame["passes"].to_dict() == {"training.batch": True, "training.lr": True, "training.other": False}


def test_a_parameter_that_only_follows_one_that_matters_does_not_pass() -> None:
    """As a searcher makes them: the second is drawn near the first, and tells nothing beside it."""
    passed = 0
    for seed in range(10):
        draw = rng(seed)
        first = draw.normal(size=60)
        table = pd.DataFrame({"training.a": first, "training.b": first + 0.7 * draw.normal(size=60)})
        table["score"] = first + 0.3 * draw.normal(size=60)
        frame = parameter_importance.importance(table, rng(1), fanova=False).set_index("parameter")
        assert frame.loc["training.a", "passes"]
        passed += frame.loc["training.b", "passes"]
    assert passed <= 2


@pytest.mark.slow
def test_the_gate_errs_rarely_and_finds_what_is_there() -> None:
    bench = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "bench_parameter_gate.py"))
    draw = rng(7)
    assert bench["rates"](60, 0, 1.0, 40, draw).false <= 0.12
    alone = bench["rates"](60, 1, 0.5, 10, draw)
    assert alone.true == 1
    assert alone.false <= 0.2
    assert bench["rates"](60, 6, 0.0, 4, draw).true > 0.9


def test_the_generator_decides_and_nothing_else() -> None:
    table = parameter_importance.settings(search(0.05, settings=30), "dsrelu", column="validation/loss")
    one, same, other = (parameter_importance.importance(table, rng(seed)) for seed in (1, 1, 2))
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
    frame = parameter_importance.importance(table, rng(), parameters=["activation.k"])
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
