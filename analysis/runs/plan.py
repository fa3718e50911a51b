"""What a study planned and declared before its first run; travels as ``plan.json`` beside the runs.

Pure values and their JSON: the sweep writes it, the analysis reads it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.errors import SourceError

Phase = Literal["search", "confirm"]
Family = Literal["control", "all_pairs"]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """How the conclusion will be drawn, fixed before the first run."""

    question: str
    metric: str = "accuracy"
    """Primary metric on the held-out part: one of ``analysis.runs.schema.METRICS``."""
    rule: str = "validation_loss"
    """Checkpoint rule whose model is scored."""
    control: str
    """Label of the activation that every other is compared with."""
    rope: float | None = None
    """Half-width of the region of practical equivalence in units of the metric; None: 2.3's default."""
    alpha: float = 0.05
    family: Family = "control"
    declared_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    schema: int = 1
    study: str
    study_digest: str
    study_seed: int
    dataset: str
    """Data set with its options, as a reader of the report should see it."""
    model: str
    splits: str = ""
    """How items are dealt to folds, as "5 folds, stratified by class"."""
    activations: tuple[str, ...]
    """Labels, in the study's order."""
    claims_phase: Phase
    """Phase whose held-out folds the claims rest on."""
    repeats: tuple[int, ...]
    """Repeat numbers of the claims phase."""
    folds: int
    search_trials: Mapping[str, int] = field(default_factory=dict)
    """Label -> settings tried in the search phase, 0 where nothing was searched."""
    search_selects_on: str = "validation/loss"
    declaration: Declaration


def to_json(plan: Plan) -> str:
    return json.dumps(dataclasses.asdict(plan), sort_keys=True, indent=1)


def from_json(text: str) -> Plan:
    """Inverse of :func:`to_json`. Raises :class:`SourceError` for text that is no plan."""
    try:
        raw = json.loads(text)
        raw["declaration"] = Declaration(**raw["declaration"])
        raw["activations"] = tuple(raw["activations"])
        raw["repeats"] = tuple(raw["repeats"])
        return Plan(**raw)
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(f"plan.json: not a plan of this version ({error})") from error
