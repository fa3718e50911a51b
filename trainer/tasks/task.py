"""What a task has to bring. One of the user's own is a subclass, named by its import path (``mylab.tasks:Counts``)."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer import catalogue
from trainer.datasets import cache
from trainer.datasets.reader import Dataset
from trainer.errors import DataError, UnknownName
from trainer.models.placement import accept
from trainer.spec import FoldSpec, Options, Scalar, TrainingSpec
from trainer.splits import Case, Split, Strata, split
from trainer.tasks.description import Description
from trainer.tasks.metric import Metric
from trainer.tasks.view import Place, Stage, View


def find(name: str, options: Options) -> type[Task]:
    """The task of a catalogue name or import path, which takes ``options``. Raises :class:`UnknownName`."""
    kind = catalogue.resolve("task", name, catalogue.TASKS)
    if not isinstance(kind, type) or not issubclass(kind, Task):
        raise UnknownName(f"task {name!r}: got {catalogue.what(kind)}; accepts a subclass of trainer.tasks.task.Task")
    try:
        accept("task", name, kind, options, given=("dataset",))
    except ValueError as error:
        raise UnknownName(str(error)) from error
    return kind


def fitting(name: str, options: Options, dataset: Dataset) -> type[Task]:
    """:func:`find`, for a data set on which it can be solved. Raises :class:`DataError` for another."""
    kind = find(name, options)
    if problem := kind.misfit(dataset, **options):
        raise DataError(f"data set {dataset.name!r}, task {name}: {problem}")
    return kind


def derived(spec: FoldSpec, dataset: Dataset, device: torch.device, root: Path | None) -> Dataset:
    """The data set as the fold's task trains on it. ``root``: folder that holds the data sets. Raises
    :class:`DataError` where the task cannot be solved on it."""
    kind = fitting(spec.task, spec.task_options, dataset)
    if kind.derived.__func__ is Task.derived.__func__:  # type: ignore[attr-defined]  # of a class method
        return dataset
    place = Place(device=device, data_root=root, cache=cache.writable_or_none(root))
    return kind.derived(dataset, place, **spec.task_options)


def deal(kind: type[Task], dataset: Dataset, spec: FoldSpec) -> Split:
    """The fold's split, as the task wants its items dealt. Raises :class:`DataError`."""
    dealt = split(
        dataset,
        spec.split,
        kind.strata(dataset, **spec.task_options),
        phase=spec.phase,
        seed=spec.study_seed,
        repeat=spec.repeat,
        fold=spec.fold,
        may_train=kind.may_train(dataset, **spec.task_options),
        cases=kind.cases(dataset, **spec.task_options),
    )
    if problem := kind.misdealt(dataset, dealt, **spec.task_options):
        raise DataError(f"data set {dataset.name!r}, task {spec.task}, fold {spec.fold}: {problem}")
    return dealt


def stages(task: Task, training: TrainingSpec) -> tuple[Stage, ...]:
    """The task's stages that have epochs. Raises ValueError where theirs are not the training's together."""
    found = task.stages(training)
    if (total := sum(stage.epochs for stage in found)) != training.epochs or min(stage.epochs for stage in found) < 0:
        told = ", ".join(f"{stage.name or 'training'} {stage.epochs}" for stage in found)
        raise ValueError(
            f"the task's stages ({told}) have {total} epochs; accepts stages that come to training.epochs, "
            f"{training.epochs}"
        )
    return tuple(stage for stage in found if stage.epochs)


