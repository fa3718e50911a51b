"""Name -> where it lives, for activations, models, data sets and tasks. Import paths (``package.module:Name``) are
accepted wherever a name is. Loads without torch: listing names imports nothing."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from actsweep_start import why_hidden
from trainer.errors import UnknownName

ACTIVATIONS: dict[str, str] = {
    "alrelu": "trainer.activations.alrelu:ALReLU",
    "apalu": "trainer.activations.apalu:APALU",
    "dsrelu": "trainer.activations.dsrelu:DSReLU",
    "elu": "trainer.activations.torch_native:ELU",
    "gelu": "trainer.activations.torch_native:GELU",
    "leaky_relu": "trainer.activations.torch_native:LeakyReLU",
    "lelu": "trainer.activations.lelu:LELU",
    "mish": "trainer.activations.torch_native:Mish",
    "prelu": "trainer.activations.torch_native:PReLU",
    "relu": "trainer.activations.torch_native:ReLU",
    "scaled_leaky_relu": "trainer.activations.scaled_leaky_relu:ScaledLeakyReLU",
    "selu": "trainer.activations.torch_native:SELU",
    "sigmoid": "trainer.activations.torch_native:Sigmoid",
    "silu": "trainer.activations.torch_native:SiLU",
    "softplus": "trainer.activations.torch_native:Softplus",
    "tanh": "trainer.activations.torch_native:Tanh",
}

MODELS: dict[str, str] = {
    "resnet18": "trainer.models.images:resnet18",
    "resnet34": "trainer.models.images:resnet34",
    "tiny_cnn": "trainer.models.images:tiny_cnn",
}

DATASETS: dict[str, str] = {
    "breast_cancer": "trainer.datasets.tabular:breast_cancer",
    "cifar10": "trainer.datasets.cifar:cifar10",
    "cifar100": "trainer.datasets.cifar:cifar100",
    "cifar100_sheets": "trainer.datasets.sheets:cifar100_sheets",
    "diabetes": "trainer.datasets.tabular:diabetes",
    "digits": "trainer.datasets.digits:digits",
    "fashion_mnist": "trainer.datasets.mnist:fashion_mnist",
    "heartbeat_187": "trainer.datasets.mitbih:heartbeat_187",
    "image_folder": "trainer.datasets.image_folder:image_folder",
    "mini_imagenet": "trainer.datasets.mini_imagenet:mini_imagenet",
    "mitbih_windows": "trainer.datasets.mitbih:mitbih_windows",
    "mnist": "trainer.datasets.mnist:mnist",
    "wine": "trainer.datasets.tabular:wine",
}


TASKS: dict[str, str] = {
    "classification": "trainer.tasks.classification:Classification",
}


_EXAMPLE = {
    "activation": "mylab.act:MyAct",
    "model": "mylab.nets:build",
    "data set": "mylab.data:reader",
    "task": "mylab.tasks:Counts",
}


def check(kind: str, name: str, catalogue: Mapping[str, str]) -> None:
    """Raises :class:`UnknownName` for a name that is neither listed nor shaped like an import path."""
    if ":" in name or name in catalogue:
        return
    near = difflib.get_close_matches(name, catalogue, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(catalogue))}."
    raise UnknownName(f"unknown {kind} {name!r}: {hint} Your own is named by its import path, as {_EXAMPLE[kind]}")


def resolve(kind: str, name: str, catalogue: Mapping[str, str]) -> Any:
    """The object behind a name or import path. Raises :class:`UnknownName`; says why an import failed."""
    check(kind, name, catalogue)
    path = catalogue.get(name, name)
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        # A module of the user's may itself import what one of our packages hides.
        wanted = getattr(error, "name", None) if isinstance(error, ImportError) else None
        remedy = why_hidden(wanted or module_name) or "is its package installed here?"
        raise UnknownName(f"{kind} {name!r}: cannot import {path!r} ({error}); {remedy}") from error
