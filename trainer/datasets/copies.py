"""Items that are the same to the last value: found, counted, and kept on one side of every split."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.options import Option

GROUP = "copies"
MARK = "copy_of"
OPTION = Option(
    default="tell",
    meaning="items whose pixels, as the model sees them, are the same to the last one: tell counts them; group also "
    "gives the group `copies`, by which `folds: {group: copies}` keeps them on one side; drop keeps one of each, "
    "outside the held-out part if it can; refuse ends with an error",
    accepts=("tell", "group", "drop", "refuse"),
)


def first_of_each(items: NDArray[Any]) -> NDArray[np.int64]:
    """[n]: the position of the first item that equals each."""
    seen: dict[bytes, int] = {}
    firsts = [
        seen.setdefault(hashlib.sha256(np.ascontiguousarray(item).data).digest(), place)
        for place, item in enumerate(items)
    ]
    return np.array(firsts, np.int64)


def kept(copy_of: NDArray[np.int64], heldout: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """[n]: one of each set of copies, of those outside the held-out part the first, else the first."""
    order = np.arange(len(copy_of)) if heldout is None else np.argsort(heldout, kind="stable")
    _, first = np.unique(copy_of[order], return_index=True)
    stays = np.zeros(len(copy_of), bool)
    stays[order[first]] = True
    return stays


def count(
    copy_of: NDArray[np.int64], labels: NDArray[np.int64], heldout: NDArray[np.bool_] | None
) -> tuple[int, int, int]:
    """How many items equal an earlier one, how many are in a set of copies with more than one class, and how many in a
    set with items on both sides of the held-out part."""
    _, owner, sizes = np.unique(copy_of, return_inverse=True, return_counts=True)

    def mixed(values: NDArray[Any]) -> int:
        low, high = np.full(len(sizes), np.iinfo(np.int64).max), np.full(len(sizes), -1)
        np.minimum.at(low, owner, values.astype(np.int64))
        np.maximum.at(high, owner, values.astype(np.int64))
        return int(sizes[low < high].sum())

    return int((sizes - 1).sum()), mixed(labels), 0 if heldout is None else mixed(heldout)


def told(counted: tuple[int, int, int]) -> str:
    """Those numbers in words; "" where nothing is a copy."""
    copies, classes, sides = counted
    if not copies:
        return ""
    return (
        ("1 exact copy" if copies == 1 else f"{copies} exact copies")
        + (f", {classes} items under more than one class" * bool(classes))
        + (f", {sides} items on both sides of the held-out part" * bool(sides))
    )
