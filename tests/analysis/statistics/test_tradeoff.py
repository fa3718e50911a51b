"""Fronts of gain and cost: by brute force, under resampling of a known truth, and where times cannot be compared."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.findings import Findings, gather
from analysis.runs import simulated
from analysis.statistics import timing, tradeoff

VALUES = st.one_of(st.integers(-3, 3).map(float), st.just(math.nan))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] >= other[0] and one[1] <= other[1] and one != other

    known = [point for point in points if not any(map(math.isnan, point))]
    expected = [point in known and not any(dominates(one, point) for one in known) for point in points]
    gain, cost = (np.array(side, dtype=float) for side in (zip(*points, strict=True) if points else ((), ())))
    assert tradeoff.front(gain, cost).tolist() == expected


def findings(**changed: object) -> Findings:
    made = simulated.study(
        seed=4, activations=("relu", "elu", "gelu", "silu"), repeats=2, epochs=6, stops=False,
        effects={"elu": -0.05, "gelu": 0.05}, **changed,  # type: ignore[arg-type]
    )  # fmt: skip
    return gather(made)


def times(found: Findings, claimed: pd.DataFrame) -> pd.DataFrame:
    timed = timing.runs(claimed, found.curves)
    return tradeoff.epoch_times(found.scores("digits"), claimed, timed, "relu")


def test_under_resampling_what_is_clearly_dominated_is_never_on_the_front() -> None:
    """Times rise by 2.5 % from each to the next: relu is quickest, gelu best, elu worse and slower than relu."""
    found = findings()
    share = tradeoff.often(found.scores("digits"), times(found, found.claimed), np.random.default_rng(1))
    assert share["relu"] == share["gelu"] == 1
    assert share["elu"] == share["silu"] == 0


def test_a_coin_is_seen_as_one() -> None:
    """Two activations of equal times that win every other split: each is on the front about half of the time."""
    found = findings()
    scores = found.scores("digits")
    values = scores.values.copy()
    values["silu"] = values["gelu"] + np.where(np.arange(len(values)) % 2, 0.01, -0.01)
    even = dataclasses.replace(scores, values=values)
    logs = times(found, found.claimed)
    logs["silu"] = logs["gelu"]
    share = tradeoff.often(even, logs, np.random.default_rng(1))
    assert share["silu"] + share["gelu"] == pytest.approx(1.12, abs=0.2)  # both where they come out equal
    assert 0.35 < share["silu"] < 0.8


def test_the_same_seed_draws_the_same_and_another_seed_something_else() -> None:
    found = findings(noise_sd=0.05)
    table = times(found, found.claimed)
    one, same, other = (
        tradeoff.often(found.scores("digits"), table, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_times_are_those_of_the_runs_behind_the_scores() -> None:
    found = findings()
    table = times(found, found.claimed)
    assert list(table.index) == list(found.scores("digits").values.index)
    timed = timing.runs(found.claimed, found.curves).set_index(["activation", "split_hash"])
    for unit in table.index:
        assert table.loc[unit, "gelu"] == pytest.approx(math.log(timed.loc[("gelu", unit), "train_s"]))


def test_runs_that_shared_a_device_or_had_another_one_have_no_time() -> None:
    found = findings()
    packed = found.claimed.assign(pack_size=np.where(found.claimed["activation"] == "gelu", 5, 1))
    assert times(found, packed)["gelu"].isna().all()
    assert times(found, packed)["elu"].notna().all()
    elsewhere = found.claimed.assign(kind=np.where(found.claimed["activation"] == "elu", "another", "simulated"))
    table = times(found, elsewhere)
    assert table["elu"].isna().all()
    share = tradeoff.often(found.scores("digits"), table, np.random.default_rng(1))
    assert math.isnan(share["elu"])
    assert share["relu"] == 1


def test_too_few_splits_are_not_drawn_anew() -> None:
    found = findings()
    scores = found.scores("digits")
    two = dataclasses.replace(scores, values=scores.values.iloc[:2])
    assert tradeoff.often(two, times(found, found.claimed).iloc[:2], np.random.default_rng(1)).isna().all()


def searched(lost: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three settings of elu on two folds: quick and bad, slow and good, slow and bad."""
    rows = [
        {"phase": "search", "status": "finished", "activation": "elu", "trial": f"elu-s{at}", "run_id": f"{at}-{fold}",
         "validation/loss": loss}
        for at, loss in enumerate((0.9, 0.3, 0.9)) for fold in range(2)
    ]  # fmt: skip
    timed = pd.DataFrame({"run_id": [row["run_id"] for row in rows], "epoch_s": [1.0, 1.2, 2.0, 2.2, 2.0, 2.2]})
    if lost:
        timed.loc[0, "epoch_s"] = math.nan
    return pd.DataFrame(rows), timed


def test_settings_have_means_over_their_folds_and_their_own_front() -> None:
    table = tradeoff.settings(*searched(), "validation/loss", sign=-1)
    assert table["epoch_s"].tolist() == pytest.approx([1.1, 2.1, 2.1])
    assert table["score"].tolist() == pytest.approx([0.9, 0.3, 0.9])
    assert table["front"].tolist() == [True, True, False]
    assert table["folds"].tolist() == [2, 2, 2]


def test_more_is_better_where_the_metric_says_so() -> None:
    table = tradeoff.settings(*searched(), "validation/loss", sign=1)
    assert table["front"].tolist() == [True, False, False]


def test_a_setting_with_a_fold_without_a_time_is_on_no_front() -> None:
    table = tradeoff.settings(*searched(lost=True), "validation/loss", sign=-1)
    assert table["epoch_s"].isna().tolist() == [True, False, False]
    assert table["front"].tolist() == [False, True, False]
    assert tradeoff.settings(searched()[0].assign(phase="confirm"), searched()[1], "validation/loss", sign=1).empty


def test_settings_are_compared_on_the_kind_of_device_that_most_had() -> None:
    rows, timed = searched()
    timed["kind"] = ["a", "b", "b", "b", "b", "b"]
    table = tradeoff.settings(rows, timed, "validation/loss", sign=-1)
    assert table["epoch_s"].isna().tolist() == [True, False, False]
    assert set(table["kind"]) == {"b"}
    assert table["front"].tolist() == [False, True, False]
