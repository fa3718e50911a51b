"""How far apart two activations are, as functions of a standard normal input.

    d(f, g) = max over training of max( sqrt(E (f(x) - g(x))^2), sqrt(E (f'(x) - g'(x))^2) ),    x ~ N(0, 1)

It is symmetric and obeys the triangle inequality. f' is the derivative that training sees (autograd's, so that of a
straight-through estimator is the estimator's). Trained parameters stand where they start; an activation that follows
training progress (:mod:`trainer.activations.progress`) is compared at every moment of training.

Everything is float64. Expectations are Gauss-Legendre sums on panels of 1/8 between -8.5 and 8.5, beyond which less
than 2e-17 of the inputs lie: exact to 1e-9 for what is smooth or bent at multiples of 1/8 (0, 1, 3, 6 ...). A bend
elsewhere that one of two has and the other has not is placed to within 1/60, so that the slopes' distance is then
known to about a tenth of the jump; the values' distance to 1e-3 of it. The same bend in both costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trainer.activations.progress import following
from trainer.models.placement import factory
from trainer.spec import ActivationSpec

SAME = 1e-3
"""Nearer than this, two activations are called the same function. Inputs have standard deviation 1, so it is a
thousandth of what goes in: a quarter of what bfloat16 rounds away from a number of size 1 (2^-8)."""
SHAPES = ((-1, 1), (-1, 1, 1, 1))
"""Of the input: items of one feature, and where a module takes only pictures, of one channel and pixel."""


def _grid() -> tuple[Tensor, Tensor]:
    """Nodes and weights under N(0, 1), each (816,)."""
    at, weight = np.polynomial.legendre.leggauss(6)
    starts = np.arange(-68, 68) / 8
    x = (starts[:, None] + (at + 1) / 16).ravel()
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return torch.from_numpy(x), torch.from_numpy(np.tile(weight / 16, len(starts)) * density)


NODES, WEIGHTS = _grid()


class NoFunction(ValueError):
    """An activation that is no function of one number, or whose values are not finite; says why."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """An activation over training: ``values`` and ``slopes`` are (moments, nodes), one moment where it does not move,
    and all of them twice where a model's first layer of the kind moves otherwise than the others. Both are scaled by
    the square root of their weight, so that sums of squares are expectations."""

    values: Tensor
    slopes: Tensor
    learns: bool
    """Whether it has parameters that are trained."""

    @property
    def moves(self) -> bool:
        return len(self.values) > 1


def moments(epochs: int) -> list[float]:
    """Fractions of training at which what moves is compared: tenths of it, and of its first epoch."""
    tenths = [step / 10 for step in range(11)]
    return sorted({*tenths, *(step / epochs for step in tenths)})


def course(spec: ActivationSpec, epochs: int = 1) -> Course:
    """The activation over a training of ``epochs``. Raises :class:`NoFunction`, and what its class raises for its
    arguments. Draws nothing from the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return of_module(factory(spec)(1, 1).double(), epochs)


def of_module(module: nn.Module, epochs: int = 1) -> Course:
    """:func:`course` of a module of float64."""
    layers = [layer for layer in following(module) if layer.progress != "constant"]
    shape = _shape(module)
    learns = any(parameter.requires_grad for parameter in module.parameters())
    rows = []
    for t in _progress(str(layers[0].progress), epochs) if layers else [0.0]:
        for layer in layers:
            layer._buffers["t"].fill_(t)  # type: ignore[union-attr]  # it is there: see following
        rows.append(_curve(module, NODES, shape))
    values, slopes = (torch.stack(part) for part in zip(*rows, strict=True))
    if not (torch.isfinite(values).all() and torch.isfinite(slopes).all()):
        worst = NODES[~(torch.isfinite(values) & torch.isfinite(slopes)).all(0)].abs().min()
        raise NoFunction(f"it or its slope is not finite at an input of size {worst:.2g}")
    scale = WEIGHTS.sqrt()
    return Course(values=values * scale, slopes=slopes * scale, learns=learns)


def _progress(reading: str, epochs: int) -> list[float]:
    """t at each of the :func:`moments`; where a reading moves a model's first layer alone, then that of the others."""
    first = [share * epochs if reading == "epochs" else share for share in moments(epochs)]
    return [*first, *([0.0] * len(first) if reading == "released" else [])]


