"""Ways of training that are known by name: ``training: {recipe: resnet-cifar}``. What a study says itself wins.

None decides what is compared: rule and patience stand here only where the source trains a fixed number of epochs. The
activations' own parameters do not decay in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slurm.messages import Problems, nearest
from slurm.yaml_reader import Path

KEY = "recipe"
WHERE: Path = ("training", KEY)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    training: Mapping[str, Any]
    """Fields of a study's ``training``."""
    source: str
    """Where it comes from, and what of it is not known."""


_TO_THE_END = {"checkpoint_rule": "last", "patience": None}
_CIFAR = {
    **_TO_THE_END,
    "epochs": 200,
    "batch": 128,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "decay": "no_activation",
    "augment": [{"crop": 4}, "flip"],
}
_KERAS = {**_TO_THE_END, "optimizer": "adam", "eps": 1e-7, "init": "he_normal"}

RECIPES: dict[str, Recipe] = {
    "resnet-cifar": Recipe(
        training={**_CIFAR, "schedule": "cosine"},
        source="github kuangliu/pytorch-cifar: SGD 0.1, momentum 0.9, weight decay 5e-4, batch 128, cosine over 200 "
        "epochs, crop with 4 pixels of padding, flip. There the test part picks the epoch; here it is the last",
    ),
    "steps-cifar": Recipe(
        training={
            **_CIFAR,
            "nesterov": True,
            "schedule": {"name": "multistep", "milestones": [0.3, 0.6, 0.8], "gamma": 0.2, "warmup": 1},
        },
        source="github weiaicunzai/pytorch-cifar100: as resnet-cifar, Nesterov, times 0.2 after epochs 60, 120 and 160 "
        "of 200, one epoch of warm-up (from memory)",
    ),
    "paper": Recipe(
        training={"epochs": 150, "batch": 32, "optimizer": "adam", "lr": 1e-4, "patience": 15},
        source="DSReLU, arXiv 2408.09156, as its text says: Adam 1e-4, batch 32, 150 epochs, patience 15",
    ),
    "paper-code": Recipe(
        training={"epochs": 150, "batch": 64, "optimizer": "adam", "lr": 1e-3, "patience": 15},
        source="DSReLU, its published notebooks: Adam 1e-3, batch 64 (32 on Mini-ImageNet), 150 epochs, patience 15",
    ),
    "lelu-tanh": Recipe(
        training={
            **_KERAS,
            "epochs": 15_000,
            "batch": 3,
            "lr": 1e-3,
            "precision": "fp64",
            "schedule": {
                "name": "plateau", "watch": "train", "factor": 0.5, "patience": 500, "cooldown": 100, "floor": 1e-6,
            },
        },
        source="LELU's published code, tanh curve: Keras, fp64, Adam 1e-3, batch 3, 15,000 epochs, plateau on the "
        "training loss (0.5 / 500 / 100 / 1e-6), He-normal (Keras cuts its normal at two deviations, this one does "
        "not), no validation",
    ),
    "lelu-exponential": Recipe(
        training={
            **_KERAS,
            "epochs": 20_000,
            "batch": 3,
            "lr": 1e-3,
            "precision": "fp64",
            "schedule": {
                "name": "plateau", "watch": "train", "factor": 0.5, "patience": 500, "cooldown": 100, "floor": 2e-7,
            },
        },
        source="LELU's published code, exponential curve: as lelu-tanh with 20,000 epochs and a floor of 2e-7",
    ),
    "lelu-motor": Recipe(
        training={
            **_KERAS,
            "epochs": 2500,
            "batch": 32,
            "lr": 2e-3,
            "init": "glorot_uniform",
            "schedule": {
                "name": "plateau", "watch": "train", "factor": 0.5, "patience": 250, "cooldown": 50, "floor": 1e-5,
            },
        },
        source="LELU's published code, motor map: Adam 2e-3, batch 32, 2,500 epochs, plateau (0.5 / 250 / 50 / 1e-5, "
        "an option there), Glorot-uniform (He-normal before July 2025); which of them the tables use is unknown",
    ),
    "deep-svdd": Recipe(
        training={
            **_TO_THE_END,
            "epochs": 300,
            "batch": 200,
            "optimizer": "adam",
            "lr": 1e-4,
            "weight_decay": 5e-7,
            "decay": "no_activation",
            "schedule": {"name": "multistep", "milestones": "0.333333333333", "gamma": 0.1},
        },
        source="github lukasruff/Deep-SVDD-PyTorch: 150 + 150 epochs of batch 200, Adam 1e-4, times 0.1 after 50 "
        "epochs of each stage, weight decay 5e-7 (5e-4 in its first stage, which is the task's to say)",
    ),
    "differnet": Recipe(
        training={
            **_TO_THE_END,
            "epochs": 192,
            "batch": 96,
            "optimizer": "adam",
            "lr": 2e-4,
            "beta1": 0.8,
            "beta2": 0.8,
            "eps": 1e-4,
            "weight_decay": 1e-5,
            "decay": "no_activation",
        },
        source="github marco-rudolph/differnet: Adam 2e-4, betas 0.8, eps 1e-4, weight decay 1e-5, 24 x 8 epochs, 24 "
        "images x 4 rotations a batch. There the best epoch of the test part counts; here it is the last",
    ),
    "mopgru": Recipe(
        training={"epochs": 100, "batch": 13, "optimizer": "adam", "lr": 1e-4, "patience": 20, "clip_norm": 1.0},
        source="github barathi-1993/Indian-Sign-Language-Recognition: Adam 1e-4, batch 13, up to 100 epochs, patience "
        "20. Gradients cut to norm 1 are ours, for all activations: an unbounded candidate can grow",
    ),
    "uci": Recipe(
        training={**_TO_THE_END, "epochs": 400, "batch": 128, "optimizer": "adam", "lr": 1e-3},
        source="github yaringal/DropoutUncertaintyExps: 10 x 40 epochs of batch 128; Adam's rate is Keras's default "
        "(likely), and its penalty on weights is tuned there for each data set",
    ),
}  # fmt: skip


def written_out(training: Mapping[str, Any]) -> dict[str, Any]:
    """``training`` as a file has it, with its recipe's fields in the recipe's place. Raises :class:`Problems` for a
    recipe that is not known."""
    if KEY not in training:
        return dict(training)
    own = {key: value for key, value in training.items() if key != KEY}
    name = training[KEY]
    if not isinstance(name, str) or name not in RECIPES:
        raise Problems([(WHERE, name, f"accepts {', '.join(RECIPES)}{nearest(name, RECIPES)}")])
    return {**RECIPES[name].training, **own}
