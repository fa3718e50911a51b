"""Times are compared within one kind of device; where activations have none in common, nothing is said of them."""

from __future__ import annotations

import dataclasses
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.report import spending
from analysis.report.findings import Findings, gather
from analysis.report.sections import cost, tradeoff
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.runs.schema import ENERGY_J, PEAK_MEMORY_MB
from analysis.runs.simulated import Key
from analysis.statistics import kinds, timing

FAST, SLOW = ("fast card", 1.0), ("slow card", 3.0)
ACCURACY = find(unstated_metrics(), "accuracy")


def study(devices: dict[str, tuple[tuple[str, float], ...]]) -> Study:
    """Each activation's folds on its devices in turn; elu costs 2.5 % more than relu, gelu 5 %."""
    return simulated.study(
        seed=3,
        activations=tuple(devices),
        repeats=2,
        epochs=6,
        stops=False,
        devices=lambda key: devices[key.activation][(key.repeat * 5 + key.fold) % len(devices[key.activation])],
    )


def summary(made: Study) -> pd.DataFrame:
    return timing.summary(timing.runs(made.cube, made.curves), "relu").set_index(["activation", "kind"])


def test_an_activation_that_had_the_faster_device_by_chance_is_not_called_faster() -> None:
    """elu costs more than relu. Over all devices together it seems to cost a third."""
    made = study({"relu": (SLOW,), "elu": (FAST,), "gelu": (SLOW,)})
    pooled = timing.runs(made.cube, made.curves).groupby("activation")["train_s"].median()
    assert pooled["elu"] < 0.4 * pooled["relu"], "the wrong conclusion"
    found = summary(made)
    assert math.isnan(found.loc[("elu", "fast card"), "ratio"])
    assert found.loc[("elu", "fast card"), "note"] == (
        "Not compared: trained on different devices, 10 on fast card; relu 10 on slow card."
    )
    assert found.loc[("gelu", "slow card"), "ratio"] == pytest.approx(1.05, abs=0.01)


def test_of_folds_on_several_kinds_each_kind_has_its_own_means_and_pairs() -> None:
    """Every other fold of elu had the slow device, of relu all the fast one: pooled, elu would cost twice as much."""
    found = summary(study({"relu": (FAST,), "elu": (FAST, SLOW)}))
    assert found.loc[("elu", "fast card"), "ratio"] == pytest.approx(1.025, abs=0.01)
    assert found.loc[("elu", "fast card"), "pairs"] == 5
    assert found.loc[("elu", "slow card"), "train_s"] == pytest.approx(3 * 20.5, rel=0.02)
    assert found.loc[("elu", "slow card"), "note"] == "No run of the control on this kind of device."
    both = summary(study({"relu": (FAST, SLOW), "elu": (FAST, SLOW)}))
    assert both["ratio"].dropna().to_numpy() == pytest.approx([1, 1.025, 1, 1.025], abs=0.01)
    assert list(both["pairs"]) == [5] * 4


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("slots", 2, "simulated (2 packs on it)"),
        ("threads", 4, "simulated (4 threads)"),
        ("training.precision", "bf16", "simulated (bf16)"),
        ("code", "c0de" * 4, "simulated (code c0dec0de)"),
    ],
)
def test_sharing_threads_precision_and_sources_make_another_kind(column: str, value: object, words: str) -> None:
    made = study({"relu": (("simulated", 1.0),), "elu": (("simulated", 1.0),)})
    made.cube[column] = pd.Series(
        [value if label == "elu" else None for label in made.cube["activation"]], dtype=object
    )
    found = timing.summary(timing.runs(made.cube, made.curves), "relu").set_index("activation")
    assert found.loc["elu", "kind"] == words
    assert math.isnan(found.loc["elu", "ratio"])
    assert "Not compared" in found.loc["elu", "note"]


def test_what_all_kinds_have_alike_is_not_named() -> None:
    rows = pd.DataFrame({"device_name": ["a", "b", ""], "threads": [4, 4, -1], "code": ["x", "x", ""]})
    assert list(kinds.kinds(rows)) == ["a", "b", "device not told"]


def test_a_run_that_went_on_on_another_kind_is_timed_there_and_has_no_totals() -> None:
    made = study({"relu": (FAST,), "elu": (FAST,)})
    run = made.cube.index[0]
    made.cube["timed_from"] = -1
    made.cube.loc[run, "timed_from"] = 3
    of_run = made.curves["run_id"] == made.cube.loc[run, "run_id"]
    made.curves.loc[of_run & (made.curves["epoch"] < 3), timing.SECONDS_TRAIN] = 1000.0
    found = timing.runs(made.cube, made.curves).set_index("run_id").loc[made.cube.loc[run, "run_id"]]
    assert found["train_s"] == pytest.approx(20, rel=0.03)
    assert found["epochs_timed"] == 3  # the third warms up
    assert math.isnan(found["total_s"])


