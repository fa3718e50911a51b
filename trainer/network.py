"""A fold's network: built, and applied to batches. The same for training it and for using it afterwards."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer import device, seeds
from trainer.datasets.reader import Dataset
from trainer.models import build, initialisation, placement
from trainer.spec import FoldSpec
from trainer.tasks.task import Task


def make(spec: FoldSpec, dataset: Dataset, task: Task, target: torch.device) -> nn.Module:
    """The fold's model with its initial weights, on its device. Raises as :func:`trainer.models.build.build`.

    ``dataset``: nothing of it counts but the shape of its items, and the vocabulary of tokens."""
    shape = dataset.items.shape[1:]
    model = build.build(
        spec.model,
        spec.activation,
        outputs=task.outputs,
        input_shape=shape,
        generator_seed=seeds.seed("weights", spec.study_seed, spec.repeat, spec.fold),
        vocabulary=dataset.vocabulary,
    )
    initialisation.initialise(
        model,
        spec.training.init,
        spec.training.init_gain,
        lambda: placement.factory(spec.activation)(1, 1),
        input_shape=shape,
        vocabulary=dataset.vocabulary,
        seed=seeds.seed("initial", spec.study_seed, spec.repeat, spec.fold),
    )
    if device.dtype(spec.training.precision) == torch.float64:  # else a model keeps the types that it gave its tensors
        model = model.double()
    if target.type == "cuda":
        return model.to(target, memory_format=layout(target))  # type: ignore[no-any-return, call-overload]
    return model.to(target)


def layout(target: torch.device) -> torch.memory_format:
    """How batches lie in the memory of a device."""
    return torch.channels_last if target.type == "cuda" else torch.contiguous_format


def forward(spec: FoldSpec, task: Task, model: nn.Module, items: Tensor) -> Tensor:
    """What the task gives for a batch of standardised items, in the type that is trained in."""
    items = items.contiguous(memory_format=layout(items.device))
    with torch.autocast(items.device.type, torch.bfloat16, enabled=spec.training.precision == "bf16"):
        outputs: Tensor = task(model, items)
    return outputs.to(device.dtype(spec.training.precision))
