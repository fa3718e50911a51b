"""Parameters of the catalogue's activations, and ready search spaces for them, each bound with its reason.

Literal tables, so that a study is checked without torch; tests hold them to the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sweeps.study.space import Domain, tan_degrees
from trainer.activations.arguments import flag, real, word
from trainer.spec import Options

Takes = Callable[[str, str, object], object]
"""Of activation, parameter and value: gives the value, or raises :class:`WrongArgument`."""

ANY: Takes = real
POSITIVE: Takes = partial(real, above=0.0)
NOT_NEGATIVE: Takes = partial(real, low=0.0)
SHARE: Takes = partial(real, low=0.0, high=1.0)
ABOVE_FLOOR: Takes = partial(real, above=1e-6)
TRAINED: dict[str, Takes] = {"trainable": flag, "granularity": partial(word, accepted=("layer", "channel"))}

PARAMETERS: dict[str, Mapping[str, Takes]] = {
    "alrelu": {"alpha": SHARE, **TRAINED},
    "apalu": {"a": ABOVE_FLOOR, "b": ABOVE_FLOOR, **TRAINED},
    "dsrelu": {
        "a": POSITIVE,
        "b": POSITIVE,
        "k": NOT_NEGATIVE,
        "progress": partial(word, accepted=("epoch", "step", "epochs", "released", "constant")),
        "t": NOT_NEGATIVE,
    },
    "elu": {"alpha": ANY},
    "gelu": {"approximate": partial(word, accepted=("none", "tanh"))},
    "leaky_relu": {"negative_slope": ANY},
    "lelu": {"beta": SHARE, **TRAINED},
    "mish": {},
    "prelu": {"init": ANY, "granularity": TRAINED["granularity"]},
    "relu": {},
    "scaled_leaky_relu": {"s": POSITIVE, "scale": flag},
    "selu": {},
    "sigmoid": {},
    "silu": {},
    "softplus": {"beta": POSITIVE, "threshold": POSITIVE},
    "tanh": {},
}
"""Activation -> keyword arguments of its class and what each takes, but ``channels``, which the model gives. Import
paths are not listed: theirs are known where torch is."""

_TRAINED: Options = {"trainable": False, "granularity": "layer"}
DEFAULTS: dict[str, Options] = {
    "alrelu": {"alpha": 0.01, **_TRAINED},
    "apalu": {"a": 0.55, "b": 0.065, **_TRAINED, "trainable": True},
    "dsrelu": {"a": tan_degrees(85.0), "b": tan_degrees(10.0), "k": 5.0, "progress": "epoch", "t": 0.0},
    "elu": {"alpha": 1.0},
    "gelu": {"approximate": "none"},
    "leaky_relu": {"negative_slope": 0.01},
    "lelu": {"beta": 0.4, **_TRAINED},
    "prelu": {"init": 0.25, "granularity": "layer"},
    "scaled_leaky_relu": {"s": 10.576, "scale": False},
    "softplus": {"beta": 1.0, "threshold": 20.0},
}
"""Activation -> the values that its parameters have where nothing is said, which are those of its paper; none where it
has no parameters. The first setting that a search tries (``search.first``) is made of them."""


@dataclass(frozen=True, kw_only=True)
class Default:
    """A parameter's ready search space and why it ends where it ends."""

    parameter: str
    domain: Domain
    reason: str


SPACES: dict[str, tuple[Default, ...]] = {
    "dsrelu": (
        Default(
            parameter="a",
            domain=Domain(kind="uniform", args=(60.0, 85.0), tan=True),
            reason=(
                "Initial slope as an angle. 85 degrees is the paper's own, 70, 75 and 80 are in its figure "
                f"and code, so they lie inside; below 60 (slope {tan_degrees(60):.2f}) little is left to decay "
                "from."
            ),
        ),
        Default(
            parameter="b",
            domain=Domain(kind="uniform", args=(10.0, 40.0), tan=True),
            reason=(
                "Final slope as an angle. 10 degrees is the paper's own, 15, 30 and 35 are in its code and "
                "figure; at 45 the slope is 1 and the function ends as the identity, so the bound stays clear "
                "of it."
            ),
        ),
        Default(
            parameter="k",
            domain=Domain(kind="loguniform", args=(1.0, 20.0)),
            reason=(
                "Steepness over progress 0 to 1; 5 and 10 were published. At 1 the slope covers a quarter of "
                "the way from a to b, at 20 it covers 85 % of it within a quarter of the training, so that "
                "more is a step. It acts by its ratio, hence log."
            ),
        ),
    ),
    "apalu": (
        Default(
            parameter="a",
            domain=Domain(kind="loguniform", args=(0.25, 1.1)),
            reason=(
                "Start of the positive scale; 0.55 is the paper's figure. Large inputs get the slope 2a: from "
                "0.5 to 2.2, a halving and a doubling around the figure's, which is near 1 as ReLU's is."
            ),
        ),
        Default(
            parameter="b",
            domain=Domain(kind="loguniform", args=(0.01, 1.0)),
            reason=(
                "Start of the negative scale; 0.065 is the paper's figure. The floor is -b: at 1 it is ELU's, "
                "below 0.01 the negative side is ReLU's. It spans orders of magnitude, hence log."
            ),
        ),
    ),
    "lelu": (
        Default(
            parameter="beta",
            domain=Domain(kind="uniform", args=(0.05, 0.95)),
            reason=(
                "0 is ELU and 1 is the identity; the author compares 0.3, 0.4 and 0.6. The ends are left out: "
                "there it is another function, and a trainable beta would start where its parametrisation is "
                "flat."
            ),
        ),
    ),
    "alrelu": (
        Default(
            parameter="alpha",
            domain=Domain(kind="loguniform", args=(0.001, 0.3)),
            reason=(
                "0.01 is the paper's. Below 0.001 it is ReLU to every digit that matters, above 0.3 the "
                "folded side is no longer a leak (and above 1 the positive branch changes too). It spans "
                "orders of magnitude, hence log."
            ),
        ),
    ),
    "leaky_relu": (
        Default(
            parameter="negative_slope",
            domain=Domain(kind="loguniform", args=(0.001, 0.3)),
            reason=(
                "The same range as ALReLU's alpha, of which it is the unfolded form, so that neither is tuned "
                "more than the other."
            ),
        ),
    ),
    "elu": (
        Default(
            parameter="alpha",
            domain=Domain(kind="loguniform", args=(0.1, 2.0)),
            reason=(
                "The floor is -alpha; 1 is the paper's and the only value at which the slope is continuous. A "
                "tenth is near ReLU, 2 doubles the slope below zero."
            ),
        ),
    ),
}


def explain(name: str) -> list[tuple[str, Domain, str]]:
    """(parameter, domain, reason) of an activation's ready search space; empty where there is none."""
    return [(item.parameter, item.domain, item.reason) for item in SPACES.get(name, ())]
