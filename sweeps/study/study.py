"""A study: one YAML file, validated into one frozen value from which everything else follows.

:func:`load` reads and checks a file; what is wrong with it comes back as one :class:`StudyError` that names file, line,
what it got, what is accepted and the nearest name. :func:`resolved_yaml` writes all defaults out and loads back to an
equal study. Loads neither torch nor Ray.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from analysis.runs.metric import Metric
from analysis.runs.plan import Declaration, Plan
from slurm.messages import Problems, refusal
from sweeps.study.consistency import Values, contradictions
from sweeps.study.sections import (
    NAME,
    TASK,
    Activation,
    Cluster,
    Confirm,
    Data,
    Folds,
    Model,
    Report,
    Search,
    Section,
    Tracking,
    Training,
    TunedForAll,
    listed,
)
from sweeps.study.space import ACTIVATION, Domain, Space, space
from trainer import catalogue
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Options, Phase, Scalar, SplitSpec
from trainer.tasks.description import LAST, Description, describe

Mode = Literal["min", "max"]
NOT_IDENTITY = frozenset({"question", "root", "cluster", "tracking"})
"""Keys that decide no number and no conclusion."""
ADDED: dict[tuple[str, str], object] = {("training", "evaluate_every"): 1}
"""Keys that came later, with what was done before they were there: so a study keeps the digest that an earlier version
gave it."""


class Study(Section):
    name: Annotated[str, Field(description="a name for the study, its folder and its MLflow experiment")]
    question: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    task: Annotated[str, listed("task", catalogue.TASKS)] = "classification"
    data: Annotated[Data, Field(description="the data set, as {name: digits}")]
    root: str | None = None
    """Folder that holds the data sets; None: the environment's ACTSWEEP_DATA, or none."""
    model: Model = Model()
    training: Training = Training()
    folds: Folds = Folds()
    search: Search | None = None
    confirm: Confirm | None = None
    """None where nothing is searched: then all trials are of the confirm phase."""
    activations: Annotated[
        tuple[Activation, ...],
        Field(strict=False, description="a list of names, or of mappings with a name under activation"),
    ]
    space: TunedForAll = TunedForAll()
    control: Annotated[
        str, Field(description="the label that all others are compared with (relu, where it is among them)")
    ]
    report: Report
    cluster: Cluster = Cluster()
    tracking: Tracking = Tracking()

    _description: Description = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _defaults_that_depend(cls, raw: object, info: ValidationInfo) -> object:
        """Defaults that other keys decide: the control, what the confirm phase repeats, what the task measures, and
        what can be done without a validation part."""
        if not isinstance(raw, Mapping):
            raise refusal("accepts a mapping with the keys of a study: name, data, activations and so on")
        out = dict(raw)
        labels = [_label(item) for item in _items(out.get("activations"))]
        if "control" not in out and ("relu" in labels or not labels):  # without labels, that is the problem to tell
            out["control"] = "relu"
        if out.get("confirm") is False:
            out["confirm"] = {"repeats": 0}
        elif out.get("confirm") is None and out.get("search") is not None:
            folds = out.get("folds")
            repeats = folds.get("repeats", 1) if isinstance(folds, Mapping) else getattr(folds, "repeats", 1)
            out["confirm"] = {"repeats": repeats} if type(repeats) is int and repeats >= 1 else {}
        task = _task(info)
        fill(out, "report", {"metric": task.primary})
        if not task.stratifies:
            fill(out, "folds", {"stratify": False})
        if isinstance(out.get("folds"), Mapping) and out["folds"].get("validation") == 0:
            fill(out, "training", {"checkpoint_rule": LAST, "patience": None})
        return out

    @field_validator("name")
    @classmethod
    def _safe(cls, name: str) -> str:
        if not NAME.match(name):
            raise refusal(
                "accepts a-z, 0-9, dot, dash and underscore, at most 100, a letter or digit first: it names a folder"
            )
        return name

    @field_validator("activations")
    @classmethod
    def _some(cls, items: tuple[Activation, ...]) -> tuple[Activation, ...]:
        if not items:
            raise refusal("accepts at least one activation")
        return items

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Study:
        self._description = _task(info)
        values = Values(
            activations=self.activations,
            spaces=tuple(self.space_of(label) for label in self.compared()),
            tuned_for_all=self.space,
            control=self.control,
            search=self.search,
            search_epochs=self.epochs("search"),
            confirm=self.confirm,
            folds=self.folds,
            training=self.training,
            task=self._description,
        )
        if found := list(contradictions(values)):
            raise Problems(found)
        return self

    @property
    def description(self) -> Description:
        """What is known of the task: its metrics among other things."""
        return self._description

    @property
    def mode(self) -> Mode:
        """Whether the search looks for the least or the greatest value of :meth:`select_on`, in Tune's words."""
        return "min" if self.description.metric(self.select_on()).better == "lower" else "max"

    def better(self, metric: str, one: float, other: float) -> bool:
        """Whether ``one`` beats ``other`` in a metric, named with or without its part (``validation/loss``)."""
        return self.description.metric(metric).sign * (one - other) > 0

    # What the driver asks a study.

    def compared(self) -> tuple[str, ...]:
        """Labels, in the file's order."""
        return tuple(item.label for item in self.activations)

    def activation(self, label: str) -> Activation:
        return next(item for item in self.activations if item.label == label)

    def space_of(self, label: str) -> Space:
        """All that is searched for one activation: its own, and what is tuned for all. Its own ``training`` wins."""
        item = self.activation(label)
        own = {name: value for name, value in item.training.items() if isinstance(value, Domain)}
        for_all = {name: domain for name, domain in self.space.training.items() if name not in item.training}
        return space(item.space, {**for_all, **own})

    def searched(self) -> tuple[str, ...]:
        """Labels with something to search."""
        return tuple(label for label in self.compared() if not self.space_of(label).empty)

    def phases(self) -> tuple[Phase, ...]:
        if not self.searched():
            return ("confirm",)
        assert self.confirm is not None
        return ("search", "confirm") if self.confirm.repeats else ("search",)

    def claims_phase(self) -> Phase:
        return self.phases()[-1]

    def trials(self, label: str, phase: Phase) -> int:
        """Trials of one activation in a phase. One with nothing to search has none in the search phase, unless claims
        rest on it."""
        if phase not in self.phases():
            return 0
        if phase == "confirm":
            return 1
        domains = self.space_of(label)
        if domains.empty:
            return int(self.claims_phase() == "search")
        assert self.search is not None
        return domains.trials(self.search.samples)

    def repeats(self, phase: Phase) -> tuple[int, ...]:
        """Repeat numbers of a phase. The confirm phase's follow the search's: other numbers, other splits."""
        if not self.searched():
            return tuple(range(self.folds.repeats)) if phase == "confirm" else ()
        assert self.search is not None
        assert self.confirm is not None
        first = self.search.repeats
        return tuple(range(first)) if phase == "search" else tuple(range(first, first + self.confirm.repeats))

    def fold_numbers(self, phase: Phase) -> tuple[int, ...]:
        """Folds of each repeat that a trial of the phase trains."""
        some = self.search.folds if self.search is not None and phase == "search" else None
        return tuple(range(some or self.folds.folds))

    def epochs(self, phase: Phase) -> int:
        own = self.search.epochs if self.search is not None and phase == "search" else None
        return own or self.training.epochs

    def select_on(self) -> str:
        """The validation metric by which trials are compared."""
        return self.search.select_on if self.search is not None else "validation/loss"

    def fixed(self, label: str) -> tuple[Options, Options]:
        """Parameters and training fields that the file fixes for an activation."""
        item = self.activation(label)
        return dict(item.params), {k: v for k, v in item.training.items() if not isinstance(v, Domain)}

    def degrees(self, label: str, params: Options) -> dict[str, float]:
        """Angles of the parameters that are searched as the tangent of one, for people to read."""
        domains = self.space_of(label).domains
        searched = {name: domains.get(ACTIVATION + name) for name in params}
        return {
            name: round(math.degrees(math.atan(float(params[name]))), 9)  # type: ignore[arg-type]  # tangents are numbers
            for name, domain in searched.items()
            if domain is not None and domain.tan
        }

    def fold_specs(
        self, *, phase: Phase, trial: str, label: str, params: Options | None = None, training: Options | None = None
    ) -> list[FoldSpec]:
        """Specifications of a trial's folds, by repeat, then fold. ``params`` and ``training`` are what the search
        settled; the file's fixed ones are added here."""
        fixed_params, fixed_training = self.fixed(label)
        return [
            FoldSpec(
                study=self.name,
                study_seed=self.seed,
                phase=phase,
                trial=trial,
                repeat=repeat,
                fold=fold,
                task=self.task,
                data=self.data_spec(),
                split=self.split_spec(),
                model=self.model_spec(),
                activation=ActivationSpec(
                    name=self.activation(label).activation, params={**fixed_params, **(params or {})}
                ),
                training=self.training.spec({"epochs": self.epochs(phase), **fixed_training, **(training or {})}),
            )
            for repeat in self.repeats(phase)
            for fold in self.fold_numbers(phase)
        ]

    def data_spec(self) -> DataSpec:
        return DataSpec(name=self.data.name, options=self.data.options)

    def model_spec(self) -> ModelSpec:
        return ModelSpec(name=self.model.name, options=self.model.options)

    def split_spec(self) -> SplitSpec:
        return SplitSpec(**self.folds.model_dump(exclude={"repeats"}))

    def plan(self, declared_at: str) -> Plan:
        """What is planned and declared, for ``plan.json``. ``declared_at``: ISO 8601, UTC."""
        phase, searched = self.claims_phase(), self.searched()
        return Plan(
            study=self.name,
            study_digest=digest(self),
            study_seed=self.seed,
            dataset=_named(self.data.name, self.data.options),
            model=_named(self.model.name, self.model.options),
            splits=_splits(self.split_spec()),
            task=self.task,
            metrics=tuple(Metric(**dataclasses.asdict(metric)) for metric in self.description.metrics),
            activations=self.compared(),
            claims_phase=phase,
            repeats=self.repeats(phase),
            folds=len(self.fold_numbers(phase)),
            search_trials={
                label: self.trials(label, "search") if label in searched else 0 for label in self.compared()
            },
            search_selects_on=self.select_on(),
            declaration=Declaration(
                question=self.question,
                metric=self.report.metric,
                rule=self.training.checkpoint_rule,
                control=self.control,
                rope=self.report.rope,
                alpha=self.report.alpha,
                declared_at=declared_at,
                family=self.report.family,
            ),
        )


