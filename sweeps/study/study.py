"""A study: one YAML file, validated into one frozen value. :mod:`sweeps.study.planner` says what it comes to.

:func:`sweeps.study.reading.load` reads and checks a file; what is wrong with it comes back as one :class:`StudyError`
that names file, line, what it got, what is accepted and the nearest name. :func:`resolved_yaml` writes all defaults out
and loads back to an equal study. Loads neither torch nor Ray.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from slurm.messages import Problems, refusal
from sweeps.study import spaces
from sweeps.study.consistency import Values, contradictions
from sweeps.study.field_types import TASK, FolderName
from sweeps.study.recipes import written_out
from sweeps.study.running import Cluster, Notify, Tracking
from sweeps.study.sections import (
    SEARCH_SHARE,
    Activation,
    Budget,
    Confirm,
    Data,
    Folds,
    Model,
    Report,
    Search,
    Section,
    Task,
    Training,
    TunedForAll,
)
from sweeps.study.space import ACTIVATION, Domain, Space
from trainer.spec import Options, Phase
from trainer.tasks.description import LAST, Description, describe

Mode = Literal["min", "max"]
NOT_IDENTITY = frozenset({"question", "root", "cluster", "tracking", "reuse", "notify"})
"""Keys that decide no number and no conclusion."""
ADDED: dict[tuple[str, ...], object] = {
    ("training", "evaluate_every"): 1,
    ("training", "schedule"): {"name": "none", "warmup": 0.0},
    ("training", "nesterov"): False,
    ("training", "decay"): "all",
    ("training", "clip_norm"): None,
    ("training", "label_smoothing"): 0.0,
    ("training", "init"): "default",
    ("training", "init_gain"): "scheme",
    ("training", "augment"): [],
    ("search", "share"): 0.0,
    ("search", "sampler"): None,
    ("search", "options"): {},
    ("search", "first"): "none",
    ("search", "objectives"): [],
    ("search", "race"): None,
    ("search", "scheduler", "options"): {},
    ("confirm", "until"): None,
    ("folds", "purge"): 0,
    ("budget",): None,
    ("activations", "where"): [],
}
"""Keys that came later, with what was done before they were there: so a study keeps the digest that an earlier version
gave it. A key below a list is one of each of its items."""
WRITTEN_OUT = "written out"
"""Key of a validation's context: the text has all defaults written out. What it lacks came later and means what was
done before."""


class Study(Section):
    name: Annotated[FolderName, Field(description="a name for the study, its folder and its MLflow experiment")]
    question: str = ""
    """What the study asks, in a sentence; stands above its report."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Decides every split, weight and order, and what a search draws."""
    task: Task = Task()
    """What is trained and measured."""
    data: Annotated[Data, Field(description="the data set, as {name: digits}")]
    root: str | None = None
    """Folder that holds the data sets; None: the environment's ACTSWEEP_DATA, or none."""
    model: Model = Model()
    """The network whose activations are replaced."""
    training: Training = Training()
    """How each fold trains."""
    folds: Folds = Folds()
    """How items are split, and how often."""
    search: Search | None = None
    """How settings of the activations are searched; null: nothing is searched."""
    confirm: Confirm | None = None
    """How often the winners of the searches are trained again; null: as often as folds.repeats says, and where nothing
    is searched all training is of this phase. false: not at all, claims rest on the searches."""
    activations: Annotated[
        tuple[Activation, ...],
        Field(strict=False, description="what is compared: names, or mappings with a name under activation"),
    ]
    space: TunedForAll = TunedForAll()
    """What is searched for every activation alike."""
    control: Annotated[
        str, Field(description="the label that all others are compared with (relu, where it is among them)")
    ]
    report: Report
    """What is compared, and when a difference counts."""
    budget: Budget | None = None
    """What the study may cost; null: no limit."""
    reuse: tuple[str, ...] = Field(default=(), strict=False)
    """Other study folders, whose folds of the same specification are taken instead of trained."""
    cluster: Cluster = Cluster()
    """Where and how folds run."""
    tracking: Tracking = Tracking()
    """Where MLflow keeps the runs."""
    notify: Notify | None = None
    """Who is told when the study ends; null: nobody."""

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
        if isinstance(out.get("search"), Mapping):
            before = bool((info.context or {}).get(WRITTEN_OUT))
            share, first = (0.0, "none") if before else (_search_share(out), "default")
            fill(out, "search", {"share": share, "first": first})
        _fill_training(out, of_before=bool((info.context or {}).get(WRITTEN_OUT)))
        task = _task(info)
        fill(out, "report", {"metric": task.primary})
        if not task.stratifies:
            fill(out, "folds", {"stratify": False})
        for section, values in task.defaults.items():
            fill(out, section, values)
        if isinstance(out.get("folds"), Mapping) and out["folds"].get("validation") == 0:
            fill(out, "training", {"checkpoint_rule": LAST, "patience": None})
        return out

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

    def compared(self) -> tuple[str, ...]:
        """Labels, in the file's order."""
        return tuple(item.label for item in self.activations)

    def activation(self, label: str) -> Activation:
        return next(item for item in self.activations if item.label == label)

    def space_of(self, label: str) -> Space:
        """All that is searched for one activation: its own, and what is tuned for all."""
        return spaces.of(self.activation(label), self.space, self.training, first=self.tries_published)

    @property
    def tries_published(self) -> bool:
        """Whether each search tries the activation's own setting first."""
        return self.search is not None and self.search.first == "default"

    def searched(self) -> tuple[str, ...]:
        """Labels with something to search."""
        return tuple(item.label for item in self.activations if not spaces.bare(item, self.space).empty)

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


