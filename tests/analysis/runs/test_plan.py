"""The plan as text: today's form, the one before, and those that cannot be read."""

from __future__ import annotations

import dataclasses
import json

import pytest

from analysis.errors import DeclarationError, SourceError
from analysis.runs import metric, plan, simulated
from analysis.runs.metric import Metric

PLAN = simulated.study(seed=1, activations=("relu", "elu"), epochs=2).plan
DEPTH = Metric(name="depth", better="lower", low=0.0, unit="m")


def test_a_plan_comes_back_as_it_went() -> None:
    searched = dataclasses.replace(PLAN, search_varies={"relu": ("training.lr",), "elu": ("activation.alpha",)})
    for one in (PLAN, searched):
        assert plan.from_json(plan.to_json(one)) == one


def test_a_plan_that_does_not_say_what_its_search_varied_is_read() -> None:
    raw = json.loads(plan.to_json(PLAN))
    del raw["search_varies"]
    assert plan.from_json(json.dumps(raw)) == PLAN


def test_a_plan_of_the_form_before_is_read_with_what_it_left_unsaid() -> None:
    raw = json.loads(plan.to_json(PLAN))
    del raw["task"], raw["metrics"]
    found = plan.from_json(json.dumps(raw | {"schema": 1}))
    assert found == PLAN
    assert found.task == "classification"
    assert [one.name for one in found.metrics] == ["loss", "accuracy", "f1_weighted", "f1_macro", "auc"]
    assert [one.sign for one in found.metrics] == [-1, 1, 1, 1, 1]
    assert [one.name for one in found.metrics if one.share_of_items] == ["accuracy"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 3}, "got schema 3, accepts 1 and 2; read the study with the version of actsweep that wrote it"),
        ({"colour": "red"}, "not a plan of this version"),
        ({"metrics": [{"name": "depth"}]}, "not a plan of this version"),
    ],
)
def test_a_plan_that_cannot_be_read_says_why(change: dict[str, object], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        plan.from_json(json.dumps(json.loads(plan.to_json(PLAN)) | change))
    with pytest.raises(SourceError, match="not a plan"):
        plan.from_json("[")


def test_a_metric_is_found_by_any_of_its_columns() -> None:
    for column in ("depth", "heldout/depth", "outcome.last/heldout/depth", "validation/depth"):
        assert metric.find((*PLAN.metrics, DEPTH), column) is DEPTH
    with pytest.raises(DeclarationError, match=r"'heldout/dept': the study does not measure it; nearest: depth"):
        metric.find((*PLAN.metrics, DEPTH), "heldout/dept")


def test_single_items_are_looked_at_by_the_metric_that_counts_them() -> None:
    assert metric.counting(PLAN.metrics, "loss").share_of_items
    assert metric.counting((DEPTH,), "depth") is DEPTH
