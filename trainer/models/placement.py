"""How an activation gets into a network, and what it has learnt there."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer.activations.constrained import Activation, numbers, summary
from trainer.catalogue import ACTIVATIONS, resolve
from trainer.spec import ActivationSpec


def factory(activation: ActivationSpec) -> Callable[[int | None], nn.Module]:
    """A function from the number of channels at a place (None: not known) to the activation module for it.

    ``channels`` is handed to classes that name such a parameter and to no other. Raises UnknownName or ValueError.
    """
    kind = resolve("activation", activation.name, ACTIVATIONS)
    if not callable(kind):
        raise ValueError(f"activation {activation.name!r}: got {type(kind).__name__}, accepts a torch.nn.Module class")
    accept("activation", activation.name, kind, activation.params, given=("channels",))
    takes_channels = "channels" in _keywords(kind)[0]

    def make(channels: int | None) -> nn.Module:
        filled = {"channels": channels} if takes_channels else {}
        module = kind(**activation.params, **filled)
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"activation {activation.name!r}: got {type(module).__name__}, accepts a torch.nn.Module class"
            )
        return module

    return make


def accept(
    kind: str, name: str, function: Callable[..., Any], options: Mapping[str, object], *, given: Iterable[str]
) -> None:
    """Raises ValueError for an option that ``function`` does not take, naming the nearest that it does, or one it needs
    and does not get. ``given``: keywords that are filled in, which options may not set."""
    known, needed, open_ended = _keywords(function)
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


def _keywords(function: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
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


def replace_relus(model: nn.Module, make: Callable[[int | None], nn.Module]) -> tuple[str, ...]:
    """Puts ``make(channels)`` in the place of every ``nn.ReLU`` module; their names, in the order of registration.

    A ReLU that stands in two places is replaced by one module in both. The channels at a place are those of the sized
    layer (convolution, batch-norm, linear) registered last before it.
    """
    channels: int | None = None
    replaced: dict[nn.Module, nn.Module] = {}
    names: list[str] = []
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if type(module) is nn.ReLU:
            if module not in replaced:
                replaced[module] = make(channels)
                names.append(name)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, replaced[module])
        else:
            channels = _width(module) or channels
    return tuple(names)


def _width(module: nn.Module) -> int | None:
    for attribute in ("num_features", "out_channels", "out_features"):
        if isinstance(width := getattr(module, attribute, None), int):
            return width
    return None


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
