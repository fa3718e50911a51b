"""JSON Schema of a cluster profile, for editors: made from the models that check the file."""

from __future__ import annotations

from typing import Any

from slurm import model_docs
from slurm.profile import Profile
from slurm.profile_rules import ONLY_ON_SLURM
from slurm.sbatch_options import OWN_KEYS

_NOTHING: dict[str, Any] = {"enum": [None, [], {}]}
_LIMITED: list[dict[str, Any]] = [{"required": ["time"]}, {"required": ["time_min"]}]
LIMIT: dict[str, Any] = {"type": ["integer", "string", "null"]}


def profile() -> dict[str, Any]:
    """What a cluster profile may hold, as JSON Schema 2020-12."""
    made = Profile.model_json_schema(mode="validation")
    models = model_docs.by_name(Profile)
    above = model_docs.attributes(Profile)
    for name, schema in {**made["$defs"], "Profile": made}.items():
        if name not in models:
            continue
        model_docs.describe(schema, models[name], above)
        held = schema["properties"]
        for key in held.keys() & {"time"}:
            held[key] = {**model_docs.said(held[key]), **LIMIT}
        for key in held.keys() & {"sbatch"}:
            held[key] = {
                **model_docs.said(held[key]),
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][a-z0-9-]*$", "not": {"enum": sorted(OWN_KEYS)}},
                "additionalProperties": {"type": ["string", "integer", "boolean"]},
            }
    for key in made["$defs"]["Partition"]["properties"].values():  # what is not given there is the profile's
        key.pop("default", None)
    one_limit = {"not": {"required": ["time", "time_min"]}}
    for limited in (made, *(made["$defs"][name] for name in ("Partition", "DriverJob"))):
        limited["allOf"] = [one_limit]
    made["allOf"] += [
        {"not": {"required": ["partition", "partitions"]}},
        _where("local", {"properties": dict.fromkeys((*ONLY_ON_SLURM, "cpus_per_node", "mem_per_node_gb"), _NOTHING)}),
        _where("slurm", {"anyOf": [*_LIMITED, _each_partition({"anyOf": _LIMITED}, required=True)]}),
        {"if": _said("jobs", "pack"), "then": {"properties": {"slots_per_gpu": {"const": 1}}}},
        {
            "if": _said("device", "cuda"),
            "then": _each_partition({"properties": {"gpus_per_pack": {"not": {"const": 0}}}}),
        },
    ]
    variables = made["properties"]["environment"]
    variables["propertyNames"] = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    variables["additionalProperties"] = {**variables["additionalProperties"], "not": {"pattern": "\\n"}}
    made["required"] = ["executor"]
    return {"$schema": model_docs.DIALECT, **made, "title": "a cluster profile of actsweep"}


def _said(key: str, value: str) -> dict[str, Any]:
    return {"properties": {key: {"const": value}}, "required": [key]}


def _each_partition(rule: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    listed: dict[str, Any] = {"properties": {"partitions": {"items": rule}}}
    return {**listed, "required": ["partitions"]} if required else listed


def _where(executor: str, then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"executor": {"const": executor}}}, "then": then}
