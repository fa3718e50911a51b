"""One model in training: its weights, its optimiser and its passes over the data. Knows no files and no clocks.

This plain loop defines what is correct; a faster engine must give the same numbers. Nothing in an epoch waits for the
device: losses and logits stay there until the epoch's metrics are fetched at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer import batches, device, metrics, seeds
from trainer.activations import progress
from trainer.batches import Resident
from trainer.models import build, placement
from trainer.selection import Weights
from trainer.spec import FoldSpec
from trainer.splits import Split


class Learner:
    """Model, optimiser and the fold's share of the data, on one device."""

    def __init__(self, spec: FoldSpec, data: Resident, split: Split, *, classes: int) -> None:
        self.spec = spec
        self.data = data
        self.device = data.items.device
        self.parts = {
            part: torch.from_numpy(indices).to(self.device)
            for part, indices in (("train", split.train), ("validation", split.validation), ("heldout", split.heldout))
        }
        self.classes = classes
        model = build.build(
            spec.model,
            spec.activation,
            channels=data.channels,
            classes=classes,
            generator_seed=seeds.seed("weights", spec.study_seed, spec.repeat, spec.fold),
        )
        if self.device.type == "cuda":
            self.format = torch.channels_last
            model = model.to(self.device, memory_format=self.format)  # type: ignore[call-overload]
        else:
            self.format = torch.contiguous_format
            model = model.to(self.device)
        self.model: nn.Module = model
        self.optimizer = optimizer(spec, self.model)
        self.progress = progress.tie(self.model)

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def train(self, epoch: int, check: Callable[[], None]) -> dict[str, float]:
        """One epoch (counted from 1) over the training part; its running metrics, of the weights as they moved.

        ``check`` is called before every batch and may raise to leave; the weights are then those of no epoch.
        """
        spec, training = self.spec, self.spec.training
        device.set_precision(training.precision)
        self._seed("epoch", epoch)
        order = batches.order(
            self.parts["train"], study_seed=spec.study_seed, repeat=spec.repeat, fold=spec.fold, epoch=epoch
        )
        edges = batches.bounds(len(order), training.batch)
        logits = torch.empty(len(order), self.classes, device=self.device)
        self.model.train()
        if self.progress is not None:
            self.progress.set_epoch(epoch, training.epochs, len(edges))
        for step, (first, end) in enumerate(edges):
            check()
            if self.progress is not None:
                self.progress.set_step(step)
            items, labels = self.data.batch(order[first:end])
            outputs = self._forward(items)
            loss = nn.functional.cross_entropy(outputs, labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            logits[first:end] = outputs.detach()
        # Gradients are as large as the model; the pack's other folds have better use for the memory.
        self.optimizer.zero_grad(set_to_none=True)
        return metrics.measure(logits, self.data.labels.index_select(0, order))

    def evaluate(self, part: str) -> dict[str, float]:
        """Metrics of the weights as they are, in evaluation mode, on "train", "validation" or "heldout"."""
        return self.measure(self.logits(part), part)

    def measure(self, logits: Tensor, part: str) -> dict[str, float]:
        return metrics.measure(logits, self.labels(part))

    def labels(self, part: str) -> Tensor:
        """Labels of the part's items in ascending order."""
        return self.data.labels.index_select(0, self.parts[part])

    @torch.no_grad()  # inference tensors would stay in modules that keep what they compute
    def logits(self, part: str) -> Tensor:
        """[items of the part in ascending order, classes], float32."""
        index = self.parts[part]
        device.set_precision(self.spec.training.precision)
        self.model.eval()
        logits = torch.empty(len(index), self.classes, device=self.device)
        for first, end in batches.bounds(len(index), self.spec.training.evaluate_batch):
            logits[first:end] = self._forward(self.data.batch(index[first:end])[0])
        return logits

    def _forward(self, items: Tensor) -> Tensor:
        items = items.contiguous(memory_format=self.format)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.spec.training.precision == "bf16"):
            outputs: Tensor = self.model(items)
        return outputs.float()

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
        return {"model": self.weights(), "optimizer": self.optimizer.state_dict(), "generators": generators}

    def restore(self, state: dict[str, Any]) -> None:
        self.load_weights(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generators"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"], self.device)


def optimizer(spec: FoldSpec, model: nn.Module) -> torch.optim.Optimizer:
    """The declared optimiser, in its fused form: one pass over the weights instead of seven."""
    training = spec.training
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay, fused=True
        )
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=training.lr,
        betas=(training.beta1, training.beta2),
        eps=training.eps,
        weight_decay=training.weight_decay,
        fused=True,
    )


def copied(value: Any) -> Any:
    """A deep copy of a state's tensors and containers, each tensor on its own device."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value
