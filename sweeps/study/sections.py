"""The sections of a study file, each a strict and frozen value. :mod:`sweeps.study.study` puts them together.

Short forms (a bare activation name, ``scheduler: none``, ``space: default``) are written out before validation, so that
a section has one shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from analysis.runs.plan import Family
from slurm.messages import refusal
from sweeps.study import algorithms, default_spaces, relations
from sweeps.study.field_types import (
    DataOption,
    Option,
    Parameter,
    ReportedMetric,
    Searched,
    SearchedOrFixed,
    SelectedOn,
    listed,
)
from sweeps.study.section import Section
from sweeps.study.training import Training, check_training
from trainer import catalogue
from trainer.spec import Scalar, Scheme

__all__ = ["Section", "Training"]

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")


class Named(Section):
    """Something by name; every other key is an option of its own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Option] = Field(init=False)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, raw: object) -> object:
        return {"name": raw} if isinstance(raw, str) else raw

    @property
    def options(self) -> dict[str, Scalar]:
        return dict(self.__pydantic_extra__)


class Task(Named):
    """What is trained and measured: a name, or a mapping with it and the task's own options beside it."""

    name: Annotated[str, listed("task", catalogue.TASKS)] = "classification"
    """What is trained and measured."""

    @model_serializer(mode="wrap")
    def _bare_where_it_can_be(self, handler: SerializerFunctionWrapHandler) -> object:
        """As a study file has it: the name alone where there are no options."""
        return handler(self) if self.options else self.name


class Data(Named):
    """The data set: a name, or a mapping with it and the options of its reader beside it."""

    __pydantic_extra__: dict[str, DataOption] = Field(init=False)
    name: Annotated[str, listed("data set", catalogue.DATASETS)]
    """The data set; its reader's options stand beside it."""


class Model(Named):
    """The network: a name, or a mapping with it and its options beside it."""

    __pydantic_extra__: dict[str, DataOption] = Field(init=False)
    name: Annotated[str, listed("model", catalogue.MODELS)] = "resnet34"
    """The network; its options stand beside it. Those of torchvision and timm as torchvision.resnet50."""


class Folds(Section):
    """Splits of one repeat, and how many repeats a study without a search makes."""

    scheme: Scheme = "kfold"
    """How items are dealt to folds: by cross-validation, the data set's own parts, time, neighbours or cases."""
    folds: int = 5
    """Folds of one repeat."""
    repeats: int = Field(default=1, ge=1)
    """Times that everything is done with splits and seeds of its own, in a study without a search."""
    validation: float = Field(default=0.2, ge=0, lt=1)
    """Share of the items outside the held-out part that early stopping and the checkpoint rule may look at."""
    stratify: bool = True
    """Whether every part gets its share of each class."""
    group: str | None = None
    """The data set's group (as patient) that is never on two sides of a split."""
    purge: int = Field(default=0, ge=0)
    """Steps of time left out between two parts, so that no window reaches into the next."""

    @model_validator(mode="before")
    @classmethod
    def _one_fold_where_fixed(cls, raw: object) -> object:
        if isinstance(raw, Mapping) and raw.get("scheme") == "fixed":
            return {"folds": 1, **raw}
        return raw

    @field_validator("folds")
    @classmethod
    def _enough(cls, folds: int, info: Any) -> int:
        if info.data.get("scheme") == "fixed":
            if folds != 1:
                raise refusal(
                    "accepts 1 with scheme: fixed, whose held-out part is the data set's own; raise repeats instead"
                )
        elif folds < 1 or (folds < 2 and info.data.get("scheme") in ("kfold", "block")):
            raise refusal("accepts 2 or more: with fewer nothing is held out")
        return folds


def _known_to(wrong: Callable[[str], str | None]) -> AfterValidator:
    def check(name: str) -> str:
        if (accepted := wrong(name)) is not None:
            raise refusal(accepted)
        return name

    return AfterValidator(check)


