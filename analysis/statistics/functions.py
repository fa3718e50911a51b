"""The catalogue's activations in plain numpy, and how far apart two of them are.

The formulas are written here a second time on purpose: a report is made where no torch is. The distance is that of
``trainer.activations.distance``: the root mean square of the difference of two functions, or of their slopes, whichever
is more, for standard normal inputs and at every moment of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from analysis.statistics import dsrelu

Array = npt.NDArray[np.float64]
Params = Mapping[str, Any]

TAN_85, TAN_10 = math.tan(math.radians(85.0)), math.tan(math.radians(10.0))
STARTS: dict[str, dict[str, Any]] = {
    "dsrelu": {"a": TAN_85, "b": TAN_10, "k": 5.0, "t": 0.0},
    "apalu": {"a": 0.55, "b": 0.065},
    "lelu": {"beta": 0.4},
    "alrelu": {"alpha": 0.01},
    "scaled_leaky_relu": {"s": 10.576, "scale": False},
    "leaky_relu": {"negative_slope": 0.01},
    "prelu": {"init": 0.25},
    "elu": {"alpha": 1.0},
    "softplus": {"beta": 1.0, "threshold": 20.0},
}


def sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), dtype=np.float64)


def _dsrelu(x: Array, p: Params) -> Array:
    return np.asarray(np.where(x > 0, x * dsrelu.slope(np.array(p["t"]), p["a"], p["b"], p["k"]), x))


def _apalu(x: Array, p: Params) -> Array:
    return np.asarray(np.where(x >= 0, p["a"] * (x + x * sigmoid(1.702 * x)), p["b"] * np.expm1(np.minimum(x, 0))))


def _lelu(x: Array, p: Params) -> Array:
    low = np.minimum(x, 0)
    return np.where(x > 0, x, np.expm1((1 - p["beta"]) * low) + p["beta"] * low)


def _selu(x: Array, p: Params) -> Array:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def _gelu(x: Array, p: Params) -> Array:
    return np.asarray(x * 0.5 * (1 + erf(x / math.sqrt(2))), dtype=np.float64)


def _softplus(x: Array, p: Params) -> Array:
    steep = p["beta"] * x
    return np.where(steep > p["threshold"], x, np.logaddexp(0.0, steep) / p["beta"])


FORMULAS: dict[str, Callable[[Array, Params], Array]] = {
    "relu": lambda x, p: np.maximum(x, 0),
    "leaky_relu": lambda x, p: np.where(x > 0, x, p["negative_slope"] * x),
    "prelu": lambda x, p: np.where(x > 0, x, p.get("weight", p["init"]) * x),
    "dsrelu": _dsrelu,
    "apalu": _apalu,
    "lelu": _lelu,
    "alrelu": lambda x, p: np.maximum(np.abs(p["alpha"] * x), x),
    "scaled_leaky_relu": lambda x, p: np.where(x > 0, x, x / p["s"]) * (p["s"] if p["scale"] else 1.0),
    "elu": lambda x, p: np.where(x > 0, x, p["alpha"] * np.expm1(np.minimum(x, 0))),
    "selu": _selu,
    "gelu": _gelu,
    "silu": lambda x, p: x * sigmoid(x),
    "mish": lambda x, p: x * np.tanh(np.logaddexp(0.0, x)),
    "softplus": _softplus,
    "sigmoid": lambda x, p: sigmoid(x),
    "tanh": lambda x, p: np.tanh(x),
}


def value(name: str, x: Array, params: Params) -> Array:
    """The activation ``name`` at ``x``; parameters that are not given have the catalogue's defaults."""
    return FORMULAS[name](x, {**STARTS.get(name, {}), **params})


MOMENTS = tuple(step / 10 for step in range(11))
STEP = 1e-4
"""Half the width of a difference quotient; no node is as near as this to a bend of the catalogue's activations."""


def _grid() -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre sums on panels of 1/8 from -8.5 to 8.5, under N(0, 1)."""
    at, weight = np.polynomial.legendre.leggauss(6)
    x = (np.arange(-68, 68)[:, None] / 8 + (at + 1) / 16).ravel()
    return x, np.tile(weight / 16, 136) * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


NODES, WEIGHTS = _grid()


def distance(one: tuple[str, Params], other: tuple[str, Params]) -> float:
    """Of two settings, each a name of :data:`FORMULAS` and parameters; nan where a name is not known, or where two
    follow training progress by different readings, so that it depends on how long they train."""
    if not {one[0], other[0]} <= FORMULAS.keys() or len({_reading(*one), _reading(*other)} - {""}) > 1:
        return math.nan
    moving = _reading(*one) or _reading(*other)
    return max(_apart(_at(one, t), _at(other, t)) for t in (MOMENTS if moving else (0.0,)))


def learns(name: str, params: Params) -> bool:
    """Whether a setting's parameters are trained."""
    return name == "prelu" or bool(params.get("trainable", name == "apalu"))


def _reading(name: str, params: Params) -> str:
    """By which reading of training progress it moves; "" where it does not."""
    reading = str(params.get("progress", "epoch")) if name == "dsrelu" else "constant"
    return {"constant": "", "step": "epoch"}.get(reading, reading)


def _at(setting: tuple[str, Params], t: float) -> tuple[str, Params]:
    name, params = setting
    return (name, {**params, "t": t}) if _reading(name, params) else setting


def _apart(one: tuple[str, Params], other: tuple[str, Params]) -> float:
    def difference(x: Array) -> Array:
        return value(one[0], x, one[1]) - value(other[0], x, other[1])

    slopes = (difference(NODES + STEP) - difference(NODES - STEP)) / (2 * STEP)
    return max(math.sqrt(float(WEIGHTS @ part**2)) for part in (difference(NODES), slopes))