class Task(nn.Module, ABC):
    """What a fold solves. Its parameters and buffers are saved and restored with the checkpoint, on the fold's device.

    ``targets`` is below the data set's ``targets`` of some items: [n] int64 (labels) or [n, k] floating point (values);
    ``outputs`` what :meth:`forward` gave for them: [n, :attr:`outputs`] unless a task gives something else, float32, or
    float64 where the study trains so.

    A task with options takes them as keyword-only arguments of ``__init__``, and its class methods take them, too:
    numbers, texts, booleans or null, as a study file gives them.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    """The loss among them."""
    primary: ClassVar[str]
    """The metric that a study reports unless it names another."""
    stratifies: ClassVar[bool] = False
    predicts: ClassVar[str] = "outputs"
    """The array of :meth:`predictions` that :meth:`predicted` is."""
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What a study does where it says nothing else: section -> key -> value."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.stage = ""
        """Name of the stage that is being trained, or was last."""

    # -- before there is a fold ----------------------------------------------------------------------------------------

    @classmethod
    def described(cls, name: str, **options: Scalar) -> Description:
        """Raises ValueError where the class says nothing usable of its metrics."""
        try:
            return Description(
                name=name,
                metrics=tuple(cls.metrics),
                primary=cls.primary,
                stratifies=cls.stratifies,
                defaults=cls.defaults,
            )
        except AttributeError as error:
            raise ValueError(f"{cls.__name__}: {error}; a task says metrics and primary as class attributes") from None

    @classmethod
    def chosen(cls, options: Options) -> dict[str, Any]:
        """``options``, with the defaults of ``__init__`` where they say nothing."""
        known = inspect.signature(cls.__init__).parameters.values()
        defaults = {one.name: one.default for one in known if one.kind is one.KEYWORD_ONLY}
        return {**defaults, **options}

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        """What keeps the task from being solved on the data set, and what to do; "" where nothing does."""
        return ""

    @classmethod
    def derived(cls, dataset: Dataset, place: Place, **options: Scalar) -> Dataset:
        """The data set as the task trains on it, with a digest of its own where it is another: frozen features of the
        items, say. Called once for all folds that share a process, before anything is dealt."""
        return dataset

    @classmethod
    def strata(cls, dataset: Dataset, **options: Scalar) -> Strata | None:
        """What every part of a split gets its share of; None where nothing is stratified."""
        return None

    @classmethod
    def may_train(cls, dataset: Dataset, **options: Scalar) -> NDArray[np.bool_] | None:
        """[n], False for items that are in no training and no validation part, whatever the split: anomalies. None: all
        may."""
        return None

    @classmethod
    def cases(cls, dataset: Dataset, **options: Scalar) -> tuple[Case, ...]:
        """With the scheme "cases", what each of the folds is."""
        return ()

    @classmethod
    def misdealt(cls, dataset: Dataset, split: Split, **options: Scalar) -> str:
        """What makes a fold's split dishonest for the task, and what to write instead; "" where nothing does."""
        return ""

    # -- training ------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that the model gives for one item."""

    def dealt(self, split: Split) -> None:
        """Told the fold's split, before all that follows."""

    def trained_on(self, split: Split) -> NDArray[np.int64]:
        """Which items of the training part the model is trained on, ascending."""
        return split.train

    def stages(self, training: TrainingSpec) -> tuple[Stage, ...]:
        """Stretches of training, in their order; their epochs come to ``training.epochs`` together. Checkpoint rules
        and patience look at the last one alone."""
        return (Stage(name="", epochs=training.epochs, training=training),)

    def begin_stage(self, view: View) -> None:
        """Before the first epoch of a stage, whose name is in :attr:`stage`: learns what it needs of the training part,
        into buffers. Calls :meth:`fit` unless a task says otherwise."""
        self.fit(view.part("train").targets, lambda: view.outputs("train"))

    def trained(self, model: nn.Module) -> list[nn.Parameter]:
        """What the stage's optimiser moves."""
        return [*model.parameters(), *self.parameters()]

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """What the model gives for a batch of standardised items, a row an item, whatever the loss needs of it."""
        outputs: Tensor = model(inputs)
        return outputs

    def fit(self, targets: Tensor, outputs: Callable[[], Tensor]) -> None:
        """Before the first epoch: learns what it needs of the training part (a scale of the targets, a centre), into
        buffers. ``outputs()`` gives the untrained model's outputs for them, in evaluation mode."""

    def smooth(self, share: float) -> None:
        """Told the label smoothing of the stage that begins. Raises ValueError where the task cannot smooth."""
        if share:
            raise ValueError(
                f"training.label_smoothing: got {share:g}; accepts 0 with a task that has no classes to smooth over"
            )

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a batch's step minimises, shape []."""

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        """The metrics of a whole part ("train", "validation" or "heldout"), at least the loss; a task may leave out
        those that it does not measure there. One transfer from the device for all of them."""

    def cautions(self, view: View) -> tuple[str, ...]:
        """What people should know of the model and its activation in this task before they train it, in evaluation mode
        and on a few items: no reason to refuse them."""
        return ()

    # -- what is written down ------------------------------------------------------------------------------------------

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        """What trivial predictors score on the held-out part: predictor, in plain words -> metric -> value. They learn
        from the training part alone; no model is asked."""
        return {}

    def outcome(self, view: View) -> dict[str, float]:
        """Further metrics of the model that a checkpoint rule picked, beside those of the held-out part's outputs."""
        return {}

    def remarks(self) -> dict[str, str]:
        """Metric -> what a reader has to know of the outcome measured last: why it is NaN, what looks wrong."""
        return {}

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        """What knowing nothing scores on the held-out part, by metric, where that can be said: ``train`` and
        ``heldout`` are the targets of both parts."""
        return {}

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """What ``predictions.npz`` keeps of the held-out part: arrays with a row an item."""
        return {"outputs": outputs.cpu().numpy(), "targets": targets.cpu().numpy()}

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """What the model says of items to whoever has it alone, a row an item: as :meth:`predictions`, without targets
        and without a split. ``items``: as they are stored. Raises ValueError where a model alone can say nothing."""
        return outputs

    def predicted_before(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        """Of what :meth:`predictions` gave, what :meth:`predicted` gives for the same items; None where nothing is."""
        return arrays.get(self.predicts)

    def predicted_words(self) -> str:
        """What :meth:`predicted` gives, in words that follow "gives"."""
        return "the model's outputs, a row an item"