def resolved_yaml(study: Study) -> str:
    """The study with all defaults written out; :func:`load` reads an equal one back."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def digest(study: Study) -> str:
    """Identity of the study: 16 hexadecimal digits over everything that decides a number or the conclusion drawn."""
    plain = study.model_dump(mode="json", exclude=set(NOT_IDENTITY))
    for (section, key), before in ADDED.items():
        if plain[section][key] == before:
            del plain[section][key]
    canonical = json.dumps(plain, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _task(info: ValidationInfo) -> Description:
    """The task's description that the validation was given; of a study made in code, classification's."""
    found: Description = (info.context or {}).get(TASK) or describe("classification")
    return found


def fill(raw: dict[str, Any], section: str, defaults: Mapping[str, object]) -> None:
    """Writes into a section what it does not say; leaves alone what is no section."""
    known = raw.get(section, {})
    if isinstance(known, Mapping):
        raw[section] = {**defaults, **known}


def _items(raw: object) -> list[object]:
    return list(raw) if isinstance(raw, list | tuple) else []


def _label(item: object) -> object:
    if isinstance(item, Mapping):
        return item.get("label", item.get("activation"))
    return getattr(item, "label", item)


def _splits(spec: SplitSpec) -> str:
    """How items are dealt to folds, as a reader of the report should see it."""
    parts = "the held-out part that the data set declares" if spec.scheme == "fixed" else f"{spec.folds} folds"
    stratified = ", stratified by class" if spec.stratify else ""
    grouped = f", no {spec.group} on two sides" if spec.group else ", items assigned individually (no groups)"
    return f"{parts}{stratified}{grouped if spec.scheme == 'kfold' else ''}; validation {spec.validation:g} of the rest"


def _named(name: str, options: Mapping[str, Scalar]) -> str:
    """``resnet34(stem=small)``."""
    inside = ", ".join(
        f"{key}={json.dumps(value) if not isinstance(value, str) else value}" for key, value in sorted(options.items())
    )
    return f"{name}({inside})" if inside else name
