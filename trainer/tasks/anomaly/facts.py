"""What anomaly detection measures, and which options its three methods take. Loads without torch."""

from __future__ import annotations

import dataclasses
import re

from trainer.activations import arguments
from trainer.activations.arguments import WrongArgument
from trainer.features.facts import BACKBONES, PACKAGE
from trainer.spec import Options
from trainer.tasks.classification import facts as classification
from trainer.tasks.description import LAST, Description
from trainer.tasks.metric import LOSS, Metric

NAME = "anomaly"
FLOW, DISTILLATION, GAUSSIAN = METHODS = ("flow", "distillation", "gaussian")
REMOVE = ("median", "none")
NORMALISE = ("imagenet", "none")
DEFAULT_BACKBONE = "efficientnet_lite0"

_FROZEN = ("backbone", "weights", "normalise", "size", "levels")
ALL_METHODS = ("method", "normal", "kinds", "remove")
OF_METHOD = {
    FLOW: (*_FROZEN, "rotations", "standardise"),
    DISTILLATION: (*_FROZEN, "mse_weight", "left_out"),
    GAUSSIAN: ("pretrain", "layers", "features", "pixel"),
}
"""Options beside :data:`ALL_METHODS`."""
LIFTED = "pretraining_"


def describe(options: Options) -> Description:
    """Raises ValueError for an option that is not accepted."""
    check(options)
    method = options.get("method", FLOW)
    area = Metric(name="auroc", better="higher", low=0.0, high=1.0, reference=0.5, heldout_only=True)
    found = [
        Metric(name=LOSS, better="lower", low=None if method == FLOW else 0.0),
        area,
        Metric(name="average_precision", better="higher", low=0.0, high=1.0, heldout_only=True),
        *(dataclasses.replace(area, name=f"auroc_{slug(kind)}") for kind in listed(options.get("kinds", ""))),
    ]
    if method == GAUSSIAN:
        told = classification.describe({})
        found.append(dataclasses.replace(told.metric(told.primary), name=LIFTED + told.primary))
    if options.get("pixel", False):
        found += [
            dataclasses.replace(area, name="pixel_auroc"),
            Metric(name="au_pro", better="higher", low=0.0, high=1.0, heldout_only=True),
        ]
    return Description(
        name=NAME,
        metrics=tuple(found),
        primary="auroc",
        stratifies=True,
        defaults={
            "training": {"checkpoint_rule": LAST, "patience": None},
            "folds": {"validation": 0.0, "scheme": "fixed"},
        },
    )


def check(options: Options) -> None:
    """Raises ValueError for a value that its option does not accept, and for an option of another method."""
    method = arguments.word(NAME, "method", options.get("method", FLOW), METHODS)
    for name in options:
        owners = [other for other in METHODS if name in OF_METHOD[other]]
        if owners and method not in owners:
            raise ValueError(
                f"{NAME}: {name} is an option of {' and '.join(owners)}, and method is {method}" + _why(name)
            )
    arguments.word(NAME, "remove", options.get("remove", REMOVE[0]), REMOVE)
    for name in ("normal", "kinds", "weights", "pretrain", "layers"):
        if (value := options.get(name)) is not None and not isinstance(value, str):
            raise WrongArgument(NAME, name, value, "text")
    slugs = [slug(kind) for kind in listed(options.get("kinds", ""))]
    if len(set(slugs)) < len(slugs):
        raise WrongArgument(NAME, "kinds", options.get("kinds"), "names of classes with a defect, each once")
    if method == GAUSSIAN:
        arguments.count(NAME, "features", options.get("features", 100))
        arguments.flag(NAME, "pixel", options.get("pixel", False))
        if not options.get("pretrain"):
            raise ValueError(
                f"{NAME}: method gaussian trains the study's model, with each activation, to name the classes of "
                "another data set, and asks what normal pictures look like to it; name one, as pretrain: cifar10, or "
                'with options, as pretrain: "cifar100 per_class=100"'
            )
    else:
        _check_frozen(method, options)


def _check_frozen(method: str, options: Options) -> None:
    backbone = arguments.word(NAME, "backbone", options.get("backbone", DEFAULT_BACKBONE), tuple(BACKBONES))
    arguments.word(NAME, "normalise", options.get("normalise", NORMALISE[0]), NORMALISE)
    if not options.get("weights") and backbone != DEFAULT_BACKBONE:
        raise ValueError(
            f"{NAME}: backbone {backbone} without weights; accepts weights: the path of a file of its weights (a state "
            "dictionary; absolute, or below the data root), or random as a control"
        )
    if method == DISTILLATION and not BACKBONES[backbone].strides:
        fit = ", ".join(name for name, facts in BACKBONES.items() if facts.strides)
        raise WrongArgument(NAME, "backbone", backbone, f"{fit} for distillation, whose maps halve at each level")
    levels = numbers("levels", options.get("levels", ""), least=0)
    if levels and (max(levels) >= len(BACKBONES[backbone].taps) or len(set(levels)) < len(levels)):
        count = len(BACKBONES[backbone].taps)
        raise WrongArgument(NAME, "levels", options["levels"], f"each of 0 to {count - 1} once, as {backbone} has")
    if method == DISTILLATION and levels and levels != tuple(range(len(levels))):
        raise WrongArgument(NAME, "levels", options["levels"], "the first ones for distillation, as 0,1,2")
    sizes = numbers("size", options.get("size", ""), least=32)
    if method == DISTILLATION and len(sizes) > 1:
        raise WrongArgument(NAME, "size", options["size"], "one size for distillation")
    arguments.count(NAME, "rotations", options.get("rotations", 4))
    arguments.flag(NAME, "standardise", options.get("standardise", True))
    arguments.real(NAME, "mse_weight", options.get("mse_weight", 0.5), low=0.0)
    left_out, count = options.get("left_out", 1), len(levels or BACKBONES[backbone].taps)
    if isinstance(left_out, bool) or not isinstance(left_out, int) or not 0 <= left_out < count:
        raise WrongArgument(NAME, "left_out", left_out, f"0 to {count - 1} of the {count} levels")


def weights_of(options: Options) -> str:
    return str(options.get("weights") or PACKAGE)


def numbers(name: str, value: object, *, least: int) -> tuple[int, ...]:
    """Whole numbers from "448,224,112"; () from ""."""
    texts = listed(value) if isinstance(value, str) else [str(value)]
    if isinstance(value, bool) or not all(text.isdigit() and int(text) >= least for text in texts):
        raise WrongArgument(NAME, name, value, f"whole numbers of at least {least}, separated by commas")
    return tuple(int(text) for text in texts)


def listed(value: object) -> list[str]:
    return [text.strip() for text in str(value).split(",") if text.strip()]


def slug(kind: str) -> str:
    """A kind as part of a metric's name."""
    return re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")[:30]


def _why(name: str) -> str:
    if name not in ("backbone", "weights"):
        return ""
    return (
        ": there the backbone is the study's model, trained with each activation in the fold. Another activation put "
        "into a trained backbone, which is not trained again, compares nothing"
    )
