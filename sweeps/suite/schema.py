"""JSON Schema of a suite file, for editors: its own keys, and below them parts of a study's."""

from __future__ import annotations

from typing import Any

from slurm import model_docs
from sweeps.study import schema
from sweeps.suite.members import VARIED
from sweeps.suite.reading import File


def suite() -> dict[str, Any]:
    """What a suite file may hold, as JSON Schema 2020-12."""
    made = File.model_json_schema(mode="validation")
    study = schema.study()
    part = {key: study[key] for key in ("type", "properties", "additionalProperties")}
    part["properties"] = {key: held for key, held in part["properties"].items() if key != "notify"}
    model_docs.describe(made, File)
    made["properties"]["base"] = {
        **model_docs.said(made["properties"]["base"]),
        "anyOf": [{"type": ["string", "null"]}, {"$ref": "#/$defs/Part"}],
    }
    made["properties"]["studies"]["additionalProperties"] = {
        "anyOf": [{"type": ["string", "null"]}, {"type": "object"}]
    }
    made["properties"]["vary"]["propertyNames"] = {"enum": sorted(VARIED)}
    made["$defs"] = {**made.get("$defs", {}), **study["$defs"], "Part": part}
    return {"$schema": model_docs.DIALECT, **made, "title": "a suite of actsweep"}
