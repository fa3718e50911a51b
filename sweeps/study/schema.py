"""JSON Schema of a study file, for editors: made from the models that check the file, with the short forms that they
write out. A schema cannot say what holds between keys; ``actsweep check`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from slurm import model_docs
from slurm.model_docs import said
from sweeps.study import algorithms, default_spaces, schema_parameters
from sweeps.study.field_types import SELECTS_ON
from sweeps.study.recipes import KEY, RECIPES
from sweeps.study.space import KINDS, TAN, Kind
from sweeps.study.study import Study
from sweeps.study.training import FIXED_FOR_ALL
from trainer import catalogue
from trainer.augmentation.facts import AUGMENTATIONS
from trainer.optimisation.facts import SCHEDULES
from trainer.spec import TrainingSpec

Schema = dict[str, Any]
IMPORT_PATH = {"type": "string", "pattern": "^[^:\\s]+:[^:\\s]+$", "description": "an import path, as mylab.act:MyAct"}
_OF_LIBRARIES: list[Schema] = [{"type": "string", "pattern": f"^{name}\\."} for name in catalogue.MODEL_LIBRARIES]
SCALAR: Schema = {"type": ["number", "string", "boolean", "null"]}
_LISTS: Schema = {"type": [*SCALAR["type"], "array"]}
DOMAIN: Schema = {"$ref": "#/$defs/Domain"}


def study() -> Schema:
    """What a study file may hold, as JSON Schema 2020-12."""
    made = Study.model_json_schema(mode="validation")
    models = model_docs.by_name(Study)
    for name, schema in {**made["$defs"], "Study": made}.items():
        if name in models:
            model_docs.describe(schema, models[name])
    made["required"] = ["name", "data", "activations"]
    for name, change in _CHANGES.items():
        made["$defs"][name] = change(made["$defs"][name])
    made["properties"]["confirm"]["anyOf"].append({"const": False})
    searched = {"type": "object", "required": ["space"]}
    made["if"] = {"properties": {"activations": {"type": "array", "contains": searched}}}
    made["then"] = {"required": ["search"]}
    for name in made["$defs"].keys() - models.keys():  # of values that short forms are written out to
        del made["$defs"][name]
    made["$defs"]["Domain"] = _domain()
    return {"$schema": model_docs.DIALECT, **made, "title": "a study of actsweep"}


def _names(names: Iterable[str], *further: Schema) -> list[Schema]:
    return [{"enum": sorted(names)}, IMPORT_PATH, *further]


def _named(names: Iterable[str], option: Schema, *further: Schema) -> Callable[[Schema], Schema]:
    """The name alone, or a mapping with it in which every other key is an option of its own."""

    def change(schema: Schema) -> Schema:
        known = {**said(schema["properties"]["name"]), "anyOf": _names(names, *further)}
        written = {**schema, "properties": {"name": known}, "additionalProperties": option}
        return {"anyOf": [*_names(names, *further), written]}

    return change


_FORMS: dict[Kind, str] = {
    "uniform": "[low, high]",
    "loguniform": "[low, high], both above 0",
    "quniform": "[low, high, step]",
    "randint": "[low, high], whole numbers, high excluded",
    "choice": "values of which one is drawn",
    "grid_search": "values of which every one is tried",
}


def _domain() -> Schema:
    listed = {"type": "array", "minItems": 1}
    plain = {kind: {**listed, "description": _FORMS[kind]} for kind in KINDS}
    one = {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    of_angle = {**one, "properties": plain}
    return {
        **one,
        "properties": {
            **plain,
            TAN: {
                "anyOf": [of_angle, {"type": "array", "minItems": 2, "maxItems": 2}],
                "description": "a slope as the tangent of an angle: [low, high] in degrees, or a domain of degrees",
            },
        },
        "description": "a domain, as {uniform: [0, 1]} or {grid_search: [0.1, 0.2]}",
    }


def _training_of_one(values: Schema) -> Callable[[Schema], Schema]:
    def change(schema: Schema) -> Schema:
        allowed = sorted(TrainingSpec.__dataclass_fields__.keys() - FIXED_FOR_ALL)
        properties = dict(schema["properties"])
        properties["training"] = {
            **said(properties["training"]),
            "type": "object",
            "properties": dict.fromkeys(allowed, values),
            "additionalProperties": False,
        }
        return {**schema, "properties": properties}

    return change


def _activation(schema: Schema) -> Schema:
    schema = _training_of_one({"anyOf": [SCALAR, DOMAIN]})(schema)
    properties = dict(schema["properties"])
    properties["activation"] = {**said(properties["activation"]), "anyOf": _names(catalogue.ACTIVATIONS)}
    properties["params"] = {
        **said(properties["params"]),
        "type": "object",
        "additionalProperties": {"anyOf": [SCALAR, {"type": "object", "required": [TAN]}]},
    }
    domains = {"type": "object", "additionalProperties": DOMAIN}
    default = {"const": "default", "description": f"there for {', '.join(sorted(default_spaces.SPACES))}"}
    properties["space"] = {**said(properties["space"]), "anyOf": [domains, default]}
    texts = {"type": "array", "items": {"type": "string"}}
    properties["where"] = {**said(properties["where"]), "anyOf": [texts, {"type": "string"}]}
    written = {**schema, "properties": properties, "required": ["activation"], "allOf": schema_parameters.rules()}
    return {"anyOf": [*_names(catalogue.ACTIVATIONS), written]}


def _training(schema: Schema) -> Schema:
    properties = dict(schema["properties"])
    recipe = {
        "enum": sorted(RECIPES),
        "description": "a way to train that is known by name; what else is said here wins",
    }
    schedule = {"type": "object", "properties": {"name": {"enum": sorted(SCHEDULES)}}, "required": ["name"]}
    schedule["additionalProperties"] = _LISTS
    properties["schedule"] = {
        **said(properties["schedule"]),
        "anyOf": [
            {"enum": [*sorted(SCHEDULES), None]},
            {**schedule, "additionalProperties": SCALAR | {"type": [*SCALAR["type"], "array"]}},
        ],
    }
    one = {"type": "object", "propertyNames": {"enum": sorted(AUGMENTATIONS)}, "minProperties": 1, "maxProperties": 1}
    properties["augment"] = {
        **said(properties["augment"]),
        "type": "array",
        "items": {"anyOf": [{"enum": sorted(AUGMENTATIONS)}, one]},
    }
    properties["decay"] = {key: value for key, value in properties["decay"].items() if key != "default"}
    return {**schema, "properties": {KEY: recipe, **properties}}


def _search(schema: Schema) -> Schema:
    properties = dict(schema["properties"])
    properties["algorithm"] = {**said(properties["algorithm"]), "anyOf": _names(algorithms.ALGORITHMS)}
    short = [*_names(algorithms.SCHEDULERS), {"type": "null"}]
    properties["scheduler"] = {**said(properties["scheduler"]), "anyOf": [{"$ref": "#/$defs/Scheduler"}, *short]}
    properties["first"] = {**properties["first"], "default": "default"}  # of a file that somebody writes
    properties["share"] = {key: value for key, value in properties["share"].items() if key != "default"}
    properties["select_on"] = {**properties["select_on"], "pattern": f"^{SELECTS_ON}"}
    return {**schema, "properties": properties}


def _scheduler(schema: Schema) -> Schema:
    properties = dict(schema["properties"])
    properties["name"] = {**said(properties["name"]), "anyOf": _names(algorithms.SCHEDULERS)}
    return {**schema, "properties": properties}


def _report(schema: Schema) -> Schema:
    return {**schema, "required": []}


def _folds(schema: Schema) -> Schema:
    """One fold where the data set's own part is held out, two or more where nothing else would be."""
    dealt = {"properties": {"scheme": {"enum": ["kfold", "block"]}}}
    return {**schema, "if": dealt, "then": {"properties": {"folds": {"minimum": 2}}}}


