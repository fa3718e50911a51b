"""Models, and how an activation gets into them.

A model is a function ``(*, channels, classes, **options) -> nn.Module`` that builds the network with ``nn.ReLU``
wherever an activation is to stand. :func:`build` seeds it, builds it, and only then puts the activation in the ReLUs'
places, so that the initial weights are a function of the seed and the model alone: folds pair across activations. A
model of one's own, named by its import path, follows the same rule.

ResNet-34 has 17 activation modules and 33 applications: the one of each block is used after its first batch-norm and
again after the addition. "Per layer" therefore means 17 sets of parameters.
"""

from __future__ import annotations

import difflib
import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from trainer.activations import arguments
from trainer.activations.constrained import Activation, numbers, summary
from trainer.catalogue import ACTIVATIONS, MODELS, resolve
from trainer.spec import ActivationSpec, ModelSpec

STEMS = ("imagenet", "small")


def resnet34(*, channels: int, classes: int, stem: str = "imagenet") -> nn.Module:
    """torchvision's ResNet-34, untrained, for input [batch, channels, height, width]; logits [batch, classes].

    ``stem`` "imagenet" is the 7x7 convolution of stride 2 and the max-pool, "small" a 3x3 convolution of stride 1 and
    no max-pool, which keeps small images (32x32 and less) from shrinking to a point early.
    """
    return _resnet("resnet34", channels=channels, classes=classes, stem=stem)


def resnet18(*, channels: int, classes: int, stem: str = "imagenet") -> nn.Module:
    """torchvision's ResNet-18, as :func:`resnet34`: 9 activation modules, 17 applications."""
    return _resnet("resnet18", channels=channels, classes=classes, stem=stem)


def _resnet(name: str, *, channels: int, classes: int, stem: str) -> nn.Module:
    arguments.word(name, "stem", stem, STEMS)
    model = cast(nn.Module, getattr(torchvision.models, name)(weights=None, num_classes=classes))
    if stem == "small":
        model.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    else:
        return model
    # as torchvision starts its own convolutions
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    return model


def tiny_cnn(*, channels: int, classes: int, width: int = 8) -> nn.Module:
    """Two 3x3 convolutions with batch-norm, a global average and a linear layer: 1,442 weights for one channel and ten
    classes. For smoke runs, where a training must take a second. ``width``: feature maps of the first convolution."""
    arguments.count("tiny_cnn", "width", width)
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )


def build(
    model: ModelSpec, activation: ActivationSpec, *, channels: int, classes: int, generator_seed: int
) -> nn.Module:
    """The model with its activation in place, on the CPU, in training mode.

    Its initial weights depend on ``generator_seed`` and ``model`` alone; the global generators are left as they were.
    Raises UnknownName for a model or activation that is not known, ValueError for an option or parameter that is not
    accepted, and for a model without a ReLU to replace.
    """
    make_model = resolve("model", model.name, MODELS)
    if not callable(make_model):
        raise ValueError(
            f"model {model.name!r}: got {type(make_model).__name__}, accepts a function of channels and classes"
        )
    accept("model", model.name, make_model, model.options, given=("channels", "classes"))
    make_activation = factory(activation)
    with torch.random.fork_rng(devices=[]), _python_generators(generator_seed):
        torch.manual_seed(generator_seed)
        built = make_model(channels=channels, classes=classes, **model.options)
        if not isinstance(built, nn.Module):
            raise ValueError(f"model {model.name!r}: got {type(built).__name__}, accepts a torch.nn.Module")
        names = replace_relus(built, make_activation)
    if not names:
        raise ValueError(
            f"model {model.name!r}: found no torch.nn.ReLU module to put the activation in; "
            "write nn.ReLU() as a module wherever the activation is to stand"
        )
    built.activation_names = names  # type: ignore[assignment]  # a plain attribute, which nn.Module allows
    return built


@contextmanager
def _python_generators(seed: int) -> Iterator[None]:
    """Seeds numpy's and Python's own global generators, which a user's model may draw its weights from, and leaves them
    as they were."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)


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
