"""A first study file from a few answers: data, activations, what is searched, repeats, and where it runs.

How a data set is trained is taken from a shipped study that trains it, so that a draft runs as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from slurm.messages import nearest
from sweeps.errors import StudyError
from sweeps.study import default_spaces, shipped
from trainer import catalogue
from trainer.datasets import preparation
from trainer.spec import Scalar

ACTIVATIONS = ("relu", "dsrelu", "apalu", "lelu", "alrelu")
SCHEMA_LINE = "# yaml-language-server: $schema=study.schema.json"
"""Where an editor finds what the file may hold: `actsweep schema study > study.schema.json` beside it."""
TRAINED_AS = {
    "arrays": "mnist",
    "cifar100_sheets": "cifar10_sheets",
    "diabetes": "breast_cancer",
    "fashion_mnist": "mnist",
    "heartbeat_csv": "heartbeat_187",
    "image_folder": "parkinson_spiral",
    "mitbih_windows": "heartbeat_187",
    "series": "stocks",
    "table": "wine",
}
"""Data sets that no shipped study trains -> one whose way of training fits them."""
QUANTITIES = {"diabetes": "target", "table": "targets", "arrays": "values"}
"""Data sets of classes or of quantities, by what is said -> the option that says it (``target: quantity``)."""
REGRESSION = "uci_regression"
_TAKEN = ("task", "model", "training")


@dataclass(frozen=True, kw_only=True)
class Answers:
    name: str
    data: str = "digits"
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """Of the data set's reader."""
    activations: Sequence[str] = ACTIVATIONS
    """The first is the control, unless relu is among them."""
    samples: int = 0
    """Settings to try for each activation that has a search space of its own; 0: each as it is published."""
    repeats: int = 2
    """Of five folds, on which claims are made."""
    profile: str = "local"


def write(answers: Answers) -> str:
    """The text of the study. Raises :class:`StudyError` for answers that make none."""
    if not answers.activations:
        raise StudyError("activations: got none; accepts at least one activation, as relu, dsrelu")
    if twice := sorted({label for label in answers.activations if answers.activations.count(label) > 1}):
        raise StudyError(f"activations: got {', '.join(twice)} more than once; accepts each once")
    template, source = _template(answers)
    data = {"name": answers.data, **(template.pop("options") if not answers.options else {}), **answers.options}
    control = "relu" if "relu" in answers.activations else answers.activations[0]
    question = _question([label for label in answers.activations if label != control], control, answers.data)
    lines = [
        SCHEMA_LINE,
        f"# {question}",
        "# `actsweep check` says what it comes to, `actsweep run` trains it.",
        "# `actsweep schema study > study.schema.json`, beside this file, has every key, for you and for your editor.",
        f"name: {answers.name}",
        f"question: {_flow(question)}",
        f"data: {_flow(data)}",
        *(f"{key}: {_flow(template[key])}" for key in _TAKEN if key in template),
        f"# model and training are those of the shipped study {source}",
        *_folds(answers, template.get("folds", {})),
        "activations:" + ("" if answers.samples else "    # with the constants of their papers"),
        *(f"  - {_activation(label, answers.samples)}" for label in answers.activations),
        f"control: {control}    # what all others are compared with",
    ]
    if answers.samples:
        lines.append("space: {training: {lr: {loguniform: [1.0e-4, 1.0e-2]}}}    # searched for every activation alike")
    if answers.profile != "local":
        lines.append(f"cluster: {{profile: {_flow(answers.profile)}}}    # `actsweep profile list`, or a file of yours")
    return "\n".join(lines) + "\n"


def _question(others: Sequence[str], control: str, data: str) -> str:
    if not others:
        return f"How well does {control} do on {data}?"
    which = others[0] if len(others) == 1 else f"one of {', '.join(others)}"
    return f"Is {which} better than {control} on {data}?"


def _folds(answers: Answers, known: Mapping[str, Any]) -> list[str]:
    folds = {key: value for key, value in known.items() if key not in ("repeats", "folds")}
    if folds.get("scheme", "kfold") == "kfold":
        folds = {"folds": 5, **folds}
    if answers.samples:  # a search compares by what is validated
        folds["validation"] = folds.get("validation") or 0.2
    if not answers.samples:
        return [f"folds: {_flow({**folds, 'repeats': answers.repeats})}"]
    return [
        f"folds: {_flow(folds)}",
        f"search: {{samples: {answers.samples}}}    # settings for each activation, on items that no claim is made on",
        f"confirm: {{repeats: {answers.repeats}}}    # the best of them again, on fresh splits",
    ]


def _fitting(folds: Mapping[str, Any], data: str) -> dict[str, Any]:
    """Another data set's folds, without what only that one has: its groups, and the parts that it declares."""
    about = None if ":" in data else preparation.about(data)
    known, fixed = (about.groups, about.fixed) if about else ((), False)
    own = {"group": folds.get("group") in known, "scheme": folds.get("scheme") != "published"}
    own["scheme"] = own["scheme"] and (fixed or folds.get("scheme") != "fixed")
    return {key: value for key, value in folds.items() if own.get(key, True)}


def _activation(label: str, samples: int) -> str:
    searched = samples and label in default_spaces.SPACES
    return f"{{activation: {label}, space: default}}" if searched else label


def _template(answers: Answers) -> tuple[dict[str, Any], str]:
    """How a shipped study trains the data set, and that study's name; the smallest of them where there are several."""
    data, said = answers.data, answers.options.get(QUANTITIES.get(answers.data, ""))
    if data not in catalogue.DATASETS and ":" not in data:
        raise StudyError(
            f"{data}: no such data set; `actsweep data list` names them{nearest(data, catalogue.DATASETS)}"
        )
    quantities = bool(said) and said != "class"
    for wanted in [REGRESSION] if quantities else [data, TRAINED_AS.get(data, "digits")]:
        for name, text in sorted(shipped.shipped().items(), key=lambda item: (not item[0].endswith("-cpu"), item[0])):
            study = yaml.safe_load(text)
            named = {"name": study["data"]} if isinstance(study["data"], str) else study["data"]
            if named["name"] == wanted:
                if wanted != data:
                    return {**study, "options": {}, "folds": _fitting(study.get("folds", {}), data)}, name
                return {**study, "options": {key: value for key, value in named.items() if key != "name"}}, name
    raise AssertionError(data)


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
    return re.sub(r"\n\.\.\.$", "", text)
