"""The two curves of one variable of the LELU paper: a few nodes to train on, and the curve itself to be held to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import content_digest
from trainer.datasets.options import Option, choose, describe
from trainer.datasets.reader import About, Dataset, Mesh
from trainer.spec import Scalar

POINTS = {"tanh": 7, "exponential": 12}
"""The paper's; 14 for its second tanh task."""
DECLARED = {
    "target": Option(
        default="tanh",
        meaning="tanh: 0.5 + 0.5 tanh(5 x); exponential: 0.1^x; both on [-1, 1]",
        accepts=("tanh", "exponential"),
    ),
    "points": Option(
        default=None,
        kind=int,
        least=3,
        meaning="equispaced nodes to train on; null: as many as in the paper, 7 of tanh and 12 of the exponential",
    ),
    "dense": Option(default=999, least=2, meaning="equispaced points of the curve that are held out"),
}


def value(target: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve at ``x``, in its shape; above 0 everywhere."""
    found: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(5.0 * x) if target == "tanh" else np.power(0.1, x)
    return found


class Curve:
    """Items are x itself, float64 and not scaled, as in the paper: the nodes first, then the dense points."""

    about = About(
        title="LELU's curves of one variable: a few nodes, and 999 points of the curve between them",
        licence="None needed: computed from a formula",
        citation="Bigarella E D V. Leaky exponential linear unit. arXiv 2507.06765 (2025).",
        source="Computed here",
        needs="",
        options=describe(DECLARED),
        fixed=True,
    )

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        chosen = choose("curve", DECLARED, options)
        target = chosen.text("target")
        points = chosen.number_or_none("points") or POINTS[target]
        nodes = np.linspace(-1.0, 1.0, points)
        dense = np.linspace(-1.0, 1.0, chosen.number("dense"))
        x = np.concatenate([nodes, dense])
        items, values = x[:, None, None, None], value(target, x)[:, None]
        both = int(np.isclose(dense[:, None], nodes[None, :], rtol=0.0, atol=1e-12).any(axis=1).sum())
        return Dataset(
            name=f"curve ({target}, {points} nodes)",
            items=items,
            values=values,
            kind="mesh",
            fixed_heldout=np.arange(len(x)) >= points,
            mesh=Mesh(
                shape=(points,),
                nodes=np.arange(points, dtype=np.int64),
                centres=value(target, (nodes[1:] + nodes[:-1]) / 2.0)[:, None],
            ),
            remarks=(f"{both} of the {len(dense)} held-out points are nodes, too",) if both else (),
            digest=content_digest(items, np.zeros(len(x), np.int64), (), {}, values),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)


curve = Curve()
