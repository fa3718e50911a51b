"""One model in training: its weights, its optimiser and its passes over the data. Knows no files and no clocks.

This plain loop defines what is correct; a faster engine must give the same numbers. Nothing in an epoch waits for the
device: losses and outputs stay there until the epoch's metrics are fetched at once.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer import batches, device, network, seeds
from trainer.activations import progress
from trainer.augmentation.apply import Augmentation, Blend
from trainer.batches import Resident
from trainer.datasets.reader import Dataset
from trainer.inputs import Inputs
from trainer.models import placement
from trainer.optimisation import optimizer
from trainer.optimisation.schedule import Schedule
from trainer.selection import Weights
from trainer.spec import FoldSpec
from trainer.splits import Split
from trainer.tasks import task as tasks
from trainer.tasks.task import Task
from trainer.tasks.view import Part, PartName, Stage


class Learner:
    """Model, task, optimiser and the fold's share of the data, on one device: a :class:`trainer.tasks.view.View`. Ready
    once :meth:`fit` or :meth:`restore` was called."""

    def __init__(self, spec: FoldSpec, dataset: Dataset, data: Resident, split: Split, task: Task) -> None:
        self.spec = spec
        self.data = data
        self.device = data.items.device
        self.dtype = device.dtype(spec.training.precision)
        self.parts = {
            part: torch.from_numpy(indices).to(self.device)
            for part, indices in (("train", split.train), ("validation", split.validation), ("heldout", split.heldout))
        }
        task.dealt(split)
        self.trained_on = torch.from_numpy(task.trained_on(split)).to(self.device)
        self.task = task.to(self.device)
        self.inputs = Inputs(dataset).to(self.device)
        self._dataset = dataset
        self.model = network.make(spec, dataset, task, self.device)
        self.progress = progress.tie(self.model)
        self.stages = tasks.stages(task, spec.training)
        self._ends = list(itertools.accumulate(stage.epochs for stage in self.stages))
        self._enter(0)

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def fit(self) -> None:
        """Before the first epoch: what inputs and task learn of the training part."""
        self.inputs.fit(self.data.items, self.parts["train"])
        self._seed("fit", 0)
        self.task.begin_stage(self)

    def _enter(self, number: int) -> None:
        """Makes the stage of that number the current one, with an optimiser of its own."""
        self._number = number
        stage = self.stage
        self.task.stage = stage.name
        self.task.smooth(stage.training.label_smoothing)
        self.optimizer = optimizer.make(stage.training, self.task.trained(self.model), self.model)
        self.schedule = Schedule(self.optimizer, stage.training, stage.epochs)
        self.augmentation = Augmentation(stage.training.augment, self._dataset, self.inputs)

    def enter(self, number: int, *, epochs: int) -> None:
        """Goes on to a later stage, after ``epochs`` epochs of those before."""
        self._enter(number)
        self._seed("fit", epochs)
        self.task.begin_stage(self)

    @property
    def stage(self) -> Stage:
        return self.stages[self._number]

    @property
    def in_last_stage(self) -> bool:
        """Whether what is trained now is what checkpoint rules and patience look at."""
        return self._number == len(self.stages) - 1

    @property
    def epochs_of_stage(self) -> int:
        """Epochs that are done when the current stage is."""
        return self._ends[self._number]

    def ends_stage(self, epoch: int) -> bool:
        return epoch in self._ends

    def _stage_of(self, epoch: int) -> int:
        """Number of the stage that an epoch (counted from 1 over all stages) is of."""
        return next(number for number, end in enumerate(self._ends) if epoch <= end)

    def train(self, epoch: int, check: Callable[[], None]) -> dict[str, float]:
        """One epoch (counted from 1) over the training part; its running metrics, of the weights as they moved.

        ``check`` is called before every batch and may raise to leave; the weights are then those of no epoch.
        """
        spec = self.spec
        if (number := self._stage_of(epoch)) != self._number:
            self.enter(number, epochs=epoch - 1)
        order = batches.order(
            self.trained_on, study_seed=spec.study_seed, repeat=spec.repeat, fold=spec.fold, epoch=epoch
        )
        edges = batches.bounds(len(order), self.stage.training.batch)
        seen = batches.Rows(len(order))
        self.begin(epoch, len(edges))
        place = (spec.repeat, spec.fold, epoch)
        self.augmentation.begin_epoch(len(order), edges, self.device, *place, study_seed=spec.study_seed)
        for step, (first, end) in enumerate(edges):
            check()
            if self.progress is not None:
                self.progress.set_step(step)
            self.schedule.set_step(step)
            seen.put(first, end, self.step(order[first:end], at=(first, end)))
        # Gradients are as large as the model; the pack's other folds have better use for the memory.
        self.optimizer.zero_grad(set_to_none=True)
        return self.task.measure(seen.rows, self.data.targets.index_select(0, order), "train")

    def begin(self, epoch: int, steps: int) -> None:
        """Before the ``steps`` training steps of an epoch."""
        device.set_precision(self.spec.training.precision)
        self._seed("epoch", epoch)
        self.model.train()
        self.task.train()
        within = epoch - self._ends[self._number] + self.stage.epochs
        self.schedule.begin_epoch(within, steps)
        if self.progress is not None:
            self.progress.set_epoch(within, self.stage.epochs, steps)

    def step(
        self,
        index: Tensor,
        look: Callable[[Tensor, Tensor | None], None] | None = None,
        *,
        at: tuple[int, int] | None = None,
    ) -> Tensor:
        """One training step on the items at ``index``; the model's outputs for them, detached. ``look`` is given the
        outputs alone, and again with the loss once the gradients are there, and may raise. ``at``: first and end of the
        batch in its epoch, which its augmentation goes by; None: there is none."""
        items, blend = self._training_items(index, at)
        targets = self.data.targets.index_select(0, index)
        outputs = self._forward(items)
        if look is not None:
            look(outputs, None)
        loss = self.task.loss(outputs, targets)
        if blend is not None:
            loss = torch.lerp(self.task.loss(outputs, targets[blend.partner]), loss, blend.share.to(loss.dtype))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if look is not None:
            look(outputs, loss)
        optimizer.clip(self.stage.training, self.optimizer)
        self.optimizer.step()
        return outputs.detach()

    def _training_items(self, index: Tensor, at: tuple[int, int] | None) -> tuple[Tensor, Blend | None]:
        if at is None or not self.augmentation:
            return self.items(index), None
        stored = self.augmentation.stored(self.data.items.index_select(0, index), *at)
        return self.augmentation.standardised(self.inputs(stored, self.dtype), *at)

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """Told what was measured after an epoch, as ``part/metric``, before its state is saved."""
        self.schedule.end_epoch(metrics)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Metrics of the weights as they are, in evaluation mode, on "train", "validation" or "heldout"."""
        return self.measure(self.outputs(part), part)

    @torch.no_grad()
    def measure(self, outputs: Tensor, part: PartName) -> dict[str, float]:
        self.task.eval()
        return self.task.measure(outputs, self.targets(part), part)

    @torch.no_grad()
    def outcome(self) -> dict[str, float]:
        """What the task measures of the model beside the held-out part's metrics."""
        self.model.eval()
        self.task.eval()
        return self.task.outcome(self)

    @torch.no_grad()
    def cautions(self) -> tuple[str, ...]:
        """What the task has to say of the model before it is trained."""
        self.model.eval()
        return self.task.cautions(self)

    def part(self, name: PartName) -> Part:
        index = self.parts[name]
        return Part(
            index=index,
            targets=self.targets(name),
            stored=lambda places=None: self.data.items.index_select(0, index if places is None else index[places]),
            inputs=lambda places=None: self.items(index if places is None else index[places]),
        )

    def targets(self, part: PartName) -> Tensor:
        """Targets of the part's items in ascending order."""
        return self.data.targets.index_select(0, self.parts[part])

    def references(self) -> dict[str, float]:
        """What knowing nothing scores on the held-out part, by metric."""
        return self.task.references(self.targets("train"), self.targets("heldout"))

    @torch.no_grad()
    def floors(self) -> dict[str, dict[str, float]]:
        """What trivial predictors score on the held-out part: predictor -> metric -> value."""
        return self.task.floors(self)

    def outputs(self, part: PartName) -> Tensor:
        """[items of the part in ascending order, outputs], float32, or float64 where the study trains so."""
        index = self.parts[part]
        return self._outputs(len(index), lambda first, end: self.items(index[first:end]))

    def outputs_of(self, items: Tensor) -> Tensor:
        """:meth:`outputs` for ``items`` given as they would be stored."""
        return self._outputs(len(items), lambda first, end: self.inputs(items[first:end], self.dtype))

    @torch.no_grad()  # inference tensors would stay in modules that keep what they compute
    def _outputs(self, count: int, items: Callable[[int, int], Tensor]) -> Tensor:
        device.set_precision(self.spec.training.precision)
        self.model.eval()
        self.task.eval()
        seen = batches.Rows(count)
        for first, end in batches.bounds(count, self.spec.training.evaluate_batch):
            seen.put(first, end, self._forward(items(first, end)))
        return seen.rows

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised items and their targets; no host sync."""
        return self.items(index), self.data.targets.index_select(0, index)

    def items(self, index: Tensor) -> Tensor:
        """Items as the model gets them."""
        items: Tensor = self.inputs(self.data.items.index_select(0, index), self.dtype)
        return items

    def _forward(self, items: Tensor) -> Tensor:
        return network.forward(self.spec, self.task, self.model, items)

    def seed_outcome(self, epoch: int) -> None:
        """Before measuring an outcome, so that activations that draw numbers give the same ones after a resume."""
        self._seed("outcome", epoch)

    def _seed(self, purpose: seeds.Purpose, epoch: int) -> None:
        """Seeds every global generator that a user's activation may draw from."""
        number = seeds.seed(purpose, self.spec.study_seed, self.spec.repeat, self.spec.fold, epoch)
        torch.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)

    def weights(self) -> Weights:
        """The model's own tensors, by name; not a copy."""
        return dict(self.model.state_dict())

    def load_weights(self, weights: Weights) -> None:
        self.model.load_state_dict(weights)

    def learned(self) -> dict[str, float]:
        """The activations' learned parameters, as ``layer/parameter``."""
        return placement.learned_parameters(self.model)

    def state(self) -> dict[str, Any]:
        """Weights, optimiser and generators: references, not copies."""
        generators = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "model": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "generators": generators,
            "task": self.task.state_dict(),
            "inputs": self.inputs.state_dict(),
        }

    def restore(self, state: dict[str, Any], *, epochs: int) -> None:
        """Takes up what :meth:`state` gave after ``epochs`` epochs (1 or more)."""
        self._enter(self._stage_of(epochs))
        self.load_weights(state["model"])
        if "task" in state:
            self.task.load_state_dict(state["task"])
            self.inputs.load_state_dict(state["inputs"])
        else:  # saved by a version whose tasks and inputs learnt nothing
            self.fit()
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.restore(state.get("schedule", {}))
        torch.set_rng_state(state["generators"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"], self.device)
