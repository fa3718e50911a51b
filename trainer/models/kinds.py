"""Which non-linear functions stand in networks, by the names that a study uses for them.

A function is looked for in both of its forms: as a module (``nn.ReLU``), and as a call (``functional.relu(x)``,
``torch.relu(x)``, ``x.relu_()``). What a network writes by hand (``x.clamp(min=0)``, ``x * torch.sigmoid(x)``, an
``autograd.Function``) or runs inside one of torch's own kernels (``nn.GRU``) is not seen.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "rrelu": nn.RReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}
"""Stand where an activation stands: a study's activation takes their places."""

GATES: Mapping[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "hardsigmoid": nn.Hardsigmoid, "glu": nn.GLU}
"""Weigh something by a number between 0 and 1, as in squeeze-and-excitation, or end a network: they stay."""

UNSAID: Mapping[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "hardtanh": nn.Hardtanh,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "logsigmoid": nn.LogSigmoid,
    "threshold": nn.Threshold,
    "hardshrink": nn.Hardshrink,
    "softshrink": nn.Softshrink,
    "tanhshrink": nn.Tanhshrink,
}
"""Are activations in one network and bounds, gates or outputs in another: the study has to say which."""

ALL: Mapping[str, type[nn.Module]] = {**ACTIVATIONS, **GATES, **UNSAID}

_OF_MODULE = {kind: name for name, kind in ALL.items()}


def _calls() -> dict[Callable[..., Any], tuple[str, bool]]:
    found: dict[Callable[..., Any], tuple[str, bool]] = {}
    for name in ALL:
        for owner in (functional, torch, Tensor):
            for written, in_place in ((name, False), (f"{name}_", True)):
                if (call := getattr(owner, written, None)) is not None:
                    found[call] = (name, in_place)
    return found


CALLS: Mapping[Callable[..., Any], tuple[str, bool]] = _calls()
"""A function or method of torch's -> the kind that it is, and whether it changes its argument in place."""


def of_module(module: nn.Module) -> str | None:
    """The kind of a module that is exactly such a function; None for every other, its subclasses included."""
    return _OF_MODULE.get(type(module))


def named(owner: str, option: str, given: object) -> frozenset[str]:
    """The kinds in a text as ``hardswish, silu``. Raises ValueError for another value, and for an unknown name, with
    the nearest."""
    if given is None:
        return frozenset()
    if not isinstance(given, str):
        raise ValueError(f"{owner}: {option}: got {given!r}, accepts names with commas between, as 'hardswish, silu'")
    names = [item.strip() for item in given.split(",") if item.strip()]
    for name in names:
        if name not in ALL:
            near = difflib.get_close_matches(name.lower(), ALL, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{owner}: {option}: unknown kind {name!r}, accepts {', '.join(ALL)}{hint}")
    return frozenset(names)


def in_words(names: Iterable[str]) -> str:
    """Names of kinds, in the order in which they are listed here."""
    wanted = set(names)
    return ", ".join(name for name in ALL if name in wanted)
