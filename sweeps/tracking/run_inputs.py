"""What a run was made of, in MLflow's own words: its data sets, and whose command on which sources. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.tracking.run_values import MAX_TAG, Input, value_text
from trainer import catalogue
from trainer.journal import Start
from trainer.spec import FoldSpec

TRAINING, EVAL = "training", "eval"
CODE = "code"
"""MLflow's word for a source that is a program: the reader that makes the data set."""
MAX_NAME, MAX_SOURCE = 500, 65_535
"""Characters that MLflow takes."""
DIGEST = 16
"""Characters of a digest, of the 36 that MLflow takes: as many as the product's other digests have. The whole ones are
among the tags."""
USER = "mlflow.user"
SOURCE, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"
GIT_COMMIT, GIT_BRANCH = "mlflow.source.git.commit", "mlflow.source.git.branch"


def of_fold(plan: Plan, spec: FoldSpec, start: Start) -> tuple[Input, ...]:
    """The data set by its digest, and the part of it that the fold held out by the split's: every activation's fold of
    one split names the same. None where the data could not be read."""
    if not start.data_digest:
        return ()
    whole = {"num_rows": start.n_train + start.n_validation + start.n_heldout} if _all_items(spec) else {}
    held = {"num_rows": start.n_heldout, **({"case": start.case} if start.case else {})}
    return (
        _input(plan, spec, plan.dataset, start.data_digest, TRAINING, whole),
        _input(plan, spec, f"{plan.dataset} held out", start.split_hash, EVAL, held),
    )


def _all_items(spec: FoldSpec) -> bool:
    """Whether each fold's parts together are the whole data set."""
    return spec.split.scheme in ("kfold", "block") and not spec.split.search_share


def _input(plan: Plan, spec: FoldSpec, name: str, digest: str, context: str, profile: Mapping[str, Any]) -> Input:
    made_by = catalogue.DATASETS.get(spec.data.name, spec.data.name)
    source = {
        "tags": {SOURCE: made_by, SOURCE_TYPE: "LOCAL"},
        "data": spec.data.name,
        "options": dict(spec.data.options),
        "task": plan.task,
    }
    text = json.dumps(source, sort_keys=True)
    return Input(
        name=name[:MAX_NAME],
        digest=digest[:DIGEST],
        context=context,
        source_type=CODE,
        source=text if len(text) <= MAX_SOURCE else json.dumps({"tags": source["tags"]}),
        profile=json.dumps(profile, sort_keys=True),
    )


def origin_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Who started the study, from which file and commit: as ``provenance.json`` has it, whoever writes the view."""
    git = provenance.get("git")
    git = git if isinstance(git, Mapping) else {}
    command = provenance.get("command")
    found = {
        schema.COMMIT: git.get("commit"),
        GIT_COMMIT: git.get("commit"),
        GIT_BRANCH: git.get("branch"),
        USER: provenance.get("user"),
        SOURCE: started_from([str(word) for word in command]) if isinstance(command, Sequence) else "",
    }
    tags = {name: value_text(text, MAX_TAG) for name, text in found.items() if isinstance(text, str) and text}
    return tags | ({SOURCE_TYPE: "LOCAL"} if SOURCE in tags else {})


def started_from(command: Sequence[str]) -> str:
    """The study file, or the shipped study's name, that a command was given; the command where there is none."""
    words = list(command[1:])
    files = [word for word in words if PurePath(word).suffix in (".yaml", ".yml") and not word.startswith("-")]
    if files:
        return files[0]
    if len(words) > 1 and words[0] == "run" and not words[1].startswith("-"):
        return words[1]
    return " ".join([PurePath(command[0]).name, *words]) if command else ""
