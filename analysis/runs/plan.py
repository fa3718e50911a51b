"""What a study planned and declared before its first run; travels as ``plan.json`` beside the runs.

Pure values and their JSON: the sweep writes it, the analysis reads it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from analysis.errors import AnalysisError, DeclarationError, SourceError
from analysis.runs import boundaries
from analysis.runs.boundaries import Boundaries
from analysis.runs.metric import Metric, find
from analysis.runs.wording import counted

SCHEMA = 2
"""Version of ``plan.json``. Version 1 named neither the task nor its metrics and is read as :func:`unstated` says."""

Phase = Literal["search", "confirm"]
Family = Literal["control", "all_pairs"]
CASES, FIXED, PUBLISHED, TIME, BLOCK = "cases", "fixed", "published", "time", "block"
"""Schemes of which a report has to say what its numbers are of."""


def half_width(rope: float) -> float:
    """``rope`` itself. Raises :class:`DeclarationError` where it is no half-width of a zone of equivalence."""
    if not 0 <= rope < math.inf:
        raise DeclarationError(
            f"rope {rope:g}: half the width of the zone of practical equivalence, in units of the metric; accepts 0 or "
            "a finite number above it. Give the difference that is still too small to matter, without a sign"
        )
    return rope


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """How the conclusion will be drawn, fixed before the first run."""

    question: str
    metric: str
    """Name of the primary metric, on the held-out part: one of the plan's ``metrics``."""
    rule: str
    """Checkpoint rule whose model is scored."""
    control: str
    """Label of the activation that every other is compared with."""
    rope: float | None = None
    """Half-width of the region of practical equivalence in units of the metric; None: 2.3's default."""
    alpha: float = 0.05
    family: Family = "control"
    declared_at: str
    """ISO 8601, UTC."""

    def __post_init__(self) -> None:
        if self.rope is not None:
            half_width(self.rope)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A change of what was planned, after the first declaration: only more of the same."""

    at: str
    """ISO 8601, UTC."""
    old_digest: str
    """Of the study before."""
    changes: Mapping[str, str]
    """What grew (samples, repeats, until, activations, budget) -> how, in words."""
    added: tuple[str, ...] = ()
    """Labels that were not planned before."""
    searched_again: tuple[str, ...] = ()
    """Labels whose searches got further settings."""
    folds_done: Mapping[str, int] = field(default_factory=dict)
    """Phase -> folds that were over by then."""
    folds_planned: Mapping[str, int] = field(default_factory=dict)
    """Phase -> folds that had been planned."""
    looks: int = 0
    """That had been taken at the comparisons."""
    reported: bool = False
    """Whether a report had been written."""

    def seen(self) -> str:
        """What had been seen by then, in words."""
        parts = [f"{self.folds_done.get(phase, 0)} of {n} {phase} folds" for phase, n in self.folds_planned.items()]
        looks = f", {self.looks} look{'s' if self.looks > 1 else ''} taken at the comparisons" if self.looks else ""
        report = " and a report had been written" if self.reported else ""
        return f"after {' and '.join(parts) or 'no folds'} were done{looks}{report}"

    def words(self) -> str:
        return f"extended on {self.at}: {'; '.join(self.changes.values())}; {self.seen()}"


@dataclass(frozen=True, kw_only=True)
class Race:
    """How the settings of each activation raced in its search: equal rules for every one."""

    rule: str
    """Its name."""
    folds: tuple[int, ...]
    """That a setting has after each round, in order; the last is all of them. After each but that one, those that are
    shown to be worse are dropped."""
    error: float
    """Most probability, for one activation, that the setting which is truly the best is dropped."""


@dataclass(frozen=True, kw_only=True)
class Sameness:
    """Which of the compared activations are the same function, found before anything was trained."""

    within: float = 0.0
    """The stated distance: root mean square of the difference, and of the slopes' difference, for standard normal
    inputs. 0: nobody looked."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Labels of fixed activations that are one function all through training."""
    starts: tuple[tuple[str, str], ...] = ()
    """Labels of those that start as one function, of which at least one goes on to learn."""
    said: tuple[str, ...] = ()
    """All that was found, a sentence each; of searches' defaults, ends and settings, too."""

    @property
    def headline(self) -> str:
        """What was looked for, and how much was found; empty where nobody looked."""
        if not self.within:
            return ""
        found = counted(len(self.said), "finding") if self.said else "none"
        return (
            f"same functions, to within {self.within:g} (root mean square of the difference and of the slopes', for "
            f"standard normal inputs): {found}"
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    schema: int = SCHEMA
    study: str
    study_digest: str
    study_seed: int
    dataset: str
    """Data set with its options, as a reader of the report should see it."""
    model: str
    places: str = ""
    """Where the activations stand in the model, and how often they are applied; empty in plans that did not say it."""
    splits: str = ""
    """How items are assigned to folds, as "5 folds, stratified by class"."""
    scheme: str = ""
    """The same in a word: kfold, fixed, published, time, block, or cases; empty in plans that did not say it."""
    task: str
    """What is learned, as the report names it."""
    metrics: tuple[Metric, ...]
    """All that is measured, in the order in which it is shown."""
    activations: tuple[str, ...]
    """Labels, in the study's order."""
    claims_phase: Phase
    """Phase whose held-out folds the claims rest on."""
    repeats: tuple[int, ...]
    """Repeat numbers of the claims phase."""
    folds: int
    search_trials: Mapping[str, int] = field(default_factory=dict)
    """Label -> settings tried in the search phase, 0 where nothing was searched."""
    search_varies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label -> columns that its search varied, as ``activation.a`` and ``training.lr``; empty in plans that did not say
    it."""
    search_selects_on: str = ""
    """``validation/<metric>`` that a search chooses by; empty where nothing was searched."""
    search_share: float = 0.0
    """Share of the items that searches use and the confirm phase never holds out; 0: they use all, or there is none."""
    search_race: Race | None = None
    """None: every setting was to train all of its folds."""
    until_decided: Boundaries | None = None
    """Where each comparison is repeated until it is decided: when it counts as decided. ``repeats`` are then the most
    that there may be. None: every comparison has all repeats."""
    search_objectives: tuple[str, ...] = ()
    """What a search of several objectives looked for, ``search_selects_on`` first; empty: that alone."""
    sweep: str = ""
    """What this run of the study is known by, and no other, of the same study or of one of its name; empty in plans of
    before."""
    same: Sameness = Sameness()
    declaration: Declaration
    history: tuple[Extension, ...] = ()
    """How it has grown since it was declared, oldest first."""

    @property
    def first_digest(self) -> str:
        """Of the study as it was declared at first: what its runs go by, however it grows."""
        return self.history[0].old_digest if self.history else self.study_digest

    @property
    def primary(self) -> Metric:
        """The declared metric. Raises :class:`~analysis.errors.DeclarationError` where the plan has none of its
        name."""
        return find(self.metrics, self.declaration.metric)


def to_json(plan: Plan) -> str:
    plain = dataclasses.asdict(plan)
    if plan.search_race is None:  # as before there were races
        del plain["search_race"]
    return json.dumps(plain, sort_keys=True, indent=1)


def from_json(text: str) -> Plan:
    """Inverse of :func:`to_json`; a plan of version 1 is read as one of today's. Raises :class:`SourceError` for text
    that is no plan, or one of a version that is not known."""
    try:
        raw = json.loads(text)
        version = raw["schema"]
        if version == 1:
            raw = unstated() | raw | {"schema": SCHEMA}
        elif version != SCHEMA:
            raise SourceError(
                f"plan.json: got schema {version!r}, accepts 1 and {SCHEMA}; read the study with the version of "
                "actsweep that wrote it, or install a newer one"
            )
        raw["declaration"] = Declaration(**raw["declaration"])
        raw["metrics"] = tuple(Metric(**metric) for metric in raw["metrics"])
        if (race := raw.get("search_race")) is not None:
            raw["search_race"] = Race(**race | {"folds": tuple(race["folds"])})
        raw["activations"] = tuple(raw["activations"])
        raw["history"] = tuple(_extension(item) for item in raw.get("history", ()))
        raw["repeats"] = tuple(raw["repeats"])
        raw["search_varies"] = {label: tuple(names) for label, names in raw.get("search_varies", {}).items()}
        raw["until_decided"] = boundaries.of_raw(raw.get("until_decided"))
        raw["search_objectives"] = tuple(raw.get("search_objectives", ()))
        raw["same"] = _sameness(raw.get("same", {}))
        return Plan(**raw)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, AnalysisError):
            raise
        raise SourceError(f"plan.json: not a plan of this version ({error})") from error


def _extension(raw: dict[str, Any]) -> Extension:
    return Extension(**{**raw, "added": tuple(raw["added"]), "searched_again": tuple(raw["searched_again"])})


def _sameness(raw: Mapping[str, Any]) -> Sameness:
    pairs = {name: tuple((str(a), str(b)) for a, b in raw.get(name, ())) for name in ("pairs", "starts")}
    return Sameness(within=raw.get("within", 0.0), said=tuple(raw.get("said", ())), **pairs)


def unstated() -> dict[str, Any]:
    """The ``task`` and ``metrics`` of every plan of version 1, which left them unsaid, as JSON has them."""
    text = resources.files("analysis.runs").joinpath("plan_schema_1.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def unstated_metrics() -> tuple[Metric, ...]:
    """The metrics of every plan of version 1."""
    return tuple(Metric(**metric) for metric in unstated()["metrics"])
