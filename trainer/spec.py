"""Fold specifications: all that decides one training, as text between processes.

A :class:`FoldSpec` decides the numbers of a fold and nothing else; its digest is the fold's identity. Where and on what
it runs (folders, device, threads) is a :class:`Launch` and takes no part in the identity. Loads without torch.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from trainer.errors import SpecError

SCHEMA = 1

T = TypeVar("T")

Scalar = bool | int | float | str | None
Options = Mapping[str, Scalar]

Phase = Literal["search", "confirm"]
CheckpointRule = Literal["validation_loss", "validation_accuracy", "last"]
CHECKPOINT_RULES: tuple[CheckpointRule, ...] = ("validation_loss", "validation_accuracy", "last")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set by catalogue name or import path, with its reader's own options."""

    name: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How items are dealt to folds. ``scheme`` "kfold" cross-validates over all items; "fixed" holds out the part that
    the data set itself declares (as DS1/DS2 of MIT-BIH), so that only validation, weights and order vary by repeat."""

    scheme: Literal["kfold", "fixed"] = "kfold"
    folds: int = 5
    validation: float = 0.2
    """Share of the items outside the held-out part that early stopping and the checkpoint rule may look at."""
    stratify: bool = True
    group: str | None = None
    """Name of the data set's group (as "patient"): no group is on two sides of a split."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    name: str = "resnet34"
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ActivationSpec:
    """An activation by catalogue name or import path; ``params`` are its constructor's keyword arguments."""

    name: str
    params: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    epochs: int = 150
    batch: int = 32
    evaluate_batch: int = 512
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum: float = 0.9
    weight_decay: float = 0.0
    patience: int | None = 15
    """Epochs without a strict decrease of the validation loss before training ends; None trains them all."""
    checkpoint_rule: CheckpointRule = "validation_loss"
    clean_train: bool = False
    """Also measure the training part with the weights at rest, in evaluation mode, after every epoch."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"


@dataclass(frozen=True, kw_only=True)
class FoldSpec:
    """One (repeat, fold) of one trial: one training of one model.

    Splits, initial weights and batch order are functions of (``study_seed``, ``repeat``, ``fold``) alone, so that
    folds pair across activations.
    """

    schema: int = SCHEMA
    study: str
    study_seed: int
    phase: Phase
    trial: str
    repeat: int
    fold: int
    task: Literal["classification"] = "classification"
    data: DataSpec
    split: SplitSpec
    model: ModelSpec
    activation: ActivationSpec
    training: TrainingSpec

    @property
    def digest(self) -> str:
        """Identity of the fold: 16 hexadecimal digits of the SHA-256 of its canonical text."""
        return digest(self)

    @property
    def folder(self) -> str:
        """Name of the fold's folder below its trial's."""
        return f"fold-{self.repeat}-{self.fold}"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One fold and where it is to run."""

    spec: FoldSpec
    folder: str
    """The fold's folder, absolute; every attempt makes its own folder inside."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The folds that share one process and one device."""

    schema: int = SCHEMA
    launches: tuple[Launch, ...]
    data_root: str | None
    """Folder that holds the data sets, absolute; None for data sets that come with a package."""
    scratch: str | None = None
    """Node-local folder for staging data once per node; environment variables are expanded on the node."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1
    checkpoint_every_s: float = 0.0
    """Least seconds between two checkpoints of a fold; 0 writes one after each epoch."""
    keep: Literal["none", "best"] = "none"
    """Whether the checkpointed weights stay (as ``best.pt``) once the fold has finished."""
    code: str = ""
    """Digest of the trainer's sources that planned the pack; "" asks for no comparison."""
    on_drift: Literal["refuse", "warn"] = "refuse"


def to_text(value: Any) -> str:
    """Canonical JSON of a specification dataclass: sorted keys, no spaces, non-finite numbers refused."""
    return json.dumps(dataclasses.asdict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    return hashlib.sha256(to_text(value).encode()).hexdigest()[:16]


def from_text(kind: type[T], text: str) -> T:
    """The exact inverse of :func:`to_text`. Raises :class:`SpecError` on any missing, unknown or ill-typed field."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{kind.__name__}: not JSON ({error})") from error
    return from_plain(kind, raw)


def from_plain(kind: type[T], raw: object) -> T:
    """:func:`from_text` for an already parsed value."""
    value = _decode(kind, raw, kind.__name__)
    assert isinstance(value, kind)
    return value


def _decode(kind: Any, raw: object, path: str) -> object:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, raw, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if raw in arguments and type(raw) in {type(argument) for argument in arguments}:
            return raw
        raise SpecError(f"{path}: got {raw!r}, accepts one of {list(arguments)}")
    if origin in (Union, types.UnionType):
        for option in arguments:
            try:
                return _decode(option, raw, path)
            except SpecError:
                continue
        raise SpecError(f"{path}: got {raw!r}, accepts {kind}")
    if origin is tuple and isinstance(raw, list):
        return tuple(_decode(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(raw))
    if origin is Mapping and isinstance(raw, dict):
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in raw.items()}
    if kind is float and type(raw) in (int, float):
        return float(raw)  # type: ignore[arg-type]  # the line above says so
    if isinstance(kind, type) and type(raw) is kind:
        return raw
    raise SpecError(f"{path}: got {raw!r}, accepts {getattr(kind, '__name__', kind)}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: Any, raw: object, path: str) -> object:
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: got {type(raw).__name__}, accepts an object")
    hints = _hints(kind)
    names = {item.name for item in dataclasses.fields(kind)}
    if missing := sorted(names - raw.keys()):
        raise SpecError(f"{path}: missing {', '.join(missing)}")
    if unknown := sorted(raw.keys() - names):
        raise SpecError(f"{path}: unknown {', '.join(unknown)}")
    if "schema" in names and raw["schema"] != SCHEMA:
        raise SpecError(f"{path}: schema {raw['schema']}, this trainer reads schema {SCHEMA}; use the matching version")
    return kind(**{name: _decode(hints[name], raw[name], f"{path}.{name}") for name in names})
