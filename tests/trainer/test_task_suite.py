"""The checks that every task has to pass: the shipped ones do, and each check finds what it is there for."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainer import catalogue
from trainer.datasets.digits import digits
from trainer.datasets.reader import Dataset, Windows
from trainer.spec import ModelSpec, SplitSpec, TrainingSpec
from trainer.tasks.classification.task import Classification
from trainer.tasks.metric import Metric
from trainer.testing.tasks import CHECKS, Example, conform


def few_digits(*, classes: int = 10, each: int = 24) -> Dataset:
    whole = digits.load(None, {})
    assert whole.labels is not None
    kept = np.sort(np.concatenate([np.flatnonzero(whole.labels == number)[:each] for number in range(classes)]))
    return dataclasses.replace(
        whole, items=whole.items[kept], labels=whole.labels[kept], classes=whole.classes[:classes], groups={}
    )


def rows(*, count: int = 90, features: int = 5) -> Dataset:
    """A table with a quantity."""
    drawn = np.random.default_rng(0).normal(size=(count, 1, 1, features))
    return Dataset(
        name="rows",
        items=drawn,
        values=drawn[:, 0, 0, :2] @ np.array([[3.0], [-1.0]]) + drawn[:, 0, 0, 2:3] ** 2,
        kind="table",
        standardise="fold",
        digest="1" * 64,
    )


def windows(*, steps: int = 120, length: int = 6) -> Dataset:
    """Windows of a random walk, each with the level of the step after it."""
    series = np.random.default_rng(0).normal(size=steps).cumsum()
    first = np.arange(steps - length)
    return Dataset(
        name="walk",
        items=np.stack([series[start : start + length] for start in first])[:, None, :, None],
        values=series[first + length][:, None],
        kind="sequence",
        standardise="fold",
        order=first + length - 1,
        windows=Windows(
            first=first,
            ahead=first + length,
            known=series[first + length - 1][:, None],
            series=np.zeros(len(first), np.int64),
            column=0,
        ),
        digest="2" * 64,
    )


def pictures() -> Dataset:
    """Noise, and for a third of the items a bright square in it."""
    rng = np.random.default_rng(4)
    items = rng.integers(60, 120, (36, 1, 32, 32)).astype(np.uint8)
    items[24:, :, 8:18, 8:18] = 250
    labels = np.repeat([0, 1], [24, 12])
    return Dataset(name="noise", items=items, labels=labels, classes=("good", "hole"), digest="3" * 64)


def examples() -> dict[str, list[Example]]:
    """At least one of each task that is shipped."""
    images = few_digits(classes=4)
    table = dataclasses.replace(images, items=images.items.reshape(len(images.items), 1, 1, 64), kind="table")
    sequence = dataclasses.replace(images, kind="sequence", standardise="fold")
    outside = dataclasses.replace(images, fixed_heldout=np.arange(len(images.items)) % 3 == 0)
    staged = TrainingSpec(epochs=4, batch=16, lr=1e-2, patience=None, checkpoint_rule="last")
    mlp = ModelSpec(name="mlp", options={"hidden": "16"})
    return {
        "classification": [
            Example(task="classification", dataset=images, model=ModelSpec(name="tiny_cnn")),
            Example(task="classification", dataset=table, model=mlp),
        ],
        "regression": [
            Example(task="regression", dataset=rows(), model=mlp, split=SplitSpec(folds=3, stratify=False)),
            Example(task="regression", dataset=rows(), model=mlp, options={"loss": "mae", "quantiles": 3}),
        ],
        "forecast": [
            Example(
                task="forecast",
                dataset=windows(),
                model=mlp,
                options={"target": target},
                split=SplitSpec(scheme="time", folds=2, purge=6, stratify=False),
            )
            for target in ("difference", "level")
        ],
        "anomaly": [
            Example(
                task="anomaly",
                dataset=pictures(),
                model=ModelSpec(name="flow", options={"blocks": 2, "width": 16}),
                options={"backbone": "resnet18", "weights": "random", "rotations": 2, "levels": "0,1"},
            ),
        ],
        "one_class": [
            Example(
                task="one_class",
                dataset=images,
                model=ModelSpec(name="svdd_lenet"),
                options={"normal": 3, "autoencoder_epochs": 2},
                training=staged,
            ),
            Example(
                task="one_class",
                dataset=outside,
                model=ModelSpec(name="svdd_lenet"),
                options={"autoencoder_epochs": 1, "embedding": 16},
                split=SplitSpec(scheme="cases", folds=4, validation=0.0),
                training=staged,
            ),
            Example(task="one_class", dataset=table, model=mlp, options={"normal": 1, "embedding": 4}),
            Example(task="one_class", dataset=sequence, model=mlp, options={"normal": 2, "embedding": 4}),
        ],
    }


def test_every_shipped_task_has_an_example() -> None:
    assert examples().keys() == catalogue.TASKS.keys()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("task", catalogue.TASKS)
def test_shipped_tasks_conform(task: str, check: str) -> None:
    for example in examples().get(task, []):
        CHECKS[check](example)


# -- each check can fail -----------------------------------------------------------------------------------------------


class Peeks(Classification):
    """Learns from the held-out part."""

    def begin_stage(self, view: Any) -> None:
        with torch.no_grad():
            for parameter in view.model.parameters():
                parameter.mul_(1.0 + view.part("heldout").stored()[0].float().mean())


class Forgets(Classification):
    """Counts outside of its buffers."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.seen = 0

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return super().loss(outputs, targets) * self.seen


