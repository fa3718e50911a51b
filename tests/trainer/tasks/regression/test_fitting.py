"""Which options the task takes, which data fit it, and how it deals items by ranges of the target."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from trainer.catalogue import DATASETS
from trainer.datasets.digits import digits
from trainer.datasets.reader import Dataset
from trainer.datasets.regression.curve import curve
from trainer.datasets.tabular import diabetes
from trainer.errors import DataError, SpecError, UnknownName
from trainer.spec import SplitSpec
from trainer.splits import split
from trainer.tasks import task as tasks
from trainer.tasks.description import describe
from trainer.tasks.regression import facts
from trainer.tasks.regression.task import Regression


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"los": "mae"}, "unknown option 'los'; accepts loss, scale_targets, diffusion, quantiles; did you mean loss?"),
        ({"loss": "rmse"}, "loss is 'rmse'; accepts mse, mae, huber"),
        ({"loss": None}, "loss is None; accepts mse, mae, huber"),
        ({"scale_targets": 1}, "scale_targets is 1; accepts true or false"),
        ({"diffusion": "yes"}, "diffusion is 'yes'; accepts true or false"),
        ({"quantiles": 1}, "quantiles is 1; accepts 0"),
        ({"quantiles": 2.5}, "quantiles is 2.5; accepts 0"),
        ({"quantiles": True}, "quantiles is True; accepts 0"),
        ({"quantiles": -2}, "quantiles is -2; accepts 0"),
    ],
)
def test_options_that_it_does_not_take_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises((SpecError, UnknownName)) as caught:
        describe("regression", options)  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_the_light_description_and_the_class_agree() -> None:
    import inspect

    known = inspect.signature(Regression.__init__).parameters.values()
    assert {one.name: one.default for one in known if one.kind is one.KEYWORD_ONLY} == facts.DEFAULTS
    for options in ({}, {"diffusion": True}, {"quantiles": 4}):
        assert describe("regression", options) == Regression.described("regression", **options)  # type: ignore[arg-type]


def test_diffusion_is_no_checkpoint_rule() -> None:
    found = describe("regression", {"diffusion": True})
    assert found.names[-2:] == ("diffusion", "diffusion_excess")
    assert found.rules == (*(f"validation_{metric.name}" for metric in facts.METRICS), "last")
    assert found.primary == "rmse"


def test_classes_are_sent_to_classification() -> None:
    with pytest.raises(DataError) as caught:
        tasks.fitting("regression", {}, digits.load(None, {}))
    assert str(caught.value) == (
        "data set 'digits', task regression: it has classes and no quantities; the task classification fits"
    )


def test_a_constant_target_is_refused() -> None:
    data = diabetes.load(None, {"target": "quantity"})
    assert data.values is not None
    for values, told in (
        (np.full_like(data.values, 3.5), "its target is 3.5 for every item; accepts one that varies"),
        (np.c_[data.values, np.zeros(442)], "column 1 of its values is 0 for every item"),
    ):
        with pytest.raises(DataError, match=told):
            tasks.fitting("regression", {}, dataclasses.replace(data, values=values))


def test_a_training_part_with_a_constant_target_is_refused() -> None:
    values = np.zeros((30, 1))
    values[:10] = np.arange(10.0)[:, None]
    data = Dataset(
        name="rare",
        items=np.arange(30.0)[:, None, None, None],
        values=values,
        kind="table",
        groups={"site": np.repeat([0, 1, 2], 10)},
        digest="",
    )
    made = None
    for fold in range(3):
        spec = SplitSpec(folds=3, group="site", validation=0.5, stratify=False)
        found = split(data, spec, None, phase="confirm", seed=1, repeat=0, fold=fold)
        if values[found.train].max() == 0:
            made = found
    assert made is not None
    with pytest.raises(DataError, match=r"the target is the same for all \d+ items of a training part"):
        Regression(data).trained_on(made)


@pytest.mark.parametrize("count", [2, 5])
def test_every_part_gets_its_share_of_each_range(count: int) -> None:
    data = diabetes.load(None, {"target": "quantity"})
    strata = Regression.strata(data, quantiles=count)
    assert strata is not None
    assert len(strata.names) == count
    assert np.bincount(strata.numbers) == pytest.approx(442 / count, abs=4)
    means = []
    for fold in range(4):
        found = split(data, SplitSpec(folds=4), strata, phase="confirm", seed=1, repeat=0, fold=fold)
        assert np.bincount(strata.numbers[found.heldout]) == pytest.approx(442 / 4 / count, abs=2)
        means.append(float(data.values[found.heldout].mean()))  # type: ignore[index]
    assert Regression.strata(data) is None
    if count == 5:
        assert np.ptp(means) < 10.0  # at random: 20


def test_values_that_repeat_give_fewer_ranges_and_none_that_is_empty() -> None:
    whole = np.array([0.0] * 50 + [1.0] * 30 + [2.0] * 20)[:, None]
    data = Dataset(name="whole", items=np.zeros((100, 1, 1, 1)), values=whole, kind="table", digest="")
    strata = Regression.strata(data, quantiles=10)
    assert strata is not None
    assert np.bincount(strata.numbers).tolist() == [50, 30, 20]
    assert strata.names[0] == "target from 0 to 1"
    two = dataclasses.replace(data, values=np.repeat([5.0, 7.0], 50)[:, None])
    assert np.bincount(Regression.strata(two, quantiles=3).numbers).tolist() == [50, 50]  # type: ignore[union-attr]


def test_the_curve_is_offered_with_its_dense_points_held_out() -> None:
    assert {"curve", "motor_map", "uci_regression"} <= DATASETS.keys()
    found = split(
        curve.load(None, {"points": 14, "dense": 50}),
        SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False),
        None,
        phase="confirm",
        seed=1,
        repeat=3,
        fold=0,
    )
    assert (len(found.train), len(found.heldout)) == (14, 50)
