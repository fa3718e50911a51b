"""Smaller data sets by rule: which classes and items stay is a function of the items and a seed given for that, never
of a study's seed or of the order of files.

An item's rank is the SHA-256 of the seed, a space and the item's key; the lowest ranks stay. So a smaller sample of the
same seed lies within a larger one of the same cell, and two sources of the same images give the same sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError


def rank(seed: int, key: bytes) -> bytes:
    return hashlib.sha256(f"{seed} ".encode() + key).digest()


def pick_classes(names: tuple[str, ...], count: int, seed: int) -> tuple[int, ...]:
    """``count`` class numbers, ascending: those whose names rank lowest."""
    if count > len(names):
        raise DataError(f"option classes is {count}, but the data set has {len(names)} classes")
    order = sorted(range(len(names)), key=lambda number: rank(seed, names[number].encode()))
    return tuple(sorted(order[:count]))


def pick_items(candidates: NDArray[np.int64], count: int, seed: int, key: Callable[[int], bytes]) -> NDArray[np.int64]:
    """The ``count`` of ``candidates`` (positions) whose keys rank lowest; ascending."""
    order = sorted(candidates.tolist(), key=lambda position: rank(seed, key(position)))
    return np.array(sorted(order[:count]), np.int64)


def shares(sizes: Iterable[int], total: int) -> list[int]:
    """``total`` dealt in proportion to ``sizes`` by largest remainder; equal remainders go to the earlier one.

    >>> shares([90, 9, 1], 10)
    [9, 1, 0]
    """
    found = list(sizes)
    whole = sum(found)
    dealt = [size * total // whole for size in found]
    by_remainder = sorted(range(len(found)), key=lambda place: (-(found[place] * total % whole), place))
    for place in by_remainder[: total - sum(dealt)]:
        dealt[place] += 1
    return dealt


def stratified(
    labels: NDArray[np.int64], groups: NDArray[np.int64], total: int, seed: int, key: Callable[[int], bytes]
) -> NDArray[np.int64]:
    """``total`` positions, ascending, that keep the shares of the classes and, in each class, those of the groups.

    ``total`` is dealt to the classes in proportion to their sizes, a class's part to its groups likewise (both by
    largest remainder), and within each (class, group) the lowest ranks stay."""
    if total > len(labels):
        raise DataError(f"option sample is {total}, but the data set has {len(labels)} items")
    numbers = np.unique(labels)
    per_class = shares((int((labels == number).sum()) for number in numbers), total)
    picked = []
    for number, part in zip(numbers, per_class, strict=True):
        members = np.unique(groups[labels == number])
        cells = [np.flatnonzero((labels == number) & (groups == member)) for member in members]
        for cell, count in zip(cells, shares(map(len, cells), part), strict=True):
            picked.append(pick_items(cell, count, seed, key))
    return np.sort(np.concatenate(picked))
