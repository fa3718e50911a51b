"""Fold specifications: all that decides one training, as text between processes.

A :class:`FoldSpec` decides the numbers of a fold and nothing else; its digest is the fold's identity. Where and on what
it runs (folders, device, threads) is a :class:`Launch` and takes no part in the identity. Loads without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from trainer import codec, previous
from trainer.codec import SINCE, Format

Scalar = bool | int | float | str | None
Options = Mapping[str, Scalar]

Phase = Literal["search", "confirm"]
Precision = Literal["fp32", "tf32", "bf16", "fp64"]
Decay = Literal["all", "no_activation", "weights_only"]
Init = Literal["default", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "orthogonal"]
InitGain = Literal["scheme", "relu", "own", "measured"]
Scheme = Literal["kfold", "fixed", "published", "time", "block", "cases"]

SPECIFICATION = Format(name="fold specification", schema=2, previous={"FoldSpec": previous.fold_spec})
PACK = Format(name="pack", schema=3, previous={"Pack": previous.pack})


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set by catalogue name or import path, with its reader's own options."""

    name: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How items are dealt to folds, by ``scheme``:

    - "kfold" cross-validates over all items
    - "fixed" holds out the part that the data set itself declares (as DS1/DS2 of MIT-BIH), so that only validation,
      weights and order vary by repeat
    - "published" holds out the data set's published lists, one a fold; they may overlap
    - "time" has a rolling origin: the data set's order is cut into ``folds`` + 1 stretches, and a fold holds out one of
      them and trains on all before it, less a gap of ``purge``
    - "block" holds out neighbours: each stratum's items, in the data set's order, in ``folds`` stretches
    - "cases" has a fold for each of the task's cases (a normal class, a product), which says what trains and what is
      held out
    """

    scheme: Scheme = "kfold"
    folds: int = 5
    validation: float = 0.2
    """Share of the items outside the held-out part that early stopping and the checkpoint rule may look at; 0: none,
    and then only the checkpoint rule "last"."""
    stratify: bool = True
    """Whether every part gets its share of each of the task's strata."""
    group: str | None = None
    """Name of the data set's group (as "patient"): no group is on two sides of a split."""
    search_share: float = field(default=0.0, metadata={SINCE: 2})
    """Share of the items (or groups) that searches use, and that is always on the training side of the confirm phase,
    whose held-out parts come from the rest alone; 0: searches use all items, or there is none."""
    purge: int = field(default=0, metadata={SINCE: 2})
    """With the scheme "time": steps of the data set's order that are left out between two parts."""


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
class ScheduleSpec:
    """A learning-rate schedule of :mod:`trainer.optimisation.facts`, with all its options."""

    name: str = "none"
    options: Options = field(default_factory=lambda: {"warmup": 0.0})


@dataclass(frozen=True, kw_only=True)
class AugmentSpec:
    """An augmentation of :mod:`trainer.augmentation.facts`, with all its options."""

    name: str
    options: Options = field(default_factory=dict)


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
    checkpoint_rule: str = "validation_loss"
    """Which epoch's weights are scored: "last", or "validation_<metric>" for the best of those that were validated."""
    clean_train: bool = False
    """Also measure the training part with the weights at rest, in evaluation mode, whenever there is a validation."""
    precision: Precision = "fp32"
    evaluate_every: int = field(default=1, metadata={SINCE: 2})
    """Epochs from one validation to the next; the last epoch is validated in any case."""
    schedule: ScheduleSpec = field(default=ScheduleSpec(), metadata={SINCE: 2})
    """What the learning rate does over a stage's epochs, from ``lr`` on."""
    nesterov: bool = field(default=False, metadata={SINCE: 2})
    decay: Decay = field(default="all", metadata={SINCE: 2})
    """What ``weight_decay`` moves towards 0: "all" parameters; "no_activation", all but the activations' own;
    "weights_only", of those the matrices and kernels: neither biases nor what normalisation learns."""
    clip_norm: float | None = field(default=None, metadata={SINCE: 2})
    """A step's gradients together are scaled down to this Euclidean norm."""
    label_smoothing: float = field(default=0.0, metadata={SINCE: 2})
    """Share of an item's target that all classes have alike, in the loss that is trained on; what is measured has
    none."""
    init: Init = field(default="default", metadata={SINCE: 2})
    """Initial weights of the model's layers, see :mod:`trainer.models.initialisation`; "default": the model's own."""
    init_gain: InitGain = field(default="scheme", metadata={SINCE: 2})
    augment: tuple[AugmentSpec, ...] = field(default=(), metadata={SINCE: 2})
    """What is done at random to items that are trained on, in this order."""


@dataclass(frozen=True, kw_only=True)
class FoldSpec:
    """One (repeat, fold) of one trial: one training of one model.

    Splits, initial weights and batch order are functions of (``study_seed``, ``repeat``, ``fold``) alone, so that
    folds pair across activations.
    """

    FORMAT: ClassVar[Format] = SPECIFICATION

    schema: int = SPECIFICATION.schema
    study: str
    study_seed: int
    phase: Phase
    trial: str
    repeat: int
    fold: int
    task: str = "classification"
    """By catalogue name or import path."""
    task_options: Options = field(default_factory=dict, metadata={SINCE: 2})
    data: DataSpec
    split: SplitSpec
    model: ModelSpec
    activation: ActivationSpec
    training: TrainingSpec

    @property
    def digest(self) -> str:
        """Identity of the fold: 16 hexadecimal digits, see :func:`trainer.codec.identity`."""
        return codec.digest(self)

    @property
    def training_digest(self) -> str:
        """Equal for folds that are one and the same computation, whatever study and trial they are of: the phase takes
        part only where searches have a part of the items to themselves, and so decides the split."""
        plain = json.loads(codec.identity(self))
        for name in ("study", "trial", *(() if self.split.search_share else ("phase",))):
            del plain[name]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def trained_data(self) -> str:
        """Equal for folds whose tasks train on one and the same data set."""
        return f"{codec.to_text(self.data)} {self.task} {sorted(self.task_options.items())}"

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

    FORMAT: ClassVar[Format] = PACK

    schema: int = PACK.schema
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
    """Digest of the sources that planned the pack, the trainer's and the user's own; "" asks for no comparison."""
    own: Mapping[str, str] = field(default_factory=dict)
    """The user's own modules that the study uses -> SHA-256 of each, see :mod:`trainer.own_code`."""
    own_folder: str | None = None
    """Folder, absolute, whose modules come before all others: the study's frozen copy of the user's own."""
    on_drift: Literal["refuse", "warn"] = "refuse"
    meter: str | None = field(default=None, metadata={SINCE: 3})
    """Folder, absolute, in which each run of the pack's job writes how long it holds its device, see
    :mod:`trainer.meter`; None: none does."""
    seconds: float | None = field(default=None, metadata={SINCE: 3})
    """That all runs of the job together may hold their device, from its begin: the pack leaves in time, its folds on
    disk and without an end. None: no limit."""
    least_s: float | None = field(default=None, metadata={SINCE: 3})
    """Seconds from the begin of the pack until a fold of it has a checkpoint, as far as was measured: a job that takes
    further packs does not take this one with less left."""
