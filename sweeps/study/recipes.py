"""Named recipes: training fields that belong together, with where they come from. A study that names one has its fields
written into its ``training``; what the study says itself wins. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    training: Mapping[str, Any]
    source: str


_CROP_AND_FLIP = ({"crop": 4}, "flip")

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "resnet-cifar": Recipe(
            training={
                "epochs": 200,
                "batch": 128,
                "optimizer": "sgd",
                "lr": 0.1,
                "momentum": 0.9,
                "weight_decay": 5e-4,
                "schedule": "cosine",
                "patience": None,
                "augment": _CROP_AND_FLIP,
            },
            source="what small-image networks are commonly trained with on CIFAR-10: github kuangliu/pytorch-cifar; "
            "that repository picks its epoch on the test part, this recipe does not",
        ),
        "resnet-cifar-steps": Recipe(
            training={
                "epochs": 200,
                "batch": 128,
                "optimizer": "sgd",
                "lr": 0.1,
                "momentum": 0.9,
                "nesterov": True,
                "weight_decay": 5e-4,
                "schedule": {"name": "multistep", "milestones": [60, 120, 160], "gamma": 0.2, "warmup": 1},
                "patience": None,
                "augment": _CROP_AND_FLIP,
            },
            source="the same for CIFAR-100: github weiaicunzai/pytorch-cifar100",
        ),
        "paper": Recipe(
            training={"epochs": 150, "batch": 32, "optimizer": "adam", "lr": 1e-4, "patience": 15},
            source="what the DSReLU paper states (arXiv 2408.09156, section 4); its released code has lr 1e-3",
        ),
        "lelu-curve": Recipe(
            training={
                "epochs": 15_000,
                "batch": 3,
                "optimizer": "adam",
                "lr": 1e-3,
                "precision": "fp64",
                "init": "he_normal",
                "patience": None,
                "schedule": {
                    "name": "plateau",
                    "on": "train",
                    "factor": 0.5,
                    "patience": 500,
                    "cooldown": 100,
                    "floor": 1e-6,
                },
            },
            source="the LELU author's one-dimensional experiments (github ebiga/nn_1d_overfit_ex), with the "
            "initialisation that its comments mark as the paper's; the exponential target has 20,000 epochs and the "
            "floor 2e-7",
        ),
        "svdd": Recipe(
            training={"epochs": 300, "batch": 200, "optimizer": "adam", "lr": 1e-4, "patience": None},
            source="Deep SVDD (Ruff et al. 2018) as released: github lukasruff/Deep-SVDD-PyTorch; the task one_class "
            "says how many epochs are the autoencoder's, and its weight decay",
        ),
    }
)


def written_into(training: Mapping[str, Any]) -> dict[str, Any]:
    """``training`` of a study with its recipe's fields in place of ``recipe``. Raises KeyError for an unknown name."""
    own = {name: value for name, value in training.items() if name != "recipe"}
    fields = {name: _listed(value) for name, value in RECIPES[training["recipe"]].training.items()}
    return {**fields, **own}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