def _cluster(schema: Schema) -> Schema:
    properties = dict(schema["properties"])
    sizes = [{"enum": ["trial", "fold", "node"]}, {"type": "integer", "minimum": 1}]
    properties["pack"] = {**said(properties["pack"]), "anyOf": sizes}
    return {**schema, "properties": properties}


def _notify(schema: Schema) -> Schema:
    properties = dict(schema["properties"])
    words: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    events = properties["on"]["items"]
    properties["command"] = {**said(properties["command"]), "anyOf": [words, {"type": "string"}, {"type": "null"}]}
    properties["on"] = {**said(properties["on"]), "anyOf": [{"type": "array", "items": events, "minItems": 1}, events]}
    somebody = [{"required": ["url"]}, {"required": ["command"]}]
    return {"anyOf": [{"type": "string"}, words, {**schema, "properties": properties, "anyOf": somebody}]}


_CHANGES: dict[str, Callable[[Schema], Schema]] = {
    "Task": _named(catalogue.TASKS, SCALAR),
    "Data": _named(catalogue.DATASETS, _LISTS),
    "Model": _named(catalogue.MODELS, _LISTS, *_OF_LIBRARIES),
    "Activation": _activation,
    "TunedForAll": _training_of_one(DOMAIN),
    "Training": _training,
    "Search": _search,
    "Scheduler": _scheduler,
    "Report": _report,
    "Folds": _folds,
    "Cluster": _cluster,
    "Notify": _notify,
}
