"""Deep SVDD (Ruff et al., "Deep One-Class Classification", ICML 2018), without the soft boundary.

An encoder learns to map the items of one class, the normal one, close to a fixed centre; how far an item is from there
says how little it belongs to them. Before that an autoencoder may be trained, whose encoder goes on. No item of another
class trains or validates; those of the held-out part are the anomalies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.spec import Scalar, TrainingSpec
from trainer.splits import Case, Split, Strata
from trainer.tasks.description import Description
from trainer.tasks.one_class import contrast, facts, floors, shortcuts
from trainer.tasks.one_class.facts import AUTOENCODER, SPHERE
from trainer.tasks.ranking import ranked
from trainer.tasks.task import Task
from trainer.tasks.view import Place, Stage, View

AWAY = 0.1
"""The centre keeps so far from 0 in every component: a unit that is 0 for all items would reach it without learning."""
COLLAPSED = 1e-6
"""Variance of the distances to the centre, in units of its own squared distance from 0, below which the network gives
about the same for whatever it sees."""


class OneClass(Task):
    """``normal``: the class that is learnt, by its name, or by its number where no class has that name; left out with
    ``folds: {scheme: cases}``, where each class is the normal one of a fold. ``embedding``: numbers that the model
    gives for an item. ``autoencoder_epochs``: epochs of ``training.epochs`` for the autoencoder, for which the model
    needs a child ``decoder`` that maps embeddings to what the encoder was given; its ``autoencoder_lr`` and
    ``autoencoder_weight_decay`` are the training's unless said otherwise.

    Images are given contrast normalised and brought to [0, 1] by the least and greatest value of the normal training
    images, in place of the data set's standardisation; everything else as the data set is standardised.
    """

    metrics = facts.describe({"autoencoder_epochs": 1}).metrics
    primary = facts.describe({}).primary
    stratifies = True
    defaults = facts.describe({}).defaults
    predicts = "score"
    actsweep_transient = ("_told",)

    centre: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        dataset: Dataset,
        *,
        normal: int | str | None = None,
        embedding: int = facts.EMBEDDING,
        autoencoder_epochs: int = 0,
        autoencoder_lr: float | None = None,
        autoencoder_weight_decay: float | None = None,
    ) -> None:
        super().__init__(dataset)
        self.classes = dataset.classes
        self.normal = -1 if normal is None else number_of(dataset, normal)
        self.embedding, self.autoencoder_epochs = embedding, autoencoder_epochs
        self.autoencoder = {"lr": autoencoder_lr, "weight_decay": autoencoder_weight_decay}
        self.images = dataset.kind == "image"
        self.register_buffer("centre", torch.zeros(embedding, dtype=torch.float64))
        self.register_buffer("low", torch.zeros((), dtype=torch.float64))
        self.register_buffer("high", torch.ones((), dtype=torch.float64))
        self._before: dict[str, Tensor] = {}
        self._told: dict[str, str] = {}

    # -- before there is a fold ----------------------------------------------------------------------------------------

    @classmethod
    def described(cls, name: str, **options: Scalar) -> Description:
        return dataclasses.replace(facts.describe(options), name=name)

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        if dataset.labels is None:
            return "has no labels; one class is told from others by them: choose a data set with classes"
        if len(dataset.classes) < 2:
            return f"has the class {dataset.classes[0]!r} alone; there has to be another one, whose items are anomalies"
        normal = options.get("normal")
        if normal is not None and number_of(dataset, normal) < 0:
            names = ", ".join(dataset.classes[:20]) + (", ..." if len(dataset.classes) > 20 else "")
            return (
                f"normal is {normal!r}; accepts the name of one of its {len(dataset.classes)} classes ({names}), or "
                f"their number, 0 to {len(dataset.classes) - 1}, where no class has that name"
            )
        return ""

    @classmethod
    def derived(cls, dataset: Dataset, place: Place, **options: Scalar) -> Dataset:
        if dataset.kind != "image":
            return dataset
        channels = dataset.items.shape[1]
        return dataclasses.replace(dataset, standardise="constants", mean=(0.0,) * channels, std=(1.0,) * channels)

    @classmethod
    def strata(cls, dataset: Dataset, **options: Scalar) -> Strata | None:
        assert dataset.labels is not None
        return Strata(numbers=dataset.labels, names=dataset.classes)

    @classmethod
    def may_train(cls, dataset: Dataset, **options: Scalar) -> NDArray[np.bool_] | None:
        normal = options.get("normal")
        return None if normal is None else np.asarray(dataset.labels == number_of(dataset, normal))

    @classmethod
    def cases(cls, dataset: Dataset, **options: Scalar) -> tuple[Case, ...]:
        """Every class (or the normal one, where one is named) with items on both sides of the held-out part that the
        data set declares, which is held out whole of each."""
        heldout, labels, normal = dataset.fixed_heldout, dataset.labels, options.get("normal")
        if heldout is None or labels is None:
            return ()
        known = range(len(dataset.classes)) if normal is None else [number_of(dataset, normal)]
        return tuple(
            Case(name=dataset.classes[number], train=(labels == number) & ~heldout, heldout=heldout)
            for number in known
            if (labels[heldout] == number).any() and (labels[~heldout] == number).any()
        )

    @classmethod
    def misdealt(cls, dataset: Dataset, split: Split, **options: Scalar) -> str:
        """It has to be said which class is normal, and the held-out part needs items of it and others."""
        normal = split.case.name if split.case is not None else options.get("normal")
        if normal is None:
            return (
                f"it is not said which class is normal; accepts task: {{name: {facts.NAME}, normal: "
                f"{dataset.classes[0]}}}, or every class in turn with folds: {{scheme: cases, folds: "
                f"{len(dataset.classes)}}}"
            )
        assert dataset.labels is not None
        found = dataset.labels[split.heldout] == number_of(dataset, normal)
        if found.all() or not found.any():
            kind = "anomalies" if found.all() else f"items of the normal class {normal!r}"
            return f"the held-out part has no {kind}, so that nothing could be measured there; use other folds"
        return ""

    # -- training ------------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        return self.embedding

    def dealt(self, split: Split) -> None:
        if split.case is not None:
            self.normal = self.classes.index(split.case.name)

    def stages(self, training: TrainingSpec) -> tuple[Stage, ...]:
        first = self.autoencoder_epochs
        if first >= training.epochs:
            raise ValueError(
                f"task {facts.NAME}: autoencoder_epochs is {first} of training.epochs {training.epochs}, which are "
                f"those of both stages; accepts 0 to {training.epochs - 1}"
            )
        changed: dict[str, Any] = {name: value for name, value in self.autoencoder.items() if value is not None}
        return (
            Stage(name=AUTOENCODER, epochs=first, training=dataclasses.replace(training, epochs=first, **changed)),
            Stage(
                name=SPHERE,
                epochs=training.epochs - first,
                training=dataclasses.replace(training, epochs=training.epochs - first),
            ),
        )

    def begin_stage(self, view: View) -> None:
        first = self.stage == (AUTOENCODER if self.autoencoder_epochs else SPHERE)
        if first and self.images:
            self.low, self.high = (end.double() for end in contrast.span(view.part("train").inputs()))
        if self.stage == AUTOENCODER:
            _decoder(view.model)
            return
        embedded = view.outputs("train").double()
        if embedded.shape[1:] != self.centre.shape:
            raise ValueError(
                f"task {facts.NAME}: the model gives {tuple(embedded.shape[1:])} numbers an item, accepts the "
                f"embedding's ({self.embedding},)"
            )
        centre = embedded.mean(dim=0)
        self.centre = torch.where(centre.abs() < AWAY, torch.where(centre < 0, -AWAY, AWAY), centre)
        if self.autoencoder_epochs:
            self._before = {name: value.detach().clone() for name, value in _encoder(view.model).items()}

    def trained(self, model: nn.Module) -> list[nn.Parameter]:
        if self.stage == AUTOENCODER:
            return list(model.parameters())
        kept = {id(parameter) for parameter in getattr(model, "decoder", nn.Identity()).parameters()}
        return [parameter for parameter in model.parameters() if id(parameter) not in kept]

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """The embedding [n, embedding]; in the first stage what its reconstruction lacks, [n, numbers of an item]."""
        if self.images:
            low, high = self.low.to(inputs.dtype), self.high.to(inputs.dtype)
            span = torch.where(high > low, high - low, torch.ones_like(low))
            inputs = (contrast.normalised(inputs) - low) / span
        embedded: Tensor = model(inputs)
        if self.stage != AUTOENCODER:
            return embedded
        made: Tensor = _decoder(model)(embedded)
        if made.shape != inputs.shape:
            raise ValueError(
                f"task {facts.NAME}: the model's decoder gives {tuple(made.shape[1:])}, accepts the shape of an item, "
                f"{tuple(inputs.shape[1:])}"
            )
        return (made - inputs).flatten(1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.scores(outputs).mean()

    def scores(self, outputs: Tensor) -> Tensor:
        """Squared distances [n]: to the centre; in the first stage of the reconstruction to the item."""
        if self.stage != AUTOENCODER:
            outputs = outputs - self.centre.to(outputs.dtype)
        return (outputs**2).sum(dim=1)

    def cautions(self, view: View) -> tuple[str, ...]:
        return shortcuts.found(view.model, lambda: view.outputs_of(view.part("train").stored()[:2]))

    # -- what is measured ----------------------------------------------------------------------------------------------

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        """The loss is the mean over the normal items. ``spread`` is the standard deviation of the distances to the
        centre, in units of its own from 0; a fold that is stopped before the second stage has no scores to rank by."""
        scores = self.scores(outputs.double())
        whole = torch.stack([scores, (targets != self.normal).double()]).cpu().numpy()
        values, anomalous = whole[0], whole[1].astype(bool)
        found = {"loss": float(values[~anomalous].mean())}
        if self.stage == AUTOENCODER:
            if part == "heldout":
                self._told = dict.fromkeys(("auroc", "average_precision"), "stopped before there was a centre")
                found |= dict.fromkeys(self._told, float("nan"))
            return found
        found["spread"] = float(np.sqrt(values).std() / self.centre.norm())
        if part == "heldout":
            found |= ranked(values, anomalous)
            self._told = self._doubts(found)
        return found

    def _doubts(self, found: dict[str, float]) -> dict[str, str]:
        if not np.isfinite(found["auroc"]):
            return dict.fromkeys(("auroc", "average_precision"), "some scores are no finite numbers")
        if found["spread"] ** 2 < COLLAPSED:
            return {
                "spread": f"collapsed: the network gives about the same for all held-out items, anomalies too (spread "
                f"{found['spread']:.1e}, collapsed below {COLLAPSED**0.5:.0e})"
            }
        return {}

    def outcome(self, view: View) -> dict[str, float]:
        """How well the encoder told the classes apart when the second stage began, by the same centre."""
        if not self._before:
            return {}
        with _weights(view.model, self._before):
            scores = self.scores(view.outputs("heldout").double()).cpu().numpy()
        anomalous = (view.part("heldout").targets != self.normal).cpu().numpy()
        return {"auroc_autoencoder": ranked(scores, anomalous)["auroc"]}

    def remarks(self) -> dict[str, str]:
        return self._told

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        """Of the items as they are standardised, before any contrast normalisation."""
        train, heldout = view.part("train"), view.part("heldout")
        anomalous = (heldout.targets != self.normal).cpu().numpy()
        return floors.measured(train.inputs(), heldout.inputs(), anomalous)

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        return {"auroc": 0.5, "average_precision": float((heldout != self.normal).double().mean())}

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """``normal`` [n] bool, ``labels`` [n] the class, ``score`` [n] float64, higher for what is less normal."""
        return {
            "normal": (targets == self.normal).cpu().numpy(),
            "labels": targets.cpu().numpy(),
            "score": self.scores(outputs.double()).cpu().numpy(),
        }

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """[n] float64."""
        return self.scores(outputs.double())

    def predicted_words(self) -> str:
        return "the squared distance to the centre of what is normal, a number an item: higher is less normal"

    # -- what is no buffer ---------------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Tensor]:
        """The encoder as the second stage found it."""
        return dict(self._before)

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        self._before = {name: value.to(self.centre.device) for name, value in state.items()}


def number_of(dataset: Dataset, normal: Scalar) -> int:
    """The class's number; -1 where there is none of that name or number."""
    if str(normal) in dataset.classes:
        return dataset.classes.index(str(normal))
    return normal if isinstance(normal, int) and 0 <= normal < len(dataset.classes) else -1


def _decoder(model: nn.Module) -> nn.Module:
    found = getattr(model, "decoder", None)
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"task {facts.NAME}: the model has no decoder for an autoencoder; accepts one with a child module "
            "`decoder` (as svdd_lenet), or autoencoder_epochs: 0"
        )
    return found


def _encoder(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.startswith("decoder.")}


@contextmanager
def _weights(model: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The model with other weights while it lasts."""
    now = {name: value.detach().clone() for name, value in _encoder(model).items()}
    model.load_state_dict(weights, strict=False)
    try:
        yield
    finally:
        model.load_state_dict(now, strict=False)