def test_at_equal_time_are_only_those_on_the_kind_that_most_have() -> None:
    _, areas = timing.equal_time(*frames(study({"relu": (SLOW,), "elu": (FAST,), "gelu": (SLOW,)})), dataset="digits",
                                 metric=ACCURACY)  # fmt: skip
    assert list(areas["activation"]) == ["relu", "gelu"]
    assert set(areas["kind"]) == {"slow card"}
    _, none = timing.equal_time(*frames(study({"relu": (SLOW,), "elu": (FAST,)})), dataset="digits", metric=ACCURACY)
    assert none.empty


def frames(made: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    return made.cube, made.curves


def told(found: Findings) -> str:
    return " ".join(str(getattr(block, "text", "")) for block in cost.section(found).blocks)


def test_the_report_says_which_kinds_there_were_and_whom_it_does_not_compare() -> None:
    made = study({"relu": (SLOW, FAST), "elu": (FAST,), "gelu": (("card c", 2.0),)})
    made.curves[ENERGY_J] = np.where(made.curves["run_id"].isin(on(made, "fast card")), 1.0, 9.0)
    made.curves[PEAK_MEMORY_MB] = np.where(made.curves["run_id"].isin(on(made, "fast card")), 100.0, 900.0)
    found = gather(made)
    assert "3 kinds of device: fast card (15 runs), " in told(found)
    assert "Times are compared within a kind alone." in told(found)
    assert "Whose time is not compared with that of relu: gelu; the table says why." in told(found)
    tables = {table.name: table.frame for table in cost.section(found).tables()}
    energy = tables["table-29-energy"].set_index(["activation", "kind"])["energy_j"]
    assert (energy["relu", "fast card"], energy["relu", "slow card"]) == (1.0, 9.0)
    memory = tables["table-17-total-time"].set_index(["activation", "kind"])["memory_mb"]
    assert (memory["relu", "fast card"], memory["relu", "slow card"]) == (100.0, 900.0)
    standing = tradeoff.standing(found).set_index("activation")
    assert standing.loc["elu", "ratio"] == pytest.approx(1.025, abs=0.01)
    assert math.isnan(standing.loc["gelu", "ratio"])
    assert all("fast card alone" in plot.caption for plot in cost.section(found).plots())


def on(made: Study, device: str) -> set[str]:
    return set(made.cube.loc[made.cube["device_name"] == device, "run_id"])


def test_of_one_kind_the_report_says_nothing_of_kinds() -> None:
    assert "kinds of device" not in told(gather(study({"relu": (FAST,), "elu": (FAST,)})))


def test_a_device_is_drawn_by_run() -> None:
    by_fold = simulated.study(seed=1, devices=lambda key: (f"card {key.fold}", 1.0))
    assert set(by_fold.cube["device_name"]) == {f"card {fold}" for fold in range(5)}
    same = simulated.study(seed=1, devices=lambda key: ("simulated", 1.0))
    pd.testing.assert_frame_equal(same.curves, simulated.study(seed=1).curves)
    assert dataclasses.replace(same).cube.equals(simulated.study(seed=1).cube)
    assert Key("relu", 0, 1).fold == 1


@pytest.mark.slow
@pytest.mark.parametrize("dealt", ["to each pack", "to each fold"])
def test_equal_activations_differ_by_chance_no_more_often_than_the_interval_says(dealt: str) -> None:
    bench = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "bench_device_kinds.py"))
    found = np.array([bench["study"](dealt, seed) for seed in range(20)])
    pooled, within, _ = found.mean(axis=0)
    assert within <= 0.15
    assert pooled > 0.3 or dealt == "to each fold"


def test_it_is_said_how_many_shared_their_device() -> None:
    made = study({"relu": (FAST,), "elu": (FAST,)})
    assert "None shared its device." in told(gather(made))
    shared = dataclasses.replace(made, cube=made.cube.assign(slots=[4, *[1] * (len(made.cube) - 1)]))
    said = told(gather(shared))
    alone, together = (spending.spent(gather(each)).hours for each in (made, shared))
    first = made.curves[made.curves["run_id"] == made.cube["run_id"].iloc[0]]
    seconds = [name for name in first if str(name).startswith("seconds/")]
    assert together == pytest.approx(alone - 0.75 * first[seconds].sum().sum() / 3600)
    assert "1 had other packs on their device, and are compared with their like." in said
    assert "None shared its device" not in said
