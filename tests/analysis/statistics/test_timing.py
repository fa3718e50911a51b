"""Runs as units, warm-up dropped, ratios on the same split and device model, shared devices left out."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.runs import simulated
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import timing

ACCURACY = find(unstated_metrics(), "accuracy")


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
    # Training and evaluation; what a disk takes stands apart.
    assert run["total_s"] == pytest.approx(0.95 * 91)
    assert run["checkpoint_s"] == pytest.approx(0.95 * 60)
    assert run["rest_total_s"] == pytest.approx(0.05 * 91)
    assert run["noisy"]
    assert timing.runs(cube, curves, warmup=2).iloc[0]["epochs_timed"] == 3


def test_fewer_than_three_epochs_make_no_statistic() -> None:
    cube, curves = made({"relu": [[50, 10, 10]]})
    assert math.isnan(timing.runs(cube, curves).iloc[0]["epoch_s"])
    summary = timing.summary(timing.runs(cube, curves), "relu")
    assert "No run with 3 timed epochs" in summary.loc[0, "note"]


def test_ratio_is_paired_by_split_and_device() -> None:
    base = [[9, s, s, s, s] for s in (10.0, 12.0, 20.0)]
    cube, curves = made({"relu": base, "dsrelu": [[9, *[1.2 * s] * 4] for _, s, *_ in base]})
    found = timing.summary(timing.runs(cube, curves), "relu").set_index("activation")
    assert found.loc["dsrelu", "ratio"] == pytest.approx(1.2)
    assert (found.loc["dsrelu", "ratio_low"], found.loc["dsrelu", "ratio_high"]) == pytest.approx((1.2, 1.2))
    assert found.loc["dsrelu", "pairs"] == 3
    assert found.loc["dsrelu", "shift_s"] == pytest.approx(0.8 * 2.4, abs=0.8)
    assert found.loc["relu", "ratio"] == 1
    cube.loc[cube["activation"] == "dsrelu", "device_name"] = "another"
    other = timing.summary(timing.runs(cube, curves), "relu").set_index("activation")
    assert math.isnan(other.loc["dsrelu", "ratio"])
    assert other.loc["dsrelu", "note"] == "Not compared: trained on different devices, 3 on another; relu 3 on gpu."


def test_one_pair_has_no_interval_and_packed_runs_are_left_out() -> None:
    cube, curves = made({"relu": [[1, 10, 10, 10]] * 2, "dsrelu": [[1, 13, 13, 13], [1, 99, 99, 99]]})
    cube.loc[cube["run_id"] == "dsrelu1", "pack_size"] = 5
    found = timing.summary(timing.runs(cube, curves), "relu").set_index("activation").loc["dsrelu"]
    assert found["ratio"] == pytest.approx(1.3)
    assert math.isnan(found["ratio_low"])
    assert "1 run left out: the device was shared." in found["note"]
    assert "1 pair of runs: no interval with fewer than 3." in found["note"]
    assert (found["runs"], found["packed_runs"]) == (1, 1)


def test_the_ratio_is_of_training_alone_whatever_the_disk_does() -> None:
    """A disk that takes as long as training makes the whole epochs 1.1 apart, where training is 1.2."""
    cube, curves = made({"relu": [[9, 10, 10, 10, 10]] * 3, "apalu": [[9, 12, 12, 12, 12]] * 3})
    curves["seconds/rest"] = np.where(curves["run_id"].str.startswith("relu"), 10.0, 9.0)
    curves.loc[curves.index % 2 == 0, "seconds/rest"] *= 3
    found = timing.summary(timing.runs(cube, curves), "relu").set_index("activation").loc["apalu"]
    assert found["ratio"] == pytest.approx(1.2)
    assert found["checkpoint_ratio"] == pytest.approx((9 + 12) / (9 + 10))
    assert found["rest_s"] > 9
    # A slow disk does not make a run noisy.
    assert found["noisy_runs"] == 0
    without = timing.runs(cube, curves.drop(columns=["seconds/rest"]))
    assert without["rest_s"].isna().all()
    assert timing.summary(without, "relu").set_index("activation").loc["apalu", "ratio"] == pytest.approx(1.2)


def test_the_interval_is_students_of_the_logarithms() -> None:
    mine, control = np.array([11.0, 12.5, 12.0, 13.0, np.nan]), np.array([10.0, 10.0, 11.0, 10.0, 9.0])
    log = np.log(mine[:4] / control[:4])
    low, high = stats.t.interval(0.9, 3, log.mean(), stats.sem(log))
    found = timing.ratio(mine, control, level=0.9)
    assert found == pytest.approx((math.exp(log.mean()), math.exp(low), math.exp(high)))
    assert found.value == pytest.approx(1 / timing.ratio(control, mine).value)
    two = timing.ratio(mine[:2], control[:2])
    assert math.isfinite(two.value)
    assert math.isnan(two.low)
    assert math.isnan(timing.ratio(mine[:0], control[:0]).value)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("noise", ["normal", "skewed in both", "hiccups in both"])
def test_the_interval_covers_where_a_bootstrap_does_not(noise: str, n: int) -> None:
    bench = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "bench_time_ratio.py"))
    student, bootstrap = bench["coverage"](noise, n, 2000, np.random.default_rng(n))
    assert student >= 0.94
    assert bootstrap < student


def test_drift_is_flagged() -> None:
    cube, curves = made({"relu": [[1, *np.linspace(10, 11, 12)]], "tanh": [[1, *[10.0] * 12]]})
    runs = timing.runs(cube, curves).set_index("activation")
    assert runs.loc["relu", "noisy"]
    assert not runs.loc["tanh", "noisy"]
    assert runs.loc["relu", "drift"] == pytest.approx(0.08, abs=0.02)


def test_equal_time_carries_the_best_on_and_counts_who_still_runs() -> None:
    cube, curves = made({"relu": [[1.0] * 4], "dsrelu": [[2.0] * 8]})
    curves = curves.assign(
        **{"seconds/train": 1.0 + curves["run_id"].str.startswith("dsrelu"), "seconds/evaluate": 0.0}
    )
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


def test_an_epoch_counts_at_equal_time_once_it_has_ended() -> None:
    cube, curves = made({"relu": [[1.0] * 4], "dsrelu": [[2.5] * 8]})
    curves["seconds/rest"] = 7.0
    _, areas = timing.equal_time(cube, curves, dataset="d", metric=ACCURACY, points=5)
    found = areas.set_index("activation")
    work = 0.95
    assert found.loc["relu", "seconds"] == pytest.approx(4 * work)
    # From 2.5, where both have a score, to 4: relu has 0.2 for half a second and then 0.3, dsrelu 0.1 throughout.
    assert found.loc["dsrelu", "area"] == pytest.approx(0.1)
    assert found.loc["relu", "area"] == pytest.approx((0.5 * 0.2 + 1.0 * 0.3) / 1.5)


def test_no_curve_begins_before_every_run_has_a_score() -> None:
    cube, curves = made({"relu": [[1.0] * 4, [3.0] * 4]})
    lines, _ = timing.equal_time(cube, curves, dataset="d", metric=ACCURACY, points=13)
    begun = lines.dropna(subset=["value"])["seconds"]
    assert begun.min() >= 3 * 0.95


def test_a_simulated_study_times_whole_and_repeats_itself() -> None:
    study = simulated.study(seed=1)
    runs = timing.runs(study.cube, study.curves)
    one, same = (timing.summary(runs, "relu") for _ in range(2))
    assert one.equals(same)
    last = one.iloc[-1]
    assert last["ratio"] == pytest.approx((20 + 0.5 * 5) / 20, abs=0.02)
    assert last["ratio_low"] <= last["ratio"] <= last["ratio_high"]


def test_nothing_to_time() -> None:
    study = simulated.study(seed=1)
    nothing = study.cube.assign(status="failed")
    assert timing.runs(nothing, study.curves).empty
    assert timing.summary(timing.runs(nothing, study.curves), "relu").empty
    assert timing.equal_time(nothing, study.curves, dataset="digits", metric=ACCURACY)[0].empty
    assert timing.runs(study.cube, study.curves[["run_id", "epoch"]]).empty
    assert timing.equal_time(study.cube, study.curves[["run_id", "epoch"]], dataset="digits", metric=ACCURACY)[1].empty
