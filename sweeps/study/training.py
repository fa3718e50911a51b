"""The ``training`` section of a study file: fields and defaults of :class:`trainer.spec.TrainingSpec`, with limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError

from slurm.messages import Problems, accepts, nearest, refusal
from sweeps.study.field_types import Rule
from sweeps.study.section import Section
from sweeps.study.space import Domain
from trainer.augmentation.facts import AUGMENTATIONS
from trainer.optimisation.facts import SCHEDULES
from trainer.part_options import WrongOption, filled, known
from trainer.spec import AugmentSpec, Decay, Init, InitGain, Precision, Scalar, ScheduleSpec, TrainingSpec

FIXED_FOR_ALL = frozenset(
    {"epochs", "evaluate_batch", "evaluate_every", "checkpoint_rule", "clean_train", "schedule", "augment"}
)
"""Training fields that no activation may have its own of: budget, rule and measurement are the comparison's."""


def _schedule(raw: object) -> ScheduleSpec:
    """``cosine``, or ``{name: cosine, warmup: 5}``; null is none."""
    if isinstance(raw, ScheduleSpec):
        return raw
    given = {"name": "none" if raw is None else raw} if raw is None or isinstance(raw, str) else raw
    if not isinstance(given, Mapping) or "name" not in given:
        raise refusal(f"accepts a name ({', '.join(SCHEDULES)}) or a mapping with one, as {{name: cosine, warmup: 5}}")
    try:
        name = known("schedule", given["name"], SCHEDULES)
        options = {key: value for key, value in given.items() if key != "name"}
        return ScheduleSpec(name=name, options=filled(name, options, SCHEDULES[name]))
    except WrongOption as error:
        raise refusal(str(error), whole=True) from error


def _augment(raw: object) -> tuple[AugmentSpec, ...]:
    """A list of names, of ``{crop: 4}`` (a value of the main option) and of ``{colour: {brightness: 0.2}}``."""
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise refusal(f"accepts a list of {', '.join(AUGMENTATIONS)}, as [crop, flip, {{cutout: 8}}]")
    found = tuple(_one_augmentation(item) for item in raw)
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise refusal("accepts each augmentation once")
    if {"mixup", "cutmix"} <= set(names):
        raise refusal("accepts mixup or cutmix, not both: each mixes the targets")
    return found


def _one_augmentation(item: object) -> AugmentSpec:
    if isinstance(item, AugmentSpec):
        return item
    pair = {item: {}} if isinstance(item, str) else item
    if not isinstance(pair, Mapping) or len(pair) != 1:
        raise refusal("accepts names, or mappings with one name each, as {crop: 4}")
    ((name, value),) = pair.items()
    try:
        facts = AUGMENTATIONS[known("augment", name, AUGMENTATIONS)]
        options = value if isinstance(value, Mapping) else {facts.main: value}
        return AugmentSpec(name=str(name), options=filled(str(name), options, facts.options))
    except WrongOption as error:
        raise refusal(str(error), whole=True) from error


def _plain(schedule: ScheduleSpec) -> dict[str, Scalar]:
    return {"name": schedule.name, **schedule.options}


def _plain_each(augment: tuple[AugmentSpec, ...]) -> list[dict[str, dict[str, Scalar]]]:
    return [{one.name: dict(one.options)} for one in augment]


class Training(Section):
    """How each fold trains: fields and defaults of :class:`trainer.spec.TrainingSpec`, with their limits."""

    epochs: int = Field(default=150, ge=1)
    """Epochs that a fold trains at most; with a task that trains in stages, of all stages together."""
    batch: int = Field(default=32, ge=1)
    """Items of a training batch."""
    evaluate_batch: int = Field(default=512, ge=1)
    """Items of a batch where nothing is learnt; decides memory and time, no number."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """How weights are moved along their gradients."""
    lr: float = Field(default=1e-4, gt=0)
    """The optimiser's learning rate, at the begin of a schedule where there is one."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Adam's and AdamW's decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Adam's and AdamW's decay of the mean of squared gradients."""
    eps: float = Field(default=1e-8, gt=0)
    """Adam's and AdamW's term against division by zero."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """SGD's momentum."""
    weight_decay: float = Field(default=0.0, ge=0)
    """How strongly weights are drawn to zero; ``decay`` says which."""
    patience: int | None = Field(default=15, ge=1)
    """Epochs without a better validation score after which a fold ends; null: all epochs are trained."""
    checkpoint_rule: Rule = "validation_loss"
    """Which epoch's weights are measured on the held-out part: last, or the best by a validation metric, as
    validation_loss."""
    clean_train: bool = False
    """Whether the training part is measured after each epoch, without augmentation and with the weights at rest."""
    precision: Precision = "fp32"
    """Of the arithmetic: fp32 and fp64 are strict, tf32 lets a GPU round its inputs, bf16 casts automatically."""
    evaluate_every: int = Field(default=1, ge=1)
    """Epochs between two validations."""
    schedule: Annotated[ScheduleSpec, PlainValidator(_schedule), PlainSerializer(_plain)] = ScheduleSpec()
    """How the learning rate moves, as cosine or {name: cosine, warmup: 5}."""
    nesterov: bool = False
    """Nesterov's momentum, with SGD."""
    decay: Decay = "all"
    """What weight decay is for: all, or not the activations' own parameters (which is meant where nothing is said), or
    weights alone."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Greatest norm of all gradients together; null: they are not clipped."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all classes."""
    init: Init = "default"
    """How weights begin; default: as the network's author has it."""
    init_gain: InitGain = "scheme"
    """The factor on the weights that begin, and whether it is the activation's own."""
    augment: Annotated[tuple[AugmentSpec, ...], PlainValidator(_augment), PlainSerializer(_plain_each)] = ()
    """Changes of training items, as [crop, flip, {cutout: 8}]."""

    def spec(self, overrides: Mapping[str, Scalar]) -> TrainingSpec:
        """With a trial's overrides. Raises pydantic's ValidationError for one that is out of its limits."""
        checked = Training.model_validate({**self.model_dump(), **overrides})
        return TrainingSpec(**{name: getattr(checked, name) for name in Training.model_fields})


def training_problem(name: str, value: Domain | Scalar) -> str | None:
    """What is wrong with a training field that one activation fixes or a search varies; None where nothing is."""
    allowed = [field.name for field in dataclasses.fields(TrainingSpec) if field.name not in FIXED_FOR_ALL]
    if name in FIXED_FOR_ALL:
        return f"is the same for every activation: set it once in training; accepts {', '.join(allowed)}"
    if name not in allowed:
        return f"unknown key; accepts {', '.join(allowed)}{nearest(name, allowed)}"
    for item in value.extremes() if isinstance(value, Domain) else (value,):
        try:
            Training.model_validate({name: item})
        except ValidationError as error:
            message = accepts(error.errors(include_url=False)[0])
            if not isinstance(value, Domain):
                return message
            whole = "; whole numbers come from randint, choice or grid_search" if "whole" in message else ""
            return f"would give {item!r}; {message}{whole}"
    return None


def check_training(values: dict[str, Any]) -> dict[str, Any]:
    found = [((name,), value, problem) for name, value in values.items() if (problem := training_problem(name, value))]
    if found:
        raise Problems(found)
    return values