class Scheduler(Section):
    """Which trials to stop early, on the mean of their folds per epoch."""

    name: Annotated[str, _known_to(algorithms.wrong_scheduler)] = "none"
    """Which trials end early; none: every setting trains to its end."""
    grace_epochs: int = Field(default=1, ge=1)
    """Epochs that every setting trains."""
    reduction_factor: float = Field(default=3.0, gt=1)
    """One in so many goes on at each step."""
    options: dict[str, Option] = Field(default={})
    """Further keyword arguments of the scheduler."""


def _scheduler(raw: object) -> object:
    return {"name": raw} if isinstance(raw, str) else {"name": "none"} if raw is None else raw


class Race(Section):
    """Search trials train their folds round by round, and those that are shown to be worse get no further round."""

    first: int = Field(default=2, ge=2)
    """Folds that every setting trains."""
    step: int = Field(default=1, ge=1)
    """Folds of each further round."""
    error: float = Field(default=0.05, gt=0, le=0.5)
    """Most probability, for one activation's whole race, of dropping the setting that is truly the best."""


class Search(Section):
    """How settings of the activations are searched: the same budget for each."""

    algorithm: Annotated[str, _known_to(algorithms.wrong_algorithm)] = "random"
    """What chooses the settings."""
    sampler: str | None = None
    """Optuna's sampler, with algorithm: optuna: tpe, gp, cmaes, qmc, random, brute_force, nsgaii or nsgaiii;
    None: tpe."""
    options: dict[str, Option] = Field(default={})
    """Further keyword arguments of the searcher (of the sampler, with algorithm: optuna)."""
    first: Literal["default", "none"] = "none"
    """Whether the first setting that is tried is each activation's own: the defaults of what is searched."""
    objectives: tuple[str, ...] = Field(default=(), strict=False)
    """What an Optuna sampler of several objectives looks for, select_on first; empty: select_on alone."""
    race: Race | None = None
    """How settings get their folds round by round, and the worse ones no further round; {} is with its defaults. None:
    every setting trains all of its folds."""
    samples: int = Field(default=10, ge=1)
    """Settings drawn per activation, the same for each; times the size of its grid where it has one."""
    concurrent: int | None = Field(default=None, ge=1)
    """Trials of one activation in flight; None: 4 for an algorithm that learns from those that are over, else no
    limit."""
    folds: int | None = Field(default=None, ge=1)
    """Folds of each repeat that a search trial trains; None: all."""
    repeats: int = Field(default=1, ge=1)
    """Repeats of the folds that each setting trains."""
    scheduler: Annotated[Scheduler, BeforeValidator(_scheduler)] = Scheduler()
    """What ends settings early, by the mean of their folds after each epoch."""
    share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the items (or groups) that the search uses, and that the confirm phase never holds out; 0: all of them.
    Where there is a confirm phase on folds of its own, 0.4 unless said otherwise."""
    select_on: SelectedOn = "validation/loss"
    """The validation metric by which settings are compared, as validation/loss; never a held-out one."""
    epochs: int | None = Field(default=None, ge=1)
    """Epochs in the search phase; None: training.epochs."""
    allow_unequal_budget: bool = False
    """Whether activations may have different numbers of settings to try; the report says so."""


SEARCH_SHARE = 0.4
"""Of the items, what searches use where a study does not say: enough to rank settings by, and most items are left to
claim on."""


class Repeats(Section):
    """How many repeats a comparison has at first, and at most."""

    first: int = Field(default=2, ge=1)
    """Repeats that every comparison has."""
    most: int = Field(default=20, ge=2)
    """Repeats that a comparison has at most."""


class Confirm(Section):
    """The winners again, on fresh splits and seeds. 0 repeats: claims rest on the search phase and are exploratory."""

    repeats: Annotated[int, Field(ge=0)] | Repeats = 1
    """A number, or {first: 2, most: 20} with until: decided."""
    until: Literal["decided"] | None = None
    """With repeats: {first, most}: each comparison gets further repeats until it is decided."""

    @model_validator(mode="before")
    @classmethod
    def _first_and_most(cls, raw: object) -> object:
        if isinstance(raw, Mapping) and raw.get("until") is not None and "repeats" not in raw:
            return {**raw, "repeats": {}}
        return raw

    @model_validator(mode="after")
    def _both_or_neither(self) -> Confirm:
        if isinstance(self.repeats, Repeats) != (self.until is not None):
            raise refusal(
                "accepts repeats: {first: 2, most: 20} together with until: decided, or a number and no until"
            )
        if self.most < self.first:
            raise refusal("accepts repeats with most no less than first")
        return self

    @property
    def first(self) -> int:
        """Repeats that every comparison has."""
        return self.repeats.first if isinstance(self.repeats, Repeats) else self.repeats

    @property
    def most(self) -> int:
        return self.repeats.most if isinstance(self.repeats, Repeats) else self.repeats


class Budget(Section):
    """What a study may cost; nothing is started that could pass it."""

    gpu_hours: float = Field(gt=0, allow_inf_nan=False)
    """Hours of one device, summed over all that are used; of a process, where there are none."""
    margin: float = Field(default=1.25, ge=1, allow_inf_nan=False)
    """Factor on measured times when it is asked whether something still fits."""


def _relations(raw: object) -> object:
    """A list of texts, or one text."""
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise refusal('accepts a list of relations in quotes, as ["a > b"]')
    for text in texts:
        try:
            relations.parse(text)
        except relations.RelationError as error:
            raise refusal(f"got {text!r}; {error}", whole=True) from error
    return texts


class Activation(Section):
    """One of the things that are compared. The name alone is short for a mapping with it under activation."""

    activation: Annotated[
        str,
        listed("activation", catalogue.ACTIVATIONS),
        Field(description="a name, or an import path as mylab.act:MyAct"),
    ]
    label: str
    """What it is called in this study; the name, unless another is given."""
    params: dict[str, Parameter] = Field(default={})
    """Keyword arguments that are fixed."""
    space: dict[str, Searched] = Field(default={})
    """What is searched: parameter -> domain; default: the domains that come with actsweep."""
    training: Annotated[dict[str, SearchedOrFixed], AfterValidator(check_training)] = Field(default={})
    """Fields of training of its own: a value, or a domain that is searched."""
    where: Annotated[tuple[str, ...], BeforeValidator(_relations)] = Field(default=(), strict=False)
    """Relations that every setting of its search fulfils, as "a > b"."""

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, raw: object) -> object:
        raw = {"activation": raw} if isinstance(raw, str) else raw
        if not isinstance(raw, Mapping) or not isinstance(raw.get("activation"), str):
            return raw
        name = raw["activation"]
        out = {"label": name.rpartition(":")[2], **raw}
        if out.get("space") == "default":
            if (name in catalogue.ACTIVATIONS or ":" in name) and name not in default_spaces.SPACES:
                raise refusal(
                    f"space: default is there for {', '.join(sorted(default_spaces.SPACES))}, not for {name}; name its "
                    "parameters and their domains, or leave space out"
                )
            fixed = raw.get("params") if isinstance(raw.get("params"), Mapping) else {}
            out["space"] = {
                item.parameter: item.domain
                for item in default_spaces.SPACES.get(name, ())
                if item.parameter not in (fixed or {})
            }
        return out

    @field_validator("label")
    @classmethod
    def _safe(cls, label: str) -> str:
        if not LABEL.match(label):
            raise refusal("accepts letters, digits, dot, dash and underscore, at most 60, a letter or digit first")
        return label


class TunedForAll(Section):
    """What is searched for every activation alike."""

    training: Annotated[dict[str, Searched], AfterValidator(check_training)] = Field(default={})
    """Fields of training that are searched for every activation: name -> domain."""


class Report(Section):
    """What is compared, and when a difference counts."""

    metric: ReportedMetric
    """The task's primary one, unless another is named."""
    rope: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Half the width of the zone in which a difference does not matter, in units of the metric; null: by the metric."""
    alpha: float = Field(default=0.05, gt=0, le=0.5)
    """Level of significance of all comparisons together."""
    family: Family = "control"
    """Whether each is compared with the control, or all with each other."""
