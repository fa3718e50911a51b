"""Networks of torchvision and of timm by their names there: ``torchvision.resnet50``, ``timm.resnet26d``.

Always untrained: what a study compares is how activations train. Auxiliary heads are left out. timm is asked for when
one of its networks is (``pip install 'actsweep[timm]'``).
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import nn

from trainer.activations import arguments
from trainer.errors import UnknownName
from trainer.models.images import STEMS

Make = Callable[..., nn.Module]
SHOWN = 12
RESNETS = ("resnet", "resnext", "wide_resnet")
STRIDED = ("mobilenet_v2", "mobilenet_v3", "mnasnet", "efficientnet", "regnet")
"""Names begin so of torchvision's whose first convolution, 3x3 with stride 2, is all there is of a stem."""
WITHOUT_HEADS = {"googlenet": {"init_weights": True}, "inception_v3": {"init_weights": True}}
"""torchvision's that have auxiliary heads, and what else they are to be told."""


@functools.cache
def of_torchvision(name: str) -> Make:
    """Makes torchvision's classification network ``name``. Raises UnknownName with the nearest."""
    from torchvision import models

    _known("torchvision", name, models.list_models(module=models))
    build = functools.partial(models.get_model, name, weights=None)

    def make(
        *, channels: int, classes: int, input_shape: tuple[int, int, int], stem: str = "imagenet", **options: Any
    ) -> nn.Module:
        owner = f"torchvision.{name}"
        arguments.word(owner, "stem", stem, STEMS)
        given: dict[str, Any] = {**_sized(name, input_shape), **options}
        if name in WITHOUT_HEADS:
            given = {"aux_logits": False, **WITHOUT_HEADS[name], **given}
        with _told(owner, build, options):
            model: nn.Module = build(num_classes=classes, **given)
        if stem == "small":
            _small_stem(owner, name, model)
        if channels != 3:
            _take_channels(model, channels)
        return model

    return make


@functools.cache
def of_timm(name: str) -> Make:
    """Makes timm's network ``name``. Raises UnknownName with the nearest, or with how timm is installed."""
    timm = _timm()
    _known("timm", name, timm.list_models())
    settings = timm.get_pretrained_cfg(name)
    build = functools.partial(timm.create_model, name, pretrained=False)

    def make(*, channels: int, classes: int, input_shape: tuple[int, int, int], **options: Any) -> nn.Module:
        given = dict(options)
        if settings is not None and settings.fixed_input_size:
            given.setdefault("img_size", tuple(input_shape[1:]))
        with _told(f"timm.{name}", build, options):
            model: nn.Module = build(num_classes=classes, in_chans=channels, **given)
        return model

    return make


def _timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise UnknownName(
            f"library 'timm': its networks need the package timm ({error}); install it here and on the nodes: "
            "pip install 'actsweep[timm]'"
        ) from error


def _known(library: str, name: str, names: Iterable[str]) -> None:
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        some = f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
        raise UnknownName(
            f"unknown model '{library}.{name}': {library} has {'no such network; did you mean ' if near else some}"
            + " or ".join(f"{library}.{item}" for item in near)
            + ("?" if near else "")
        )


@contextmanager
def _told(owner: str, build: Make, options: Mapping[str, object]) -> Iterator[None]:
    """Turns what a library raises for an option into words."""
    try:
        yield
    except TypeError as error:
        wrong = [name for name in options if f"'{name}'" in str(error)]
        if not wrong:
            raise ValueError(f"{owner}: does not take these options: {error}") from error
        with torch.device("meta"):
            taken = [*(["stem"] if owner.startswith("torchvision") else []), *sorted(_keywords(type(build())))]
        near = difflib.get_close_matches(wrong[0], taken, n=1)
        raise ValueError(
            f"{owner}: unknown option {wrong[0]!r}, accepts {', '.join(taken)}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        ) from error


def _keywords(kind: type[nn.Module]) -> Iterator[str]:
    """Of a network's class, those that a study can set: numbers, texts and flags."""
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.name not in ("num_classes", "in_chans") and isinstance(
            parameter.default, bool | int | float | str
        ):
            yield parameter.name


def _sized(name: str, input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """What torchvision's networks of a fixed image size are told of the items'."""
    if name.startswith("vit_"):
        return {"image_size": input_shape[1]}
    return {"input_size": tuple(input_shape[1:])} if name.startswith("maxvit") else {}


def _small_stem(owner: str, name: str, model: nn.Module) -> None:
    """A first convolution that keeps the size, and no max-pool after it."""
    if name.startswith(RESNETS):
        model.conv1 = _drawn(model.get_submodule("conv1"), kernel_size=3, stride=1, padding=1)
        model.maxpool = nn.Identity()
    elif name.startswith("densenet"):
        features = model.get_submodule("features")
        features.conv0 = _drawn(model.get_submodule("features.conv0"), kernel_size=3, stride=1, padding=1)
        features.pool0 = nn.Identity()
    elif name.startswith("shufflenet"):
        _first_convolution(model)[2].stride = (1, 1)
        model.maxpool = nn.Identity()
    elif name.startswith(STRIDED):
        _first_convolution(model)[2].stride = (1, 1)
    else:
        raise ValueError(
            f"{owner}: stem: got 'small', accepts 'imagenet': this network has no stem that can be left out; use "
            "larger items, or a resnet, densenet, mobilenet, efficientnet, mnasnet, regnet or shufflenet"
        )


def _take_channels(model: nn.Module, channels: int) -> None:
    holder, child, first = _first_convolution(model)
    setattr(holder, child, _drawn(first, in_channels=channels))


def _first_convolution(model: nn.Module) -> tuple[nn.Module, str, nn.Conv2d]:
    """Its holder, its name there, and itself."""
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            holder, _, child = path.rpartition(".")
            return model.get_submodule(holder), child, module
    raise AssertionError("a network for images without a convolution")


def _drawn(like: nn.Module, **changes: Any) -> nn.Conv2d:
    """A convolution as ``like`` but for ``changes``, drawn from a normal distribution with the spread that gives
    ``like``'s outputs for as many inputs."""
    assert isinstance(like, nn.Conv2d)
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    made = nn.Conv2d(**{name: getattr(like, name) for name in names} | changes, bias=like.bias is not None)
    fan = like.weight[0].numel() / made.weight[0].numel()
    with torch.no_grad():
        nn.init.normal_(made.weight, std=like.weight.std().item() * fan**0.5)
        if made.bias is not None and like.bias is not None:
            made.bias.copy_(like.bias)
    return made
