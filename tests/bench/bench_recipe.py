"""A narrow ResNet on CIFAR-10 with recipe and augmentation against without: bench_recipe.py [EPOCHS].

Reads the lossless sheets of ACTSWEEP_DATA (8,000 training and 2,000 test images), trains ResNet-18 of width 16 by each,
and prints the share of test images that are named right after the last epoch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch

from sweeps.study.recipes import RECIPES
from sweeps.study.sections import Training
from trainer import batches, device
from trainer.datasets.sheets import cifar10_sheets
from trainer.learner import Learner
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, SplitSpec
from trainer.tasks import task
from trainer.tasks.classification.task import Classification


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    dataset = cifar10_sheets.load(Path(os.environ["ACTSWEEP_DATA"]), {"part": "all"})
    target = device.choose("auto")
    plain = {"epochs": epochs, "patience": None, "checkpoint_rule": "last"}
    for name, training in {
        "without (Adam 1e-3, batch 128)": {**plain, "lr": 1e-3, "batch": 128},
        "without (SGD 0.1 alone)": {**plain, "optimizer": "sgd", "lr": 0.1, "batch": 128},
        "resnet-cifar": {**RECIPES["resnet-cifar"].training, "epochs": epochs},
    }.items():
        spec = FoldSpec(
            study="bench", study_seed=1, phase="confirm", trial="relu", repeat=0, fold=0,
            data=DataSpec(name="cifar10_sheets", options={"part": "all"}),
            split=SplitSpec(scheme="fixed", folds=1, validation=0.0), activation=ActivationSpec(name="relu"),
            model=ModelSpec(name="resnet18", options={"stem": "small", "width": 16}),
            training=Training.model_validate(training).spec({}),
        )  # fmt: skip
        with device.session(target, threads=torch.get_num_threads()):
            split = task.deal(Classification, dataset, spec)
            learner = Learner(spec, dataset, batches.resident(dataset, target), split, Classification(dataset))
            learner.fit()
            began = time.perf_counter()
            for epoch in range(1, epochs + 1):
                learner.end_epoch({f"train/{key}": value for key, value in learner.train(epoch, lambda: None).items()})
            right = learner.evaluate("heldout")
        seconds = time.perf_counter() - began
        print(f"{name:32} epochs {epochs}  loss {right['loss']:.3f}  right {right['accuracy']:.3f}  {seconds:.0f} s")


if __name__ == "__main__":
    main()
