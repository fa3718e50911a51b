"""How much more a model bends inside the cells of a structured mesh than the data at its nodes do.

E. D. V. Bigarella, "Diffusion metric" (arXiv 2507.06631) and LELU (arXiv 2507.06765): two undivided second differences,
each normalised by the local mean and summed over the diagonals of the cells. One is of the data at the nodes; the other
is of the model, at the nodes and at the cells' centres, half a spacing away. A node has one diagonal in one dimension,
two in two and four in three. With d dimensions and the spacing h the sum is divided by d*h*h for the data (h = 1) and
by 3*d*h*h for the model (h = 1/2); the 3 makes both equal to second order where the function is smooth.

The score is the root of the mean square of (model - data) over the interior nodes. It is 0 for no model: of the very
function that gave the data it is what the two differences disagree by on that mesh (0.0406 for the tanh of LELU on 7
points). A score below that says that the model bends less than the truth does, which is no merit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor


def score(values: Tensor, nodes: Tensor, centres: Tensor) -> Tensor:
    """Shape [], lower is smoother. ``values`` [*shape] are the data at the nodes, ``nodes`` [*shape] and ``centres``
    [*(shape - 1)] the model's values there; all positive, 1 to 3 dimensions of at least 3 nodes each."""
    return (of_model(nodes, centres) - of_data(values)).square().mean().sqrt()


def of_data(values: Tensor) -> Tensor:
    """[*(shape - 2)]: the operator at the interior nodes, from the nodes alone."""
    here = values[_inner(values, [0] * values.dim())]
    total = torch.zeros_like(here)
    for side in _diagonals(values.dim()):
        ahead = values[_inner(values, side)]
        behind = values[_inner(values, [-step for step in side])]
        total = total + (ahead + behind - 2.0 * here).abs() / (ahead + behind + 2.0 * here)
    return total / values.dim()


def of_model(nodes: Tensor, centres: Tensor) -> Tensor:
    """[*(shape - 2)]: the operator at the interior nodes, from the model's ``nodes`` [*shape] and ``centres``
    [*(shape - 1)]."""
    total = torch.zeros_like(nodes[_inner(nodes, [0] * nodes.dim())])
    for side in _diagonals(nodes.dim()):
        opposite = [-step for step in side]
        outer = nodes[_inner(nodes, side)] + nodes[_inner(nodes, opposite)]
        inner = centres[_beside(nodes, side)] + centres[_beside(nodes, opposite)]
        total = total + (outer - inner).abs() / (outer + inner)
    return total / (3.0 * nodes.dim() * 0.25)


def centres_of(nodes: Tensor) -> Tensor:
    """[cells, coordinates], the cells in C order: the middle of each cell of ``nodes`` [*shape, coordinates]."""
    dimensions = nodes.dim() - 1
    corners = [
        nodes[tuple(slice(1, None) if ahead else slice(None, -1) for ahead in corner)]
        for corner in itertools.product((False, True), repeat=dimensions)
    ]
    return torch.stack(corners).mean(dim=0).reshape(-1, nodes.shape[-1])


def _diagonals(dimensions: int) -> Iterator[list[int]]:
    """One of the two directions of each diagonal."""
    for rest in itertools.product((1, -1), repeat=dimensions - 1):
        yield [1, *rest]


def _inner(nodes: Tensor, side: list[int]) -> tuple[slice, ...]:
    """The interior nodes of a mesh, moved by ``side`` (-1, 0 or 1 on each axis)."""
    return tuple(slice(1 + step, size - 1 + step) for step, size in zip(side, nodes.shape, strict=True))


def _beside(nodes: Tensor, side: list[int]) -> tuple[slice, ...]:
    """The centre on the side ``side`` (-1 or 1 on each axis) of each interior node: cell j lies between the nodes j and
    j + 1."""
    return tuple(
        slice((1 + step) // 2, size - 2 + (1 + step) // 2) for step, size in zip(side, nodes.shape, strict=True)
    )
