"""One-class examples that train in a moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from trainer.datasets.digits import digits
from trainer.datasets.reader import Dataset
from trainer.learner import Learner
from trainer.spec import ModelSpec, SplitSpec, TrainingSpec
from trainer.testing.tasks import Example


@pytest.fixture(scope="session")
def thirds() -> Dataset:
    """Digits of 8x8 in grey, of which every third is held out."""
    whole = digits.load(None, {})
    return dataclasses.replace(whole, fixed_heldout=np.arange(len(whole.items)) % 3 == 0)


@pytest.fixture
def one_class(thirds: Dataset) -> Callable[..., Example]:
    """Threes as the normal class, two epochs of autoencoder and three of the second stage; keywords replace that."""

    def make(**changes: object) -> Example:
        given = {
            "task": "one_class",
            "dataset": thirds,
            "model": ModelSpec(name="svdd_lenet"),
            "options": {"normal": 3, "autoencoder_epochs": 2},
            "split": SplitSpec(scheme="fixed", folds=1, validation=0.0),
            "training": TrainingSpec(epochs=5, batch=32, lr=1e-2, patience=None, checkpoint_rule="last"),
        }
        return Example(**{**given, **changes})

    return make


@pytest.fixture
def trained() -> Callable[..., Learner]:
    """An example's learner after its epochs, or after fewer."""

    def train(example: Example, *, epochs: int | None = None) -> Learner:
        learner = example.fitted()
        for epoch in range(1, (epochs or example.training.epochs) + 1):
            learner.train(epoch, lambda: None)
        return learner

    return train
