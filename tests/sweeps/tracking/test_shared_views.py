"""The prepared views of a study, as the tags that MLflow's UI takes for saved views."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.runs.metric import Metric
from analysis.runs.plan import Plan, from_json
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import experiment, shared_views
from sweeps.tracking.folder_reader import FolderReader

RMSE = Metric(name="rmse", better="lower", unit="K")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    invent_study(tmp_path, [InventedTrial(label="relu")], write_folds=False)
    return from_json((tmp_path / "plan.json").read_text())


def searched(plan: Plan, **more: Any) -> Plan:
    varies = {
        "dsrelu": ("activation.a", "activation.b"),
        "apalu": ("activation.a", "activation.b"),
        "elu": ("training.lr",),
    }
    return dataclasses.replace(plan, search_selects_on="validation/accuracy", search_varies=varies, **more)


def states(plan: Plan, *params: str) -> dict[str, dict[str, Any]]:
    """Key -> the state as the UI reads it: that of the named view, which equals the keys beside it."""
    found = {}
    for tag, value in shared_views.tags(plan, params).items():
        view = json.loads(value)
        state = json.loads(view["state"])
        assert view["name"] == tag.removeprefix("mlflow.sharedViewState.")
        assert {name: view[name] for name in state if name in view} in (state, {})
        found[view["name"]] = state
    return found


def test_a_study_without_a_search_has_no_view_of_one(plan: Plan) -> None:
    assert list(states(plan)) == ["comparison", "folds"]
    assert list(states(searched(plan))) == ["comparison", "search", "folds"]


def test_the_ui_lists_the_view_to_be_opened_first(plan: Plan) -> None:
    made = [json.loads(value)["createdAt"] for value in shared_views.tags(searched(plan)).values()]
    assert made == sorted(made, reverse=True)
    assert made[-1] > 1_700_000_000_000  # milliseconds, and not of today: the same whenever it is made
    assert shared_views.tags(plan) == shared_views.tags(plan)


@pytest.mark.parametrize(("better", "first_is_lowest"), [("lower", True), ("higher", False)])
def test_the_best_of_any_metric_come_first(plan: Plan, better: Any, first_is_lowest: bool) -> None:
    metric = dataclasses.replace(RMSE, better=better)
    declaration = dataclasses.replace(plan.declaration, metric="rmse")
    other = searched(plan, metrics=(*plan.metrics, metric), declaration=declaration)
    other = dataclasses.replace(other, search_selects_on="validation/rmse")
    found = states(other)
    assert (found["comparison"]["orderByKey"], found["comparison"]["orderByAsc"]) == (
        "metrics.`mean/heldout/rmse`",
        first_is_lowest,
    )
    assert (found["search"]["orderByKey"], found["search"]["orderByAsc"]) == (
        "metrics.`mean/validation/rmse`",
        first_is_lowest,
    )


def test_folds_are_never_cut_to_the_best_ones(plan: Plan) -> None:
    """The UI loads a hundred runs: an average over the best hundred folds would flatter."""
    folds = states(plan)["folds"]
    assert (folds["orderByKey"], folds["orderByAsc"]) == ("tags.`actsweep.repeat`", True)
    assert folds["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "actsweep.activation"}]
    curves = [chart["metricKey"] for chart in folds["compareRunCharts"]]
    assert curves == ["validation/loss", "validation/accuracy", "train/loss"]
    assert all(chart["lineSmoothness"] == 0 for chart in folds["compareRunCharts"])


def test_all_runs_are_drawn_and_not_the_first_ten(plan: Plan) -> None:
    for state in states(searched(plan)).values():
        assert state["runsHiddenMode"] == "SHOW_ALL"
        assert all(chart["runsCountToCompare"] >= 100 for chart in state["compareRunCharts"])


def test_a_metric_of_the_heldout_part_alone_has_no_validation_curve(plan: Plan) -> None:
    metrics = (*plan.metrics, dataclasses.replace(RMSE, heldout_only=True))
    alone = dataclasses.replace(plan, metrics=metrics, declaration=dataclasses.replace(plan.declaration, metric="rmse"))
    curves = [chart["metricKey"] for chart in states(alone)["folds"]["compareRunCharts"]]
    assert curves == ["validation/loss", "train/loss"]


def test_settings_that_are_varied_together_share_a_chart(plan: Plan) -> None:
    """The UI leaves a run out of a chart of parallel coordinates where one of its params is none of the run's."""
    charts = states(searched(plan))["search"]["compareRunCharts"]
    parallel = [chart["selectedParams"] for chart in charts if chart["type"] == "PARALLEL"]
    assert parallel == [["activation.a", "activation.b"], ["training.lr"]]
    assert [chart["xaxis"]["key"] for chart in charts if chart["type"] == "SCATTER"] == [
        "activation.a",
        "activation.b",
        "training.lr",
    ]


def test_the_comparison_shows_what_confirmed_trials_have(tmp_path: Path) -> None:
    fixed = InventedTrial(label="dsrelu-75-30", params={"a": 3.7}, degrees={"a": 75.0})
    tried = InventedTrial(label="elu", phase="search", params={"alpha": 2.0})
    invent_study(tmp_path, [InventedTrial(label="relu"), fixed, tried], write_folds=False)
    (tmp_path / "trials" / "relu-c000" / "trial.json").write_text("{")  # told when its own turn comes
    reader = FolderReader.open(tmp_path)
    columns = json.loads(experiment.tags(reader)["mlflow.sharedViewState.comparison"])["selectedColumns"]
    assert [name for name in columns if name.startswith("params")] == [
        "params.`activation.a`",
        "params.`activation.a_degrees`",
        "params.`training.lr`",
    ]
    assert {
        "tags.`actsweep.activation`",
        "tags.`actsweep.verdict`",
        "metrics.`mean/heldout/accuracy`",
        "metrics.`sd/heldout/accuracy`",
    } <= set(columns)
    assert {"metrics.`seconds/epoch`", "attributes.`Duration`"} <= set(columns)


def test_a_value_is_never_longer_than_mlflow_takes(plan: Plan) -> None:
    """As the study grows: the state is written once, then some settings lose their columns, before nothing fits."""
    params = [f"activation.parameter_number_{number:03d}" for number in range(60)]
    labels = tuple(f'a label with ‘odd’ "characters", {number}' for number in range(200))
    varies = {label: tuple(params) for label in labels}
    many = dataclasses.replace(searched(plan), activations=labels, search_varies=varies)
    found = shared_views.tags(many)
    assert max(map(len, found.values())) <= shared_views.MAX_VALUE
    assert list(states(many)) == ["comparison", "search", "folds"]
    few = shared_views.tags(plan, ["activation.a"])
    assert all("selectedColumns" in json.loads(value) for value in few.values())  # for the UIs of before
