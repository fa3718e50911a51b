"""The task keeps to what every task has to, on a table, on one with several targets, and on a mesh."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.datasets.reader import Dataset
from trainer.datasets.regression.curve import curve
from trainer.datasets.tabular import diabetes
from trainer.spec import ActivationSpec, ModelSpec, SplitSpec, TrainingSpec
from trainer.testing.tasks import CHECKS, Example

MLP = ModelSpec(name="mlp", options={"hidden": "8"})
RANDOM = SplitSpec(folds=3, stratify=False)


def several() -> Dataset:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    values = np.c_[x[:, 0] * 1e3, x[:, 1] * 1e-3]
    return Dataset(name="several", items=x[:, None, None], values=values, kind="table", digest="0" * 64)


EXAMPLES = {
    "table": Example(task="regression", dataset=diabetes.load(None, {"target": "quantity"}), model=MLP, split=RANDOM),
    "ranges": Example(
        task="regression",
        options={"quantiles": 3, "loss": "huber"},
        dataset=diabetes.load(None, {"target": "quantity"}),
        model=MLP,
    ),
    "several": Example(task="regression", dataset=several(), model=MLP, split=RANDOM),
    "curve": Example(
        task="regression",
        options={"loss": "mae", "scale_targets": False, "diffusion": True},
        dataset=curve.load(None, {"dense": 50}),
        model=MLP,
        split=SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False),
        training=TrainingSpec(epochs=3, batch=3, lr=1e-3, patience=None, checkpoint_rule="last", precision="fp64"),
        activation=ActivationSpec(name="softplus"),
    ),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_it_conforms(example: str, check: str) -> None:
    CHECKS[check](EXAMPLES[example])
