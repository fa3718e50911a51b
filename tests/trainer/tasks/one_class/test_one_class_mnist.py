"""Deep SVDD on real digits against numbers that were measured before there was this code. Skipped, loudly, without them.

Of the full protocol: the residual of 32 principal components reaches 0.954 on threes and 0.849 on eights, the distance
to the mean image 0.865 in the mean over digits. With 1,000 normal images, the first 2,000 test images, 5 + 10 epochs
and Adam at 1e-3 (in batches of 32), threes reach 0.62 to 0.74 after the autoencoder and 0.85 to 0.91 at the end.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.datasets.mnist import mnist
from trainer.spec import ActivationSpec, TrainingSpec
from trainer.tasks.one_class import floors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if not (root := os.environ.get("ACTSWEEP_DATA")):
        pytest.skip("NOT TESTED: Deep SVDD on the real MNIST (ACTSWEEP_DATA is not set)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        return mnist.load(Path(root), {"part": "all"})


@pytest.mark.parametrize(("digit", "residual", "distance"), [(3, 0.954, 0.858), (8, 0.849, 0.791)])
def test_floors_are_those_that_were_measured_elsewhere(real, digit, residual, distance):
    train = (real.labels == digit) & ~real.fixed_heldout
    normal, heldout = (torch.from_numpy(real.items[kept] / 255.0) for kept in (train, real.fixed_heldout))
    found = floors.measured(normal, heldout, real.labels[real.fixed_heldout] != digit)
    assert round(found["residual of 32 principal components"]["auroc"], 3) == residual
    assert round(found["distance to the mean item"]["auroc"], 3) == distance


def smaller(dataset, *, normal, count, heldout):
    """The first ``count`` images of a digit and the first ``heldout`` test images."""
    kept = np.sort(
        np.concatenate(
            [
                np.flatnonzero((dataset.labels == normal) & ~dataset.fixed_heldout)[:count],
                np.flatnonzero(dataset.fixed_heldout)[:heldout],
            ]
        )
    )
    return dataclasses.replace(
        dataset,
        items=dataset.items[kept],
        labels=dataset.labels[kept],
        fixed_heldout=dataset.fixed_heldout[kept],
        groups={},
    )


@pytest.mark.parametrize(("digit", "low", "high"), [(3, 0.84, 0.92), (1, 0.97, 1.0)])
def test_two_digits_reach_what_such_a_network_does_at_this_size(real, one_class, trained, digit, low, high):
    few = smaller(real, normal=digit, count=1000, heldout=2000)
    learner = trained(
        one_class(
            dataset=few,
            options={"normal": digit, "autoencoder_epochs": 5},
            activation=ActivationSpec(name="leaky_relu"),
            training=TrainingSpec(
                epochs=15, batch=32, lr=1e-3, weight_decay=5e-7, patience=None, checkpoint_rule="last"
            ),
        )
    )
    end, before = learner.evaluate("heldout")["auroc"], learner.outcome()["auroc_autoencoder"]
    assert low < end < high
    assert 0.55 < before < end
    assert learner.task.remarks() == {}
