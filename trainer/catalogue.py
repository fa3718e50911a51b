"""Name -> where it lives, for activations, models, data sets and tasks. Import paths (``package.module:Name``) are
accepted wherever a name is. Loads without torch: listing names imports nothing."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
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
    "cloner": "trainer.models.cloner:cloner",
    "flow": "trainer.models.flow:flow",
    "googlenet": "trainer.models.cifar:googlenet",
    "gru": "trainer.models.recurrent:gru",
    "lstm": "trainer.models.recurrent:lstm",
    "mlp": "trainer.models.tables:mlp",
    "mobilenet": "trainer.models.cifar:mobilenet",
    "resnet18": "trainer.models.images:resnet18",
    "resnet34": "trainer.models.images:resnet34",
    "small_cnn": "trainer.models.images:small_cnn",
    "svdd_lenet": "trainer.models.svdd:svdd_lenet",
    "text_cnn": "trainer.models.text:text_cnn",
    "text_gru": "trainer.models.text:text_gru",
    "tiny_cnn": "trainer.models.images:tiny_cnn",
}

MODEL_LIBRARIES: dict[str, str] = {
    "timm": "trainer.models.libraries:of_timm",
    "torchvision": "trainer.models.libraries:of_torchvision",
}
"""Libraries of networks -> the function that gives one of theirs by its name: ``torchvision.resnet50``."""

DATASETS: dict[str, str] = {
    "ag_news": "trainer.datasets.text.labelled_lines:ag_news",
    "arrays": "trainer.datasets.own_arrays:arrays",
    "breast_cancer": "trainer.datasets.tabular:breast_cancer",
    "cifar10": "trainer.datasets.cifar:cifar10",
    "cifar100": "trainer.datasets.cifar:cifar100",
    "cifar100_sheets": "trainer.datasets.sheets:cifar100_sheets",
    "cifar10_sheets": "trainer.datasets.sheets:cifar10_sheets",
    "curve": "trainer.datasets.regression.curve:curve",
    "diabetes": "trainer.datasets.tabular:diabetes",
    "digits": "trainer.datasets.digits:digits",
    "ett": "trainer.datasets.series.ett:ett",
    "fashion_mnist": "trainer.datasets.mnist:fashion_mnist",
    "heartbeat_187": "trainer.datasets.mitbih:heartbeat_187",
    "heartbeat_csv": "trainer.datasets.heartbeat_csv:heartbeat_csv",
    "image_folder": "trainer.datasets.image_folder:image_folder",
    "isl_keypoints": "trainer.datasets.sequences.isl_keypoints:isl_keypoints",
    "libras": "trainer.datasets.sequences.libras:libras",
    "magnetic_tile": "trainer.datasets.inspection.magnetic_tile:magnetic_tile",
    "mini_imagenet": "trainer.datasets.mini_imagenet:mini_imagenet",
    "mitbih_windows": "trainer.datasets.mitbih:mitbih_windows",
    "mnist": "trainer.datasets.mnist:mnist",
    "motor_map": "trainer.datasets.regression.motor_map:motor_map",
    "mvtec": "trainer.datasets.inspection.mvtec:mvtec",
    "natops": "trainer.datasets.sequences.natops:natops",
    "parkinson_spiral": "trainer.datasets.medical.parkinson_spiral:parkinson_spiral",
    "pneumonia_mnist": "trainer.datasets.medical.pneumonia_mnist:pneumonia_mnist",
    "polarity": "trainer.datasets.text.sentence_files:polarity",
    "series": "trainer.datasets.series.own:series",
    "sms_spam": "trainer.datasets.text.labelled_lines:sms_spam",
    "stocks": "trainer.datasets.series.stocks:stocks",
    "subjectivity": "trainer.datasets.text.sentence_files:subjectivity",
    "table": "trainer.datasets.own_table:table",
    "trec": "trainer.datasets.text.labelled_lines:trec",
    "uci_regression": "trainer.datasets.regression.uci:uci_regression",
    "wine": "trainer.datasets.tabular:wine",
}


TASKS: dict[str, str] = {
    "anomaly": "trainer.tasks.anomaly.task:Anomaly",
    "classification": "trainer.tasks.classification.task:Classification",
    "regression": "trainer.tasks.regression.task:Regression",
    "one_class": "trainer.tasks.one_class.task:OneClass",
    "forecast": "trainer.tasks.forecast.task:Forecast",
}

DESCRIPTIONS: dict[str, str] = {
    "anomaly": "trainer.tasks.anomaly.facts:describe",
    "classification": "trainer.tasks.classification.facts:describe",
    "regression": "trainer.tasks.regression.facts:describe",
    "one_class": "trainer.tasks.one_class.facts:describe",
    "forecast": "trainer.tasks.forecast.facts:describe",
}
"""Task -> the function ``(options) -> Description`` that describes it without torch."""


_EXAMPLE = {
    "activation": "mylab.act:MyAct",
    "model": "mylab.nets:build",
    "data set": "mylab.data:reader",
    "task": "mylab.tasks:Counts",
}


def check(kind: str, name: str, catalogue: Mapping[str, str]) -> None:
    """Raises :class:`UnknownName` for a name that is neither listed nor shaped like an import path."""
    if ":" in name or name in catalogue or (kind == "model" and library(name)):
        return
    module, _, attribute = name.rpartition(".")
    if module and all(part.isidentifier() for part in name.split(".")):
        raise UnknownName(
            f"unknown {kind} {name!r}: an import path has a colon before its last name; {module}:{attribute}"
        )
    near = difflib.get_close_matches(name, catalogue, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(catalogue))}."
    libraries = "; a library's with its library, as torchvision.resnet50 or timm.resnet26d" if kind == "model" else ""
    own = f"Your own is named by its import path, as {_EXAMPLE[kind]}"
    raise UnknownName(f"unknown {kind} {name!r}: {hint} {own}{libraries}")


def library(model: str) -> str | None:
    """The library that a model is of, as "torchvision" of "torchvision.resnet50"; None for every other."""
    owner, dot, name = model.partition(".")
    return owner if dot and name and ":" not in name and owner in MODEL_LIBRARIES else None


def resolve(kind: str, name: str, catalogue: Mapping[str, str]) -> Any:
    """The object behind a name or import path. Raises :class:`UnknownName`; says why an import failed, and what is
    nearest to a name that its module does not have."""
    check(kind, name, catalogue)
    if kind == "model" and (owner := library(name)):
        return resolve("library", owner, MODEL_LIBRARIES)(name.partition(".")[2])
    path = catalogue.get(name, name)
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, AttributeError) as error:
        # A module of the user's may itself import what one of our packages hides.
        wanted = getattr(error, "name", None) if isinstance(error, ImportError) else None
        remedy = why_hidden(wanted or module_name) or "is its package installed here?"
        raise UnknownName(f"{kind} {name!r}: cannot import {path!r} ({error}); {remedy}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise UnknownName(
            f"{kind} {name!r}: module {module_name} has no {attribute!r}{_nearest(attribute, dir(module))}"
        ) from error


def _nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean x?", whatever the case of its letters, or what there is."""
    public = [item for item in known if not item.startswith("_")]
    by_lower = {item.lower(): item for item in public}
    near = difflib.get_close_matches(name, public, n=1)
    near = near or [by_lower[item] for item in difflib.get_close_matches(name.lower(), by_lower, n=1)]
    return f"; did you mean {near[0]}?" if near else f"; it has {', '.join(sorted(public)[:12]) or 'nothing public'}"


def what(thing: object) -> str:
    """What was found behind a name, in words for a message."""
    if inspect.ismodule(thing):
        return f"the Python module {thing.__name__}"
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if inspect.isroutine(thing):
        return "a function"
    return f"an object of the class {type(thing).__name__}"
