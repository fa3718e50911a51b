"""A data set's mesh as the task ``regression`` uses it: to score a model's diffusion, and to interpolate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from trainer.datasets.reader import Dataset, Mesh
from trainer.tasks.regression import diffusion, floors

Function = Callable[[Tensor], Tensor]
"""Items as stored, [n, 1, 1, coordinates] -> predictions in the target's own units, [n, 1] float64."""


def problem(dataset: Dataset) -> str:
    """What keeps a model's diffusion from being scored on the data set, and what to do; "" where nothing does."""
    mesh, without = dataset.mesh, "leave out diffusion"
    if mesh is None:
        return f"it declares no structured mesh for diffusion; use data that does (curve, motor_map), or {without}"
    assert dataset.values is not None
    if dataset.values.shape[1] != 1:
        return f"diffusion is defined for one target, and there are {dataset.values.shape[1]}; {without}"
    if not 1 <= len(mesh.shape) <= 3 or min(mesh.shape) < 3:
        said = " x ".join(map(str, mesh.shape))
        return f"its mesh is {said}; diffusion takes 1 to 3 axes of 3 nodes and more; use a finer mesh, or {without}"
    if (problem := _unstructured(dataset, mesh)) is not None:
        return f"its mesh is none: {problem}; a mesh has an item for every node, or {without}"
    lowest = float(dataset.values[mesh.nodes].min())
    if lowest <= 0:
        return (
            f"diffusion divides by sums of neighbouring values, which makes sense above 0 alone, and the mesh has "
            f"{lowest:g}; add a constant to the target, as the paper does, or {without}"
        )
    return ""


def axes(dataset: Dataset, mesh: Mesh) -> list[floors.Array]:
    """The coordinates of each axis. Raises ValueError where the nodes make no structured mesh."""
    nodes = np.asarray(dataset.items[mesh.nodes], np.float64)
    return floors.axes_of(nodes.reshape(len(nodes), -1), mesh.shape)


def _unstructured(dataset: Dataset, mesh: Mesh) -> str | None:
    if len(mesh.nodes) != math.prod(mesh.shape) or len(np.unique(mesh.nodes)) < len(mesh.nodes):
        return f"{len(np.unique(mesh.nodes))} items for {math.prod(mesh.shape)} nodes (holes, or an item twice)"
    if not 0 <= mesh.nodes.min() <= mesh.nodes.max() < len(dataset.items):
        return f"node numbers up to {mesh.nodes.max()} for {len(dataset.items)} items"
    try:
        axes(dataset, mesh)
    except ValueError as error:
        return str(error)
    return None


class OnMesh(nn.Module):
    """The nodes and the cells' centres on the fold's device. Holds nothing that is learnt: no part of a checkpoint."""

    nodes: Tensor
    centres: Tensor
    values: Tensor

    def __init__(self, dataset: Dataset, mesh: Mesh) -> None:
        super().__init__()
        assert dataset.values is not None
        self.shape = mesh.shape
        items = torch.from_numpy(np.array(dataset.items[mesh.nodes], np.float64))
        at = items.reshape(*mesh.shape, -1)
        middle = diffusion.centres_of(at)
        self.register_buffer("nodes", items, persistent=False)
        self.register_buffer("centres", middle.reshape(-1, *items.shape[1:]), persistent=False)
        values = np.array(dataset.values[mesh.nodes], np.float64)
        self.register_buffer("values", torch.from_numpy(values), persistent=False)
        self.truth: float | None = None
        if mesh.centres is not None:
            true = torch.from_numpy(np.asarray(mesh.centres, np.float64))
            self.truth = self._score(self.values, true)

    def score(self, function: Function) -> tuple[float, str]:
        """The diffusion of ``function`` on the mesh, and "" or why it is NaN."""
        at_nodes, between = function(self.nodes), function(self.centres)
        lowest = float(torch.minimum(at_nodes.min(), between.min()))
        if not lowest > 0:
            return math.nan, f"the model gives {lowest:.3g} on the mesh, and diffusion makes sense above 0 alone"
        return self._score(at_nodes, between), ""

    def _score(self, at_nodes: Tensor, between: Tensor) -> float:
        cells = [size - 1 for size in self.shape]
        data = self.values.reshape(self.shape)
        return float(diffusion.score(data, at_nodes.reshape(self.shape), between.reshape(cells)))


def interpolations(dataset: Dataset, mesh: Mesh) -> Iterator[tuple[str, floors.Predictor]]:
    """(name, predictor) of each kind of interpolation of the nodes' values, [n, coordinates] -> [n, k]."""
    assert dataset.values is not None
    values = np.asarray(dataset.values[mesh.nodes], np.float64)
    yield from floors.interpolations(axes(dataset, mesh), values.reshape(*mesh.shape, -1))
