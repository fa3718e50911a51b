"""Scattered rows as the nodes of a structured mesh."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.reader import Mesh
from trainer.errors import DataError


def mesh_of(coordinates: NDArray[np.float64], where: str) -> Mesh:
    """The mesh whose nodes are the rows of ``coordinates`` [n, d], in any order: every combination of the values that
    an axis has, once. Raises :class:`DataError`, whose message begins with ``where``, for one with holes, with two rows
    at a node, or with an axis of fewer than three values."""
    axes = [np.unique(column) for column in coordinates.T]
    shape = tuple(map(len, axes))
    said = " x ".join(map(str, shape))
    if min(shape) < 3:
        raise DataError(f"{where}: the axes have {said} values; a mesh has 3 or more on each")
    places = [np.searchsorted(axis, column) for axis, column in zip(axes, coordinates.T, strict=True)]
    numbers = np.ravel_multi_index(places, shape)
    counts = np.bincount(numbers, minlength=math.prod(shape))
    if len(wrong := np.flatnonzero(counts != 1)):
        node = np.unravel_index(int(wrong[0]), shape)
        shown = ", ".join(f"{axis[place]:g}" for axis, place in zip(axes, node, strict=True))
        raise DataError(
            f"{where}: {len(coordinates)} rows for a mesh of {said} = {len(counts)} nodes, {int((counts == 0).sum())} "
            f"of them holes and {int((counts > 1).sum())} with more than one row (the first at {shown}); a structured "
            "mesh has one row for every combination of its coordinates"
        )
    return Mesh(shape=shape, nodes=np.argsort(numbers, kind="stable").astype(np.int64))
