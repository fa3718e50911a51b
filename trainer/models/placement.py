"""How an activation gets into a network, and what it has learnt there."""

from __future__ import annotations

import difflib
import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainer.activations.constrained import Activation, numbers, summary
from trainer.catalogue import ACTIVATIONS, resolve, what
from trainer.spec import ActivationSpec

Make = Callable[[int | None, int], nn.Module]
"""From the number of features at a place (None: not known) and their axis to the activation module for it."""


def factory(activation: ActivationSpec) -> Make:
    """``channels`` and ``feature_axis`` are handed to classes that name such parameters and to no other. Raises
    UnknownName or ValueError."""
    kind = resolve("activation", activation.name, ACTIVATIONS)
    if problem := _no_class(kind, activation):
        raise ValueError(f"activation {activation.name!r}: got {what(kind)}{problem}")
    accept("activation", activation.name, kind, activation.params, given=("channels", "feature_axis"))
    named = keywords(kind)[0]

    def make(channels: int | None, axis: int) -> nn.Module:
        given = {"channels": channels, "feature_axis": axis}
        filled = {name: value for name, value in given.items() if name in named}
        module = kind(**activation.params, **filled)
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"activation {activation.name!r}: got {what(kind)} that gives {what(module)}; accepts a "
                "torch.nn.Module class, or a function that makes such a module"
            )
        return module

    return make


def _no_class(kind: object, activation: ActivationSpec) -> str:
    """Why this makes no modules, and what to write instead; "" where it does, as far as can be told."""
    name = activation.name.rpartition(":")[2]
    if isinstance(kind, nn.Module):
        own = type(kind)
        return (
            f"; accepts the class itself, as {own.__module__}:{own.__name__} with its arguments under params: every "
            "place in a model gets a module of its own"
        )
    if isinstance(kind, type):
        if issubclass(kind, torch.autograd.Function):
            return (
                ", a torch.autograd.Function; accepts a torch.nn.Module class: write one whose forward(self, x) gives "
                f"{name}.apply(x)"
            )
        if not issubclass(kind, nn.Module):
            return (
                f", which is no torch.nn.Module; accepts such a class: write `class {name}(torch.nn.Module)`, call "
                "super().__init__() first in its __init__, and give it forward(self, x)"
            )
        return ""
    if not callable(kind):
        return "; accepts a torch.nn.Module class"
    try:
        needed = [keyword for keyword in keywords(kind)[1] if keyword not in activation.params]
    except ValueError:  # one of torch's, in C++
        needed = ["a tensor"]
    if not needed:
        return ""  # it may make modules
    classes = {item.lower(): item for item in dir(nn) if isinstance(getattr(nn, item), type)}
    torchs = classes.get(name.replace("_", "").lower())
    return (
        f" of {', '.join(needed)}; accepts a torch.nn.Module class: write one whose forward(self, x) gives {name}(x)"
        + (f", or name torch's own, torch.nn:{torchs}" if torchs else "")
        + "; a function can be named only if it makes such a module of what is under params"
    )


class Placing:
    """Makes the activation for each place of one model, and knows afterwards where the places are."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: set[nn.Module] = set()

    def __call__(self, channels: int | None = None, *, axis: int = 1) -> nn.Module:
        """For a model that builds its places itself. What the activation draws for itself is drawn apart, so that the
        model's weights do not depend on it."""
        with generators_kept():
            return self.place(channels, axis)

    def place(self, channels: int | None, axis: int) -> nn.Module:
        module = self._make(channels, axis)
        self._made.add(module)
        return module

    def made(self, module: nn.Module) -> bool:
        """Whether ``module`` is the activation of a place."""
        return module in self._made

    def names(self, model: nn.Module) -> tuple[str, ...]:
        """Names of the places in ``model``, in the order of registration."""
        return tuple(name for name, module in model.named_modules() if module in self._made)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leaves torch's, numpy's and Python's own global generators as they were."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)


def accept(
    kind: str, name: str, function: Callable[..., Any], options: Mapping[str, object], *, given: Iterable[str]
) -> None:
    """Raises ValueError for an option that ``function`` does not take, naming the nearest that it does, or one it needs
    and does not get. ``given``: keywords that are filled in, which options may not set."""
    known, needed, open_ended = keywords(function)
    free = [keyword for keyword in known if keyword not in given]
    for option in options:
        if option in given:
            raise ValueError(f"{kind} {name!r}: option {option!r} is filled in for it and cannot be set")
        if option in known or open_ended:
            continue
        near = difflib.get_close_matches(option, free, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{kind} {name!r}: unknown option {option!r}, accepts {', '.join(free) if free else 'no options'}{hint}"
        )
    if missing := [keyword for keyword in needed if keyword not in given and keyword not in options]:
        raise ValueError(f"{kind} {name!r}: missing option {', '.join(missing)}, which has no default")


def keywords(function: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
    """Keywords a callable takes, those without a default, and whether it takes any (``**``)."""
    if getattr(function, "__init__", None) is nn.Module.__init__:
        return [], [], False  # whose signature says *args, **kwargs, and takes neither
    parameters = inspect.signature(function).parameters.values()
    named = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    return (
        [item.name for item in named],
        [item.name for item in named if item.default is item.empty],
        any(item.kind is item.VAR_KEYWORD for item in parameters),
    )


def activation_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The activation modules of a model made by :func:`build`, by name, in the order of registration."""
    names = cast(tuple[str, ...], getattr(model, "activation_names", ()))
    return {name: model.get_submodule(name) for name in names}


@torch.no_grad()
def learned_parameters(model: nn.Module) -> dict[str, float]:
    """What the activations' trained parameters have become, keyed "layer/parameter".

    A per-channel one is told by its mean and standard deviation ("layer/parameter_mean", "..._std"). Of a plug-in that
    is no :class:`~trainer.activations.constrained.Activation`, its own parameters. Waits once for the device.
    """
    told: dict[str, Tensor] = {}
    for layer, module in activation_modules(model).items():
        values = module.trained() if isinstance(module, Activation) else dict(module.named_parameters())
        told.update({f"{layer}/{name}": value for name, value in summary(values).items()})
    return numbers(told)
