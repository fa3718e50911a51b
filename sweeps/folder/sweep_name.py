"""What a run of a study is known by outside its folder, wherever that lies and whatever else has the study's name."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

from analysis.runs.plan import Plan
from sweeps.folder.layout import PROVENANCE


def new() -> str:
    return secrets.token_hex(8)


def of(folder: Path, plan: Plan) -> str:
    """As the plan says; of a study that was declared before plans said it, made from when, where and by whom it was."""
    if plan.sweep:
        return plan.sweep
    try:
        said = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        origin = [str(said.get(key, "")) for key in ("time", "host", "user")]
    except (OSError, ValueError, AttributeError):
        origin = []
    known = "\n".join([plan.study, plan.first_digest, plan.declaration.declared_at, *origin])
    return hashlib.sha256(known.encode()).hexdigest()[:16]
