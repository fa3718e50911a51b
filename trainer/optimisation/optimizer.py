"""The declared optimiser over a stage's parameters, in its fused form: one pass over the weights instead of seven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from trainer.models import placement
from trainer.spec import Decay, TrainingSpec


def make(training: TrainingSpec, parameters: Sequence[nn.Parameter], model: nn.Module) -> torch.optim.Optimizer:
    """Moves those of ``parameters`` that need a gradient; ``model`` tells which of them are activations' own."""
    groups = _groups(training, [parameter for parameter in parameters if parameter.requires_grad], model)
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=training.lr,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            nesterov=training.nesterov,
            fused=True,
        )
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(
        groups,
        lr=training.lr,
        betas=(training.beta1, training.beta2),
        eps=training.eps,
        weight_decay=training.weight_decay,
        fused=True,
    )


def clip(training: TrainingSpec, optimizer: torch.optim.Optimizer) -> None:
    """Scales the gradients of a step down to the declared norm, all together. Does not wait for the device."""
    if training.clip_norm is not None:
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(moved, training.clip_norm)


def _groups(training: TrainingSpec, parameters: list[nn.Parameter], model: nn.Module) -> Any:
    """All in one group where nothing is spared, as checkpoints of before have it; else those that decay, and those that
    do not."""
    if training.decay == "all" or training.weight_decay == 0:
        return parameters
    spared = _spared(training.decay, parameters, model)
    decayed = [parameter for parameter in parameters if id(parameter) not in spared]
    rest = [parameter for parameter in parameters if id(parameter) in spared]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _spared(decay: Decay, parameters: list[nn.Parameter], model: nn.Module) -> set[int]:
    own = {id(parameter) for parameter in _of_activations(model)}
    if decay == "weights_only":
        own |= {id(parameter) for parameter in parameters if parameter.ndim < 2}
    return own


def _of_activations(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in placement.activation_modules(model).values():
        yield from module.parameters()
