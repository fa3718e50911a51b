"""Forecasts against "no change" and the control: paired by step, each series on its own, in the order of time."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.report.items import Said
from analysis.report.sections import forecasting
from analysis.runs.predictions import Predictions
from analysis.statistics.forecasting import diebold_mariano

COUNT = 40


def said(label: str, spread: float, *, seed: int = 1, fold: int = 0, horizon: int = 1, series: int = 1) -> Said:
    target = np.cumsum(np.random.default_rng(fold).normal(size=COUNT))
    order = np.arange(COUNT) // series
    arrays = {
        "target": target,
        "prediction": target + spread * np.random.default_rng(seed).normal(size=COUNT),
        "persistence": np.concatenate([[0.0], target[:-1]]),
        "order": order,
        "ahead": order + horizon,
        "series": np.arange(COUNT) % series,
    }
    row = {"activation": label, "repeat": 0, "fold": fold}
    return Said(row, Predictions(task="forecast", indices=np.arange(COUNT) + 100 * fold, arrays=arrays))


def test_each_run_is_set_against_no_change_and_the_control() -> None:
    control, better = said("relu", 0.8), said("apalu", 0.3, seed=2)
    rows = list(forecasting.compared([control, better], "relu"))
    assert [(row["activation"], row["against"]) for row in rows] == [
        ("relu", "no change"),
        ("apalu", "no change"),
        ("apalu", "relu"),
    ]
    errors = [one.items.arrays["prediction"] - one.items.arrays["target"] for one in (better, control)]
    expected = diebold_mariano(*errors)
    assert (rows[2]["statistic"], rows[2]["p"], rows[2]["n"]) == (expected.statistic, expected.p, COUNT)
    assert rows[2]["skill"] == pytest.approx(1 - np.mean(errors[0] ** 2) / np.mean(errors[1] ** 2))
    assert rows[2]["statistic"] < 0


def test_series_are_compared_each_on_its_own_and_folds_do_not_mix() -> None:
    rows = list(
        forecasting.compared([said("relu", 0.8), said("apalu", 0.3, fold=1), said("elu", 1.0, series=2)], "relu")
    )
    assert [(row["activation"], row["against"]) for row in rows if row["activation"] == "apalu"] == [
        ("apalu", "no change")
    ]
    assert [(row["series"], row["against"], row["n"]) for row in rows if row["activation"] == "elu"] == [
        (0, "no change", 20),
        (0, "relu", 20),
        (1, "no change", 20),
        (1, "relu", 20),
    ]


def test_the_order_of_rows_is_not_taken_for_that_of_time() -> None:
    straight = said("relu", 0.8)
    turned = Said(
        straight.row,
        Predictions(
            task="forecast",
            indices=straight.items.indices,
            arrays={name: array[::-1] for name, array in straight.items.arrays.items()},
        ),
    )
    (one,), (other,) = (list(forecasting.compared([each], "relu")) for each in (straight, turned))
    assert one == other


def test_a_table_names_the_series_only_where_there_are_several() -> None:
    alone = forecasting.table("ett", "relu", list(forecasting.compared([said("relu", 0.8)], "relu")), 0)
    several = forecasting.table("ett", "relu", list(forecasting.compared([said("relu", 0.8, series=2)], "relu")), 0)
    assert "series" not in alone.frame
    assert several.frame["series"].tolist() == [0, 1]
    assert "uncorrected" in alone.caption