def resolved_yaml(study: Study) -> str:
    """The study with all defaults written out; :func:`sweeps.study.reading.load` reads an equal one back."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def digest(study: Study) -> str:
    """Identity of the study: 16 hexadecimal digits over everything that decides a number or the conclusion drawn."""
    plain = study.model_dump(mode="json", exclude=set(NOT_IDENTITY))
    for (*sections, key), before in ADDED.items():
        for section in _below(plain, sections):
            if section[key] == before:
                del section[key]
    canonical = json.dumps(plain, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _below(plain: Any, path: Sequence[str]) -> list[dict[str, Any]]:
    """The mappings at a path of keys: none where one is null, one of each item where there is a list."""
    if isinstance(plain, list):
        return [found for item in plain for found in _below(item, path)]
    if plain is None or not path:
        return [] if plain is None else [plain]
    return _below(plain[path[0]], path[1:])


def _task(info: ValidationInfo) -> Description:
    """The task's description that the validation was given; of a study made in code, classification's."""
    found: Description = (info.context or {}).get(TASK) or describe("classification")
    return found


def _fill_training(raw: dict[str, Any], *, of_before: bool) -> None:
    """Writes a recipe's fields into ``training``, and what weight decay is for where the study has one: never the
    activations' own parameters, which it would draw to a value that means nothing to them."""
    training = raw.get("training", {})
    if not isinstance(training, Mapping):
        return
    raw["training"] = training = written_out(training)
    named = training.get("schedule")
    if (named.get("name") if isinstance(named, Mapping) else named) == "one_cycle":
        training.setdefault("patience", None)  # its low rates are at its end
    of_each = [item.get("training") for item in _items(raw.get("activations")) if isinstance(item, Mapping)]
    tuned = raw.get("space")
    of_each += [tuned.get("training")] if isinstance(tuned, Mapping) else []
    decays = training.get("weight_decay") not in (None, 0, 0.0) or any(
        isinstance(values, Mapping) and "weight_decay" in values for values in of_each
    )
    if decays and not of_before:
        raw["training"] = {"decay": "no_activation", **training}


def _search_share(raw: Mapping[str, Any]) -> float:
    """What a search keeps to itself where the study does not say: nothing where no other folds are claimed on, or
    where what is held out is declared."""
    confirm, folds = raw.get("confirm"), raw.get("folds")
    none = isinstance(confirm, Mapping) and confirm.get("repeats") == 0
    declared = isinstance(folds, Mapping) and folds.get("scheme", "kfold") != "kfold"
    return 0.0 if none or declared else SEARCH_SHARE


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
