"""The efficiency map of an electric motor on structured meshes of three variables, the LELU author's larger set.

Four files hold the same map on finer and finer meshes; every node of a coarse one is a node of the full one, with the
same value. The author fits a coarse mesh and holds out nothing. Here a coarse mesh trains, and the full mesh's other
nodes are held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import content_digest
from trainer.datasets.files import damaged, find_folder, need_file, need_root
from trainer.datasets.options import Option, choose, describe
from trainer.datasets.reader import About, Dataset, Mesh
from trainer.datasets.regression.structured import mesh_of
from trainer.datasets.table_file import opened
from trainer.errors import DataError
from trainer.spec import Scalar

NAME = "motor_map"
FOLDERS = ("motor-map", "gpr_aniso_trials")
FULL = "input_f.csv"
FILES = {"tiny": "input_t.csv", "small": "input_s.csv", "medium": "input_m.csv"}
INPUTS, TARGET = ("param1", "param2", "param3"), "var1"
DECLARED = {
    "mesh": Option(
        default="tiny",
        meaning="the mesh that trains: tiny (19 x 15 x 5 nodes), small (36 x 29 x 5) or medium (36 x 56 x 5); the "
        "other nodes of the full one (141 x 56 x 5) are held out",
        accepts=tuple(FILES),
    )
}
_EXPECTED = f"columns {', '.join(INPUTS)} and {TARGET}, a row for each node of a mesh"
_SOURCE = "https://github.com/ebiga/gpr_aniso_trials (input_t.csv, input_s.csv, input_m.csv and input_f.csv)"


class MotorMap:
    """Items are positions on the training mesh in its own spacing, float64 and not scaled: 0, 1, 2 and so on at its
    nodes, but for the last node of an axis, which lies nearer where the axis does not divide evenly. Nodes that train
    come first, in C order."""

    about = About(
        title="Efficiency of an electric motor over three variables, on a mesh: 39,480 nodes",
        licence="The repository is under GPL-3.0; no terms are given for the data apart",
        citation="Bigarella E D V. Diffusion metric. Information Sciences 725 (2025) 122739, arXiv 2507.06631. The "
        "same set is used by arXiv 2507.06765 (LELU).",
        source=_SOURCE,
        needs=f"{', '.join(FILES.values())} and {FULL} in {' or '.join(FOLDERS)}",
        options=describe(DECLARED),
        fixed=True,
    )

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        mesh = choose(NAME, DECLARED, options).text("mesh")
        coarse_path, full_path = self.files(root, options)
        coarse, full = _read(coarse_path), _read(full_path)
        places = mesh_of(coarse[:, :-1], f"data set {NAME}: {coarse_path}")
        coarse = coarse[places.nodes]
        held = _outside(full, coarse, full_path, coarse_path)
        rows = np.concatenate([coarse, full[held]])
        lowest = coarse[:, :-1].min(axis=0)
        spacing = np.array([np.diff(np.unique(column)[:2])[0] for column in coarse[:, :-1].T])
        items = ((rows[:, :-1] - lowest) / spacing)[:, None, None, :]
        values = rows[:, -1:].copy()
        return Dataset(
            name=f"{NAME} ({mesh})",
            items=items,
            values=values,
            kind="mesh",
            fixed_heldout=np.arange(len(rows)) >= len(coarse),
            mesh=Mesh(shape=places.shape, nodes=np.arange(len(coarse), dtype=np.int64)),
            digest=content_digest(items, np.zeros(len(rows), np.int64), (), {}, values),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Path, ...]:
        """The coarse mesh's file and the full one's."""
        mesh = choose(NAME, DECLARED, options).text("mesh")
        folder = find_folder(
            NAME, need_root(NAME, root), FOLDERS, needs=f"{FILES[mesh]} and {FULL}: {_EXPECTED}", source=_SOURCE
        )
        return tuple(need_file(NAME, folder / name, expected=_EXPECTED, source=_SOURCE) for name in (FILES[mesh], FULL))


def _read(path: Path) -> NDArray[np.float64]:
    """[nodes, 4], finite."""
    try:
        table = opened(path, header=True)
        if missing := [name for name in (*INPUTS, TARGET) if name not in table.names]:
            found = f"no column {missing[0]!r} among {', '.join(table.names)}"
            raise damaged(NAME, path, found, expected=_EXPECTED, source=_SOURCE)
        numbers = table.read((*INPUTS, TARGET), ()).numbers
    except DataError as error:
        words = str(error)
        raise (error if words.startswith("data set") else DataError(f"data set {NAME}: {words}")) from error
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0]) + 2
        raise damaged(NAME, path, f"line {row} has no number where one is due", expected=_EXPECTED, source=_SOURCE)
    return numbers


def _outside(
    full: NDArray[np.float64], coarse: NDArray[np.float64], full_path: Path, coarse_path: Path
) -> NDArray[np.bool_]:
    """[rows of ``full``]: those that are no node of ``coarse``. Raises :class:`DataError` where the two do not belong
    together."""
    known = {row[:-1].tobytes(): float(row[-1]) for row in np.ascontiguousarray(coarse)}
    shared = np.array([row[:-1].tobytes() in known for row in np.ascontiguousarray(full)])
    same = [known[row[:-1].tobytes()] == row[-1] for row in np.ascontiguousarray(full[shared])]
    if int(shared.sum()) != len(coarse) or not all(same):
        found = f"{sum(same)} of the {len(coarse)} nodes of {coarse_path.name} are in it with the same value"
        raise damaged(NAME, full_path, found, expected="all of them", source=_SOURCE)
    if shared.all():
        raise damaged(
            NAME, full_path, f"it has no node that is not in {coarse_path.name}", expected="more", source=_SOURCE
        )
    return ~shared


motor_map = MotorMap()
