"""What lets an encoder give one answer for all items, so that it fits its centre without learning anything: biases, and
activations that are not 0 at 0 (Ruff et al., ICML 2018, propositions 2 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.models.placement import activation_modules
from trainer.tasks.one_class.facts import NAME

DECODER = "decoder."


def found(model: nn.Module, run: Callable[[], Tensor]) -> tuple[str, ...]:
    """A sentence for each kind that the encoder of ``model`` has. ``run`` passes some items through it."""
    told = []
    places = activation_modules(model)
    for kind, value in _at_zero(places, run).items():
        told.append(
            f"task {NAME}: {kind} gives {value:.2g} at 0, which acts as a bias: with it a network can give its centre "
            "whatever it sees; look at the spread of its scores and at the remarks of its folds"
        )
    if biases := _biases(model, tuple(f"{name}." for name in places)):
        named = ", ".join(biases[:3]) + (", ..." if len(biases) > 3 else "")
        told.append(
            f"task {NAME}: the model has biases ({named}), with which a network can give its centre whatever it sees; "
            "svdd_lenet has none"
        )
    return tuple(told)


def _at_zero(places: dict[str, nn.Module], run: Callable[[], Tensor]) -> dict[str, float]:
    """Class of an activation -> the largest size of its values at 0, of those of the encoder that are not 0 there."""
    largest: dict[str, Tensor] = {}

    def look(module: nn.Module, given: tuple[Any, ...], gave: Tensor) -> None:
        kind, value = type(module).__name__, module.forward(torch.zeros_like(given[0])).abs().max()
        largest[kind] = torch.maximum(largest.get(kind, value), value)

    handles = [module.register_forward_hook(look) for name, module in places.items() if not name.startswith(DECODER)]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return {kind: float(value) for kind, value in largest.items() if value > 0}


def _biases(model: nn.Module, inside: tuple[str, ...]) -> list[str]:
    """Parameters of the encoder that are added: called bias, and in none of the activations."""
    return [
        name
        for name, _ in model.named_parameters()
        if name.rpartition(".")[2] == "bias" and not name.startswith((DECODER, *inside))
    ]