def _shape(module: nn.Module) -> tuple[int, ...]:
    """The shape of inputs that the module takes. Raises :class:`NoFunction` where its outputs are not of it, or where
    an output depends on more than its own input."""
    for shape in SHAPES:
        try:
            whole, half = (_curve(module, nodes, shape)[0] for nodes in (NODES, NODES[::2]))
        except NoFunction:
            raise
        except Exception as error:  # a user's own class may raise anything
            raised = error
            continue
        if not torch.allclose(whole[::2], half, rtol=1e-9, atol=1e-9, equal_nan=True):
            raise NoFunction("an output depends on more than its own input (on other inputs, or on chance)")
        return shape
    raise NoFunction(f"it raises {type(raised).__name__}: {raised}") from raised


def _curve(module: nn.Module, nodes: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    leaf = nodes.clone().requires_grad_()
    with torch.enable_grad():
        y = module((leaf * 1.0).reshape(shape))  # no leaf, for what works in place
        if not isinstance(y, Tensor) or y.numel() != len(nodes):
            raise NoFunction("it gives not as many numbers as it takes")
        y = y.reshape(-1)
        slopes = torch.autograd.grad(y.sum(), leaf, allow_unused=True)[0] if y.requires_grad else None
    return y.detach(), torch.zeros_like(nodes) if slopes is None else slopes


def distances(rows: Sequence[Course], columns: Sequence[Course]) -> Tensor:
    """d of each of ``rows`` to each of ``columns``, (rows, columns); courses of trainings of the same epochs. From sums
    of products: what is 0 may come out as up to 1e-6."""
    lengths = [sorted({len(one.values) for one in side}) for side in (rows, columns)]
    found = torch.zeros(len(rows), len(columns), dtype=torch.float64)
    for of_rows in lengths[0]:
        for of_columns in lengths[1]:
            at_rows = [i for i, one in enumerate(rows) if len(one.values) == of_rows]
            at_columns = [i for i, one in enumerate(columns) if len(one.values) == of_columns]
            block = torch.zeros(len(at_rows), len(at_columns), dtype=torch.float64)
            for moment in range(max(of_rows, of_columns)):
                for part in ("values", "slopes"):
                    a = torch.stack([getattr(rows[i], part)[moment % of_rows] for i in at_rows])
                    b = torch.stack([getattr(columns[i], part)[moment % of_columns] for i in at_columns])
                    block = torch.maximum(block, _apart(a, b))
            found[torch.tensor(at_rows)[:, None], torch.tensor(at_columns)] = block
    return found


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of each row of ``a`` (n, nodes) to each of ``b`` (m, nodes), (n, m)."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    return squares.clamp_min(0).sqrt()


def distance(one: Course, other: Course) -> float:
    """d of two courses of trainings of the same epochs, by the difference itself: exactly 0 for the same numbers."""
    most = max(len(one.values), len(other.values))
    found = 0.0
    for mine, theirs in ((one.values, other.values), (one.slopes, other.slopes)):
        apart = [mine[at % len(mine)] - theirs[at % len(theirs)] for at in range(most)]
        found = max(found, *(float(difference.square().sum().sqrt()) for difference in apart))
    return found


def becomes(spec: ActivationSpec, target: Course, *, within: float = SAME) -> bool:
    """Whether learning can make the activation the target: its trained parameters were fitted to the target's values
    (L-BFGS), and what came of it is no farther than ``within``. False proves nothing. False for what moves."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = factory(spec)(1, 1).double()
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        if not trained or target.moves or any(layer.progress != "constant" for layer in following(module)):
            return False
        shape, scale = _shape(module), WEIGHTS.sqrt()
        fit = torch.optim.LBFGS(trained, max_iter=25, line_search_fn="strong_wolfe", tolerance_change=1e-14)

        def loss() -> Tensor:
            fit.zero_grad()
            apart = module((NODES * 1.0).reshape(shape)).reshape(-1) * scale - target.values[0]
            # The logarithm, or a step towards the end of a range grows ever smaller.
            value: Tensor = (apart.square().sum() + 1e-12).log()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        try:
            with torch.enable_grad():
                fit.step(loss)  # type: ignore[no-untyped-call]
            return distance(of_module(module), target) <= within
        except Exception:  # a user's own class, far from where it starts
            return False
