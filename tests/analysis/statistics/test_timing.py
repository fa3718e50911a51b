"""Runs as units, warm-up dropped, ratios on the same split and device model, shared devices left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.runs import simulated
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import timing

ACCURACY = find(unstated_metrics(), "accuracy")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def made(seconds: dict[str, list[list[float]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A cube and curves: activation -> run -> seconds of its epochs."""
    cube, curves = [], []
    for label, of_label in seconds.items():
        for fold, epochs in enumerate(of_label):
            run = f"{label}{fold}"
            cube.append(
                {
                    **{"run_id": run, "dataset": "d", "activation": label, "split_hash": f"h{fold}"},
                    **{"status": "finished", "device_name": "gpu", "host": "n", "pack_size": 1, "best_epoch": 2},
                }
            )
            for number, value in enumerate(epochs, start=1):
                curves.append(
                    {
                        **{"run_id": run, "epoch": number, "seconds/train": 0.8 * value},
                        **{"seconds/evaluate": 0.15 * value, "seconds/rest": 0.05 * value},
                        "validation/accuracy": 0.1 * number,
                    }
                )
    return pd.DataFrame(cube), pd.DataFrame(curves)


def test_a_run_is_the_median_of_its_epochs_after_the_warm_up() -> None:
    cube, curves = made({"relu": [[50, 10, 10, 10, 11]]})
    run = timing.runs(cube, curves).iloc[0]
    assert run["epoch_s"] == pytest.approx(10)
    assert run["train_s"] == pytest.approx(8)
    assert run["epochs_timed"] == 4
    assert run["total_s"] == pytest.approx(91)
    assert run["checkpoint_s"] == pytest.approx(60)
    assert run["noisy"]
    assert timing.runs(cube, curves, warmup=2).iloc[0]["epochs_timed"] == 3


def test_fewer_than_three_epochs_make_no_statistic() -> None:
    cube, curves = made({"relu": [[50, 10, 10]]})
    assert math.isnan(timing.runs(cube, curves).iloc[0]["epoch_s"])
    summary = timing.summary(timing.runs(cube, curves), "relu", rng())
    assert "No run with 3 timed epochs" in summary.loc[0, "note"]


def test_ratio_is_paired_by_split_and_device() -> None:
    base = [[9, s, s, s, s] for s in (10.0, 12.0, 20.0)]
    cube, curves = made({"relu": base, "dsrelu": [[9, *[1.2 * s] * 4] for _, s, *_ in base]})
    found = timing.summary(timing.runs(cube, curves), "relu", rng()).set_index("activation")
    assert found.loc["dsrelu", "ratio"] == pytest.approx(1.2)
    assert (found.loc["dsrelu", "ratio_low"], found.loc["dsrelu", "ratio_high"]) == pytest.approx((1.2, 1.2))
    assert found.loc["dsrelu", "pairs"] == 3
    assert found.loc["dsrelu", "shift_s"] == pytest.approx(2.4, abs=0.8)
    assert found.loc["relu", "ratio"] == 1
    cube.loc[cube["activation"] == "dsrelu", "device_name"] = "another"
    other = timing.summary(timing.runs(cube, curves), "relu", rng()).set_index("activation")
    assert math.isnan(other.loc["dsrelu", "ratio"])
    assert "same split and device model" in other.loc["dsrelu", "note"]


def test_one_pair_has_no_interval_and_packed_runs_are_left_out() -> None:
    cube, curves = made({"relu": [[1, 10, 10, 10]] * 2, "dsrelu": [[1, 13, 13, 13], [1, 99, 99, 99]]})
    cube.loc[cube["run_id"] == "dsrelu1", "pack_size"] = 5
    found = timing.summary(timing.runs(cube, curves), "relu", rng()).set_index("activation").loc["dsrelu"]
    assert found["ratio"] == pytest.approx(1.3)
    assert math.isnan(found["ratio_low"])
    assert "1 run left out: the device was shared." in found["note"]
    assert "no interval" in found["note"]
    assert (found["runs"], found["packed_runs"]) == (1, 1)


def test_drift_is_flagged() -> None:
    cube, curves = made({"relu": [[1, *np.linspace(10, 11, 12)]], "tanh": [[1, *[10.0] * 12]]})
    runs = timing.runs(cube, curves).set_index("activation")
    assert runs.loc["relu", "noisy"]
    assert not runs.loc["tanh", "noisy"]
    assert runs.loc["relu", "drift"] == pytest.approx(0.08, abs=0.02)


def test_equal_time_carries_the_best_on_and_counts_who_still_runs() -> None:
    cube, curves = made({"relu": [[1.0] * 4], "dsrelu": [[2.0] * 8]})
    lines, areas = timing.equal_time(cube, curves, dataset="d", metric=ACCURACY, points=17)
    relu = lines[lines["activation"] == "relu"].set_index("seconds")
    assert math.isnan(relu.loc[0.0, "value"])
    assert relu.loc[2.0, "value"] == pytest.approx(0.2)
    assert relu.loc[16.0, "value"] == pytest.approx(0.4)
    assert relu.loc[16.0, "running"] == 0
    found = areas.set_index("activation")
    assert found.loc["relu", "seconds"] == pytest.approx(4)
    assert found.loc["dsrelu", "at_end"] == pytest.approx(0.2)
    assert found.loc["relu", "at_end"] == pytest.approx(0.4)


def test_a_simulated_study_times_whole_and_repeats_itself() -> None:
    study = simulated.study(seed=1)
    runs = timing.runs(study.cube, study.curves)
    one, same = (timing.summary(runs, "relu", rng(4)) for _ in range(2))
    assert one.equals(same)
    last = one.iloc[-1]
    assert last["ratio"] == pytest.approx((20 + 0.5 * 5) / 20, abs=0.02)
    assert last["ratio_low"] <= last["ratio"] <= last["ratio_high"]


def test_nothing_to_time() -> None:
    study = simulated.study(seed=1)
    nothing = study.cube.assign(status="failed")
    assert timing.runs(nothing, study.curves).empty
    assert timing.summary(timing.runs(nothing, study.curves), "relu", rng()).empty
    assert timing.equal_time(nothing, study.curves, dataset="digits", metric=ACCURACY)[0].empty
    assert timing.runs(study.cube, study.curves[["run_id", "epoch"]]).empty
