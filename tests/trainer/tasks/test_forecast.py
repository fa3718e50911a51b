"""Forecasts: measured against "no change" in the series' own units, on parts that follow one another in time."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from trainer import batches, entry, journal
from trainer.codec import to_text
from trainer.datasets.options import choose
from trainer.datasets.reader import About, Dataset
from trainer.datasets.series.windows import SHAPE, History, dataset
from trainer.errors import SpecError, UnknownName
from trainer.learner import Learner
from trainer.preflight import problems
from trainer.spec import DataSpec, FoldSpec, ModelSpec, Pack, Scalar, SplitSpec
from trainer.tasks import task as tasks
from trainer.tasks.description import describe
from trainer.tasks.forecast.task import AUTOREGRESSION, DRIFT, PERSISTENCE, WHOLE_WINDOW, Forecast
from trainer.testing.tasks import CHECKS, Example

TIME = SplitSpec(scheme="time", folds=3, validation=0.25, stratify=False, purge=6)
"""Windows of 5 steps, one ahead, reach over 6 steps."""


def history(count: int, seed: int = 3) -> History:
    """Two series of ``count`` steps each, whose change is half of the one before and noise; a second column beside."""
    generator = np.random.default_rng(seed)
    rows = []
    for start in (100.0, 5.0):
        change = np.zeros(count)
        for step in range(1, count):
            change[step] = 0.5 * change[step - 1] + generator.normal()
        rows.append(np.stack([start + np.cumsum(change), generator.normal(size=count)], axis=1))
    return History(
        times=np.tile(np.arange(count, dtype=np.float64), 2),
        rows=np.concatenate(rows),
        columns=("price", "noise"),
        target="price",
        series=np.repeat(np.arange(2), count),
        names=("a", "b"),
        group="who",
    )


class Walks:
    """Options are those of all series, with ``flat`` and ``bare`` for what does not fit."""

    about = About(title="walks", licence="", citation="", source="", needs="")

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        given = {"window": 5, **options}
        bare, flat, count = given.pop("bare", False), given.pop("flat", False), given.pop("count", 120)
        made = history(int(count or 0))
        if flat:
            made = dataclasses.replace(made, rows=np.ones_like(made.rows))
        found = dataset("walks", made, choose("walks", SHAPE, given))
        return dataclasses.replace(found, windows=None) if bare else found

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)


walks = Walks()


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lab", sys.modules[__name__])


@pytest.fixture
def forecast(small):
    def make(options: dict[str, Scalar] | None = None, task: dict[str, Scalar] | None = None, **changes) -> FoldSpec:
        return small(
            **{
                "task": "forecast",
                "task_options": task or {},
                "data": DataSpec(name="lab:walks", options=options or {}),
                "split": TIME,
                "model": ModelSpec(name="mlp", options={"hidden": "8"}),
                "batch": 16,
                **changes,
            }
        )

    return make


def learner(spec: FoldSpec) -> Learner:
    stored = walks.load(None, spec.data.options)
    found = tasks.derived(spec, stored, torch.device("cpu"), None)
    kind = tasks.fitting(spec.task, spec.task_options, found)
    split = tasks.deal(kind, found, spec)
    made = Learner(spec, found, batches.resident(found, torch.device("cpu")), split, kind(found, **spec.task_options))
    made.fit()
    return made


# -- what is measured --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["difference", "level"])
def test_metrics_are_scikit_learns_of_the_predicted_levels(forecast, target: str) -> None:
    made = learner(forecast(task={"target": target}))
    made.train(1, lambda: None)
    outputs = made.outputs("heldout")
    found, kept = made.measure(outputs, "heldout"), made.task.predictions(outputs, made.targets("heldout"))
    true, predicted, known = kept["target"], kept["prediction"], kept["persistence"]
    assert found["rmse"] == pytest.approx(math.sqrt(mean_squared_error(true, predicted)))
    assert found["mae"] == pytest.approx(mean_absolute_error(true, predicted))
    assert found["r2"] == pytest.approx(r2_score(true, predicted))
    assert found["skill"] == pytest.approx(1 - mean_squared_error(true, predicted) / mean_squared_error(true, known))
    assert found["direction"] == pytest.approx(np.mean((predicted > known) == (true > known)))
    assert set(found) == set(describe("forecast").names)


def test_predictions_are_levels_of_the_series_with_their_step(forecast) -> None:
    made = learner(forecast())
    kept = made.task.predictions(made.outputs("heldout"), made.targets("heldout"))
    raw = history(120)
    for series in (0, 1):
        price = raw.rows[raw.series == series, 0]
        mine = kept["series"] == series
        assert np.array_equal(kept["target"][mine], price[kept["ahead"][mine]])
        assert np.array_equal(kept["persistence"][mine], price[kept["order"][mine]])


def test_a_model_that_gives_no_change_has_no_skill_and_the_target_is_scaled_by_the_training_part(forecast) -> None:
    made = learner(forecast())
    targets = made.targets("train")
    change = targets[:, 0] - targets[:, 1]
    assert float(made.task.shift) == pytest.approx(float(change.mean()))
    assert float(made.task.scale) == pytest.approx(float(change.std(correction=0)))
    heldout = made.targets("heldout")
    still = (-made.task.shift / made.task.scale).expand(len(heldout), 1)
    assert made.task.measure(still, heldout, "heldout")["skill"] == pytest.approx(0.0, abs=1e-12)
    assert made.references()["skill"] == 0.0
    assert "direction" not in made.references()


def test_floors_are_persistence_drift_and_least_squares(forecast) -> None:
    made = learner(forecast({"count": 1200}))
    floors = made.floors()
    assert list(floors) == [PERSISTENCE, DRIFT, AUTOREGRESSION, WHOLE_WINDOW]
    assert floors[PERSISTENCE]["skill"] == 0.0
    # A change that is half of the one before is told by the last two levels: a quarter of its variance.
    assert 0.1 < floors[AUTOREGRESSION]["skill"] < 0.4
    train, heldout = made.part("train"), made.part("heldout")
    past = [part.stored()[:, 0, :, 0].double().numpy() for part in (train, heldout)]
    table = [np.column_stack([np.ones(len(one)), one]) for one in past]
    both = train.targets.numpy()
    weights = np.linalg.lstsq(table[0], both[:, 0] - both[:, 1], rcond=None)[0]
    said, known = table[1] @ weights + heldout.targets[:, 1].numpy(), heldout.targets.numpy()
    assert floors[AUTOREGRESSION]["mae"] == pytest.approx(mean_absolute_error(known[:, 0], said), rel=1e-5)
    drift = (both[:, 0] - both[:, 1]).mean()
    assert floors[DRIFT]["rmse"] == pytest.approx(math.sqrt(((known[:, 1] + drift - known[:, 0]) ** 2).mean()))


def test_a_window_of_one_series_has_no_second_regression_and_too_wide_a_one_neither(forecast, monkeypatch) -> None:
    monkeypatch.setattr("trainer.tasks.forecast.task.WIDEST", 9)
    assert WHOLE_WINDOW not in learner(forecast()).floors()


def test_where_nothing_moves_the_metrics_are_nan_with_a_reason(forecast) -> None:
    made = learner(forecast())
    flat = torch.full((5, 2), 7.0, dtype=torch.float64)
    found = made.task.measure(torch.zeros(5, 1), flat, "heldout")
    assert all(math.isnan(found[name]) for name in ("skill", "direction", "r2"))
    assert set(made.task.remarks()) == {"skill", "direction", "r2"}
    made.evaluate("heldout")
    assert made.task.remarks() == {}


def test_prices_far_from_zero_lose_nothing(forecast) -> None:
    spec = forecast()
    stored = walks.load(None, {})
    far = dataclasses.replace(
        stored,
        values=stored.values + 1e7,
        windows=dataclasses.replace(stored.windows, known=stored.windows.known + 1e7),
    )
    derived = tasks.derived(spec, far, torch.device("cpu"), None)
    held = batches.resident(derived, torch.device("cpu")).targets
    assert (held[:, 0] - held[:, 1]).numpy() == pytest.approx((stored.values - stored.windows.known)[:, 0], abs=1e-7)
    assert derived.digest == far.digest


# -- splits ------------------------------------------------------------------------------------------------------------


def test_each_part_comes_after_the_one_before_it_with_nothing_shared(forecast) -> None:
    spec = forecast()
    for fold in range(3):
        made = learner(dataclasses.replace(spec, fold=fold))
        windows = walks.load(None, {}).windows
        train, validation, heldout = (made.parts[name].numpy() for name in ("train", "validation", "heldout"))
        assert windows.ahead[train].max() < windows.first[validation].min()
        assert windows.ahead[validation].max() < windows.first[heldout].min()


@pytest.mark.parametrize(
    "split",
    [
        SplitSpec(folds=3, stratify=False, validation=0.2),
        SplitSpec(scheme="block", folds=3, stratify=False, validation=0.0),
        SplitSpec(scheme="time", folds=3, stratify=False, validation=0.25, purge=4),
        SplitSpec(scheme="time", folds=3, stratify=False, validation=0.25),
    ],
    ids=["shuffled", "blocks", "too small a gap", "no gap"],
)
def test_a_split_that_lets_a_model_see_what_it_is_to_predict_is_refused(forecast, split: SplitSpec) -> None:
    (words,) = problems([forecast(split=split), forecast(split=split, fold=1)], None)
    assert "task forecast, fold" in words
    assert "use folds: {scheme: time, purge: 5} (window + horizon - 1 steps)" in words


def test_a_longer_horizon_needs_a_longer_gap(forecast) -> None:
    (words,) = problems([forecast({"horizon": 4})], None)
    assert "purge: 8}" in words
    assert problems([forecast({"horizon": 4}, split=dataclasses.replace(TIME, purge=8))], None) == []


def test_whole_series_may_be_held_out_whatever_the_time(forecast) -> None:
    split = SplitSpec(folds=2, stratify=False, group="who", validation=0.0)
    made = learner(forecast(split=split, checkpoint_rule="last"))
    held = {int(series) for series in walks.load(None, {}).windows.series[made.parts["heldout"].numpy()]}
    assert len(held) == 1
    assert held.isdisjoint(walks.load(None, {}).windows.series[made.parts["train"].numpy()].tolist())


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_data_that_are_no_series_and_one_that_is_constant_are_refused(forecast) -> None:
    (words,) = problems([forecast(data=DataSpec(name="digits"))], None)
    assert "its items are no windows of a time series; accepts the data sets series" in words
    (words,) = problems([forecast({"bare": True})], None)
    assert "its items are no windows of a time series" in words
    (words,) = problems([forecast({"flat": True})], None)
    assert "is 1 at every step; accepts one that varies" in words


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "return"}, "target is 'return'; accepts difference .* or level"),
        ({"tarket": "level"}, "unknown option 'tarket'; .* did you mean target"),
    ],
)
def test_an_option_of_the_task_is_read_strictly(options: dict[str, Scalar], said: str) -> None:
    with pytest.raises((SpecError, UnknownName), match=said):
        describe("forecast", options)


def test_what_a_reader_of_ones_own_says_of_windows_is_checked(monkeypatch, forecast) -> None:
    load = Walks.load

    def wrong(self: Walks, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        found = load(self, root, options)
        return dataclasses.replace(found, windows=dataclasses.replace(found.windows, ahead=found.order, column=2))

    monkeypatch.setattr(Walks, "load", wrong)
    (words,) = problems([forecast()], None)
    assert "accepts first <= order < ahead" in words
    assert "windows.column is 2; accepts a feature of the items, 0 to 1" in words


# -- folds -------------------------------------------------------------------------------------------------------------


def ended(pack: Pack) -> tuple[journal.FoldHistory, dict[str, np.ndarray]]:
    entry.run(to_text(pack))
    folder = Path(pack.launches[0].folder)
    found = journal.read_fold(folder)
    assert found is not None
    return found, dict(np.load(next(folder.glob("attempt-*/predictions.npz"))))


def test_a_fold_writes_down_its_floors_and_its_predictions(forecast, packed) -> None:
    found, kept = ended(packed(forecast()))
    assert found.start.floors[PERSISTENCE]["skill"] == 0.0
    assert found.end.outcomes["validation_loss"].metrics.keys() >= {"heldout/skill", "heldout/r2", "heldout/direction"}
    assert {"indices", "task", "order", "ahead", "series", "target", "prediction", "persistence"} <= kept.keys()
    assert len({len(array) for name, array in kept.items() if name not in ("task", "schema")}) == 1


def test_activations_are_dealt_the_same_and_seeds_are_not(forecast) -> None:
    first, other = learner(forecast()), learner(forecast(study_seed=8))
    assert first.data.targets.equal(other.data.targets)
    assert not next(first.model.parameters()).equal(next(other.model.parameters()))
    assert all(first.parts[part].equal(other.parts[part]) for part in first.parts)


@pytest.mark.parametrize("model", ["mlp", "gru"])
@pytest.mark.parametrize("target", ["difference", "level"])
def test_a_signal_after_an_epoch_costs_no_digit(forecast, packed, left_after, model: str, target: str) -> None:
    spec = forecast(task={"target": target}, model=ModelSpec(name=model))
    calm, numbers = ended(packed(spec, where="calm"))
    pack = packed(spec)
    left_after(pack, 1)
    resumed, again = ended(pack)
    assert resumed.start.resumed_epoch == 1
    assert [one.metrics for one in resumed.epochs] == [one.metrics for one in calm.epochs]
    assert resumed.end.outcomes == calm.end.outcomes
    assert all(np.array_equal(again[name], numbers[name]) for name in numbers)


@pytest.mark.slow
def test_a_fold_that_is_killed_ends_as_one_that_was_not(forecast, packed, killed_after, tmp_path: Path) -> None:
    made = history(160)
    lines = [f"{int(time)},{row[0]},{row[1]}" for time, row in zip(made.times[:160], made.rows[:160], strict=True)]
    (tmp_path / "walk.csv").write_text("\n".join(["day,price,noise", *lines]) + "\n")
    options = {"path": "walk.csv", "time": "day", "target": "price", "window": 5}
    spec = forecast(data=DataSpec(name="series", options=options), epochs=4)
    calm, numbers = ended(packed(spec, where="calm", data_root=str(tmp_path)))
    pack = packed(spec, data_root=str(tmp_path))
    killed_after(pack, 2)
    resumed, again = ended(pack)
    assert resumed.start.resumed_epoch == 2
    assert [one.metrics for one in resumed.epochs] == [one.metrics for one in calm.epochs]
    assert resumed.end.outcomes == calm.end.outcomes
    assert all(np.array_equal(numbers[name], again[name]) for name in numbers)


@pytest.mark.parametrize("target", ["difference", "level"])
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_to_what_every_task_has_to(check: str, target: str) -> None:
    example = Example(
        task="forecast",
        dataset=walks.load(None, {}),
        model=ModelSpec(name="mlp", options={"hidden": "8"}),
        options={"target": target},
        split=TIME,
    )
    CHECKS[check](example)


# -- real data ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_oil_temperature_a_level_is_learnt_worse_than_no_change_is(small) -> None:
    root = os.environ.get("ACTSWEEP_DATA")
    if not root:
        pytest.skip("NOT TESTED: forecasts of the real ETTh1 (ACTSWEEP_DATA is not set)")
    from trainer.datasets.series.ett import ett

    skills = {}
    for target in ("difference", "level"):
        spec = small(
            task="forecast",
            task_options={"target": target},
            data=DataSpec(name="ett"),
            split=SplitSpec(scheme="fixed", folds=1, validation=0.25, stratify=False, purge=48),
            model=ModelSpec(name="mlp", options={"hidden": "64,64"}),
            epochs=2,
            lr=1e-3,
        )
        stored = tasks.derived(spec, ett.load(Path(root), {}), torch.device("cpu"), None)
        kind = tasks.fitting(spec.task, spec.task_options, stored)
        split = tasks.deal(kind, stored, spec)
        assert (len(split.heldout), len(split.train)) == (2880, 8520)
        made = Learner(
            spec, stored, batches.resident(stored, torch.device("cpu")), split, Forecast(stored, target=target)
        )
        made.fit()
        for epoch in (1, 2):
            made.train(epoch, lambda: None)
        skills[target] = made.evaluate("heldout")["skill"]
    # Measured elsewhere with 2 or 3 epochs: -8 to -13 for levels, -0.17 to -0.28 for differences.
    assert skills["level"] < -4
    assert -0.6 < skills["difference"] < 0.05
