"""Items that are the same to the last value: found, counted, and kept on one side of every split."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import Content
from trainer.datasets.file_reader import Selection
from trainer.datasets.image_tree import some
from trainer.datasets.options import Option
from trainer.errors import DataError

GROUP = "copies"
MARK = "copy_of"
_SHOWN = "exact copies: "
OPTION = Option(
    default="tell",
    meaning="items that are, as the model sees them, the same to the last value: tell counts them; group also "
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


def remarks(copy_of: NDArray[np.int64], name: Callable[[int], object]) -> list[str]:
    """Which items are copies, by the names of their places."""
    pairs = [f"{name(first)} = {name(place)}" for place, first in enumerate(copy_of.tolist()) if first != place]
    return [f"{_SHOWN}{some(pairs)}"] if pairs else []


def settle(name: str, content: Content, selection: Selection, wish: str) -> Selection:
    """The selection, with its copies dealt with as :data:`OPTION` says and counted in its note. Raises
    :class:`DataError` where they are refused, or where it is not clear which one to drop."""
    positions = np.arange(len(content.labels)) if selection.positions is None else selection.positions
    copy_of = content.marks[MARK][positions]
    counted = count(copy_of, _targets(content)[positions], selection.heldout)
    words = told(counted)
    group = {GROUP: copy_of} if wish == "group" else {}
    if not words:
        return replace(selection, groups=group)
    if wish == "refuse" or (wish == "drop" and counted[1]):
        shown = next((remark for remark in content.remarks if remark.startswith(_SHOWN)), "")
        way = "which is right? Remove the others" if wish == "drop" else "remove them, or duplicates: drop"
        raise DataError(f"data set {name}: {words} ({shown}); {way}")
    if wish == "drop":
        stays = kept(copy_of, selection.heldout)
        return replace(
            selection,
            positions=positions[stays],
            heldout=None if selection.heldout is None else selection.heldout[stays],
            note=", ".join(filter(None, (selection.note, f"{told((counted[0], 0, 0))} dropped"))),
        )
    if wish == "tell":
        way = f"with duplicates: group and folds: {{group: {GROUP}}} they stay on one side of a fold"
        way += ", with duplicates: drop they leave the held-out part" * bool(counted[2])
        logging.getLogger(__name__).warning("data set %s: %s; %s", name, words, way)
    return replace(selection, groups=group, note=", ".join(filter(None, (selection.note, words))))


def _targets(content: Content) -> NDArray[np.int64]:
    """[n]: a number for each target that there is."""
    if content.values is None:
        return content.labels
    _, numbers = np.unique(content.values, axis=0, return_inverse=True)
    return numbers.reshape(-1).astype(np.int64)


def count(
    copy_of: NDArray[np.int64], targets: NDArray[np.int64], heldout: NDArray[np.bool_] | None
) -> tuple[int, int, int]:
    """How many items equal an earlier one, how many are in a set of copies with more than one target, and how many in a
    set with items on both sides of the held-out part."""
    _, owner, sizes = np.unique(copy_of, return_inverse=True, return_counts=True)

    def mixed(values: NDArray[Any]) -> int:
        low, high = np.full(len(sizes), np.iinfo(np.int64).max), np.full(len(sizes), -1)
        np.minimum.at(low, owner, values.astype(np.int64))
        np.maximum.at(high, owner, values.astype(np.int64))
        return int(sizes[low < high].sum())

    return int((sizes - 1).sum()), mixed(targets), 0 if heldout is None else mixed(heldout)


def told(counted: tuple[int, int, int]) -> str:
    """Those numbers in words; "" where nothing is a copy."""
    copies, classes, sides = counted
    if not copies:
        return ""
    return (
        ("1 exact copy" if copies == 1 else f"{copies} exact copies")
        + (f", {classes} items under more than one target" * bool(classes))
        + (f", {sides} items on both sides of the held-out part" * bool(sides))
    )
