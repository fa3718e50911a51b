"""What predictors that know nothing of networks make of the same targets: least squares, and interpolation where the
training part is a structured mesh."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Predictor = Callable[[Array], Array]
"""[n, coordinates] -> [n, outputs]."""
LARGEST = 4_000_000
"""Nodes beyond which pchip, which is evaluated on a mesh of all coordinates asked for, is left out."""


def least_squares(inputs: Array, targets: Array) -> Predictor:
    """Linear regression with an intercept of ``targets`` [n, outputs] on ``inputs`` [n, features]; the smallest
    coefficients where there are many."""
    mean, level = inputs.mean(axis=0), targets.mean(axis=0)
    weights, *_ = np.linalg.lstsq(inputs - mean, targets - level, rcond=None)
    return lambda asked: (asked - mean) @ weights + level


def axes_of(nodes: Array, shape: tuple[int, ...]) -> list[Array]:
    """The coordinates of each axis of ``nodes`` [nodes in C order, coordinates]. Raises ValueError where they do not
    make a structured mesh of that shape."""
    if nodes.shape != (math.prod(shape), len(shape)):
        raise ValueError(
            f"{len(nodes)} nodes of {nodes.shape[1]} coordinates for a mesh of {' x '.join(map(str, shape))}"
        )
    grid = nodes.reshape(*shape, len(shape))
    axes = []
    for axis in range(len(shape)):
        along = np.moveaxis(grid[..., axis], axis, 0).reshape(shape[axis], -1)
        if not (along == along[:, :1]).all() or not (np.diff(along[:, 0]) > 0).all():
            raise ValueError(f"coordinate {axis} does not rise along axis {axis} alone, as on a structured mesh")
        axes.append(along[:, 0])
    return axes


def interpolations(axes: list[Array], values: Array) -> Iterator[tuple[str, Predictor]]:
    """(name, predictor) of each kind of interpolation of ``values`` [*shape, outputs] that the mesh is large enough
    for; outside the mesh they go on as at its border."""
    from scipy.interpolate import RegularGridInterpolator

    shortest = min(map(len, axes))
    for name, method, least in (("linear", "linear", 2), ("cubic spline", "cubic", 4)):
        if shortest >= least:
            found = RegularGridInterpolator(axes, values, method=method, bounds_error=False, fill_value=None)
            yield f"{name} interpolation of the mesh", found
    if shortest >= 4:
        yield "pchip interpolation of the mesh", lambda asked: _pchip(axes, values, asked)


def _pchip(axes: list[Array], values: Array, asked: Array) -> Array:
    """Monotone cubic interpolation along the last axis first, as scipy's RegularGridInterpolator, which takes 13 s for
    the 38,055 nodes of the motor map one by one: here all that share a coordinate are done at once. NaN where that mesh
    would have more than LARGEST nodes."""
    from scipy.interpolate import PchipInterpolator

    known = [np.unique(asked[:, axis], return_inverse=True) for axis in range(len(axes))]
    if math.prod(len(coordinates) for coordinates, _ in known) > LARGEST:
        return np.full((len(asked), values.shape[-1]), np.nan)
    dense = values
    for axis in reversed(range(len(axes))):
        dense = PchipInterpolator(axes[axis], dense, axis=axis)(known[axis][0])
    found: Array = dense[tuple(places.reshape(-1) for _, places in known)]
    return found