class Disturbs(Classification):
    """Trains on what it is asked to measure."""

    def outcome(self, view: Any) -> dict[str, float]:
        next(view.model.parameters()).data.mul_(0.5)
        return {}


class FewRows(Classification):
    def predictions(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        return {"labels": targets.numpy()[1:]}


class BeyondBounds(Classification):
    def measure(self, outputs: torch.Tensor, targets: torch.Tensor, part: str) -> dict[str, float]:
        return {**super().measure(outputs, targets, part), "accuracy": 100.0}


class NotANumber(Classification):
    def measure(self, outputs: torch.Tensor, targets: torch.Tensor, part: str) -> dict[str, float]:
        return {**super().measure(outputs, targets, part), "auc": float("nan")}


class Undeclared(Classification):
    def references(self, train: torch.Tensor, heldout: torch.Tensor) -> dict[str, float]:
        return {"acuracy": 0.1}


class AsksTheModel(Classification):
    def floors(self, view: Any) -> dict[str, dict[str, float]]:
        return {"the model itself": {"loss": float(view.outputs("heldout").abs().mean())}}


class TooShort(Classification):
    def stages(self, training: TrainingSpec) -> Any:
        from trainer.tasks.view import Stage

        return (Stage(name="", epochs=training.epochs - 1, training=training),)


class Unreduced(Classification):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="none")


class SaysOtherwise(Classification):
    metrics = (*Classification.metrics[:2], Metric(name="kappa", better="higher"))
    stratifies = False


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (Peeks, "trains_on_the_training_part_alone", "with other items held out"),
        (Forgets, "resumes_bit_for_bit", "resumed after epoch 1"),
        (Disturbs, "looking_changes_nothing", "with every part measured"),
        (FewRows, "predictions_have_a_row_an_item", "labels has the shape"),
        (BeyondBounds, "measures_what_it_says", "accuracy is 100.0, outside its bounds"),
        (NotANumber, "measures_what_it_says", "auc is nan"),
        (Undeclared, "floors_are_sound", "acuracy"),
        (AsksTheModel, "floors_are_sound", "they look at the model"),
        (TooShort, "stages_come_to_the_epochs", "accepts stages that come to training.epochs"),
        (Unreduced, "losses_train", r"expected a loss of shape \(\)"),
        (SaysOtherwise, "description_agrees", "stratifies is False"),
    ],
)
def test_a_check_finds_what_it_is_there_for(
    kind: type, check: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, __name__, _Here())  # type: ignore[arg-type]
    example = Example(
        task=f"{__name__}:{kind.__name__}", dataset=few_digits(classes=3), model=ModelSpec(name="tiny_cnn")
    )
    with pytest.raises((AssertionError, ValueError), match=words):
        CHECKS[check](example)


class _Here:
    """This file as a module: pytest imports it under no name that an import path could give."""

    def __getattr__(self, name: str) -> Any:
        return globals()[name]


def test_all_at_once_stops_at_the_first_fault() -> None:
    data = few_digits(classes=3)
    conform(Example(task="classification", dataset=data, model=ModelSpec(name="tiny_cnn")))
