"""Looks at an activation where it stands in a network: what goes in, what comes out, and what flows back."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainer import plain_state

ELSEWHERE = re.compile(r"not on the expected device|same device|different devices|found two")
"""In the messages of operations between tensors on two devices."""
CUT = (
    "lets no gradient through to its input, so nothing before it is trained: compute it from x by torch's operations, "
    "without numpy, .item(), .detach(), .data and torch.no_grad()"
)
ZERO = (
    "has gradient 0 around every value of a real batch, so nothing before it is trained: give it a slope, or a "
    "surrogate gradient (a torch.autograd.Function, or x + (f(x) - x).detach())"
)

Flow = Literal["through", "zero", "cut"]


class Watch:
    """What the activations' places were given in the last forward."""

    def __init__(self, places: Mapping[str, nn.Module]) -> None:
        self.places = places
        self.inputs: dict[str, Tensor] = {}
        self.not_finite = False

    def saw(self, name: str, given: object, gave: object) -> None:
        if isinstance(given, Tensor) and given.is_floating_point():
            self.inputs[name] = given.detach().clone()
            if isinstance(gave, Tensor) and bool(torch.isfinite(given).all()):
                self.not_finite |= not bool(torch.isfinite(gave).all())

    def faults(self, params: Mapping[str, object]) -> Iterator[str]:
        """Of the function itself: values that are no numbers, and gradients that do not get through. Runs it again."""
        if self.not_finite:
            at = ", ".join(f"{name}={value}" for name, value in params.items())
            yield f"gives NaN or infinite values for finite inputs before any training{f' (at {at})' if at else ''}"
        flows = {_flow(module, given) for module, given in self.ends()} - {None}
        if flows == {"cut"}:
            yield CUT
        elif flows and "through" not in flows:
            yield ZERO

    def ends(self) -> list[tuple[nn.Module, Tensor]]:
        """The first and the last place and what they were given: an activation's inputs differ most between them."""
        seen = [(module, self.inputs[name]) for name, module in self.places.items() if name in self.inputs]
        return [seen[0], *seen[1:][-1:]] if seen else []


@contextmanager
def watched(places: Mapping[str, nn.Module]) -> Iterator[Watch]:
    """A watch over the places while it lasts."""
    watch = Watch(places)

    def hook(name: str) -> Any:
        return lambda module, given, gave: watch.saw(name, given[0] if given else None, gave)

    handles = [module.register_forward_hook(hook(name)) for name, module in places.items()]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def _flow(module: nn.Module, given: Tensor) -> Flow | None:
    """How the gradient gets from the module's outputs to its inputs; None where it cannot be said. Runs a copy: what it
    counts or averages stays as it is."""
    generator = torch.Generator().manual_seed(0)
    # Around the values: an item may be all zeros, where the slope of many an activation is 0.
    x = (given + torch.randn(given.shape, generator=generator).to(given)).requires_grad_()
    try:
        gave = _copied(module)(x * 1)  # which may be changed in place
        if not gave.requires_grad:
            return "cut"
        weights = torch.rand(gave.shape, generator=generator).to(gave) + 0.5
        gradient: Tensor | None = torch.autograd.grad(gave, x, weights, allow_unused=True)[0]
    except Exception:  # told by the step itself
        return None
    if gradient is None:
        return "cut"
    return "through" if bool((gradient != 0).any()) else "zero"


def stays_behind(module: nn.Module, given: Tensor) -> str:
    """Which tensors would stay behind when the module moves to another device; "" where none would, or where it cannot
    be said. Needs no such device: torch's "meta" device refuses to meet another one, and computes nothing."""
    try:
        moved = _copied(module).to("meta")
        moved(torch.empty_like(given, device="meta"))
    except Exception as error:  # another one than this: of what cannot be copied, or wants values
        if ELSEWHERE.search(str(error)):
            return stays(plain_state.plain_tensors(module))
    return ""


def _copied(module: nn.Module) -> nn.Module:
    """torch copies no tensor that was computed; such a one is kept for a look at it."""
    kept = (value for child in module.modules() for value in vars(child).values() if isinstance(value, Tensor))
    return copy.deepcopy(module, {id(value): value.detach() for value in kept if not value.is_leaf})


def stays(names: list[str]) -> str:
    """What to do about tensors on another device; ``names``: attributes that hold tensors and are no buffers."""
    if names:
        kept = ", ".join(f"self.{name}" for name in names)
        return (
            f"{kept} is a tensor that does not move with the network to a GPU: make it a buffer in __init__ "
            f"(self.register_buffer({names[0]!r}, ..., persistent=False) where it is a constant)"
        )
    return (
        "makes or keeps a tensor on the CPU that meets one of the network's own device: make it beside x "
        "(torch.zeros(..., device=x.device), x.new_zeros(...)), or as a buffer in __init__"
    )
