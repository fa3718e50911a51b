"""What a reader's conversion gives, and the digest that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

_CHUNK = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Content:
    """The arrays of a data set before any selection; what the cache keeps."""

    items: NDArray[Any]
    """[n, channels, height, width]: uint8, int64 (tokens), float32 or float64."""
    labels: NDArray[np.int64]
    """[n]; all 0 where there are ``values`` and no classes."""
    classes: tuple[str, ...]
    values: NDArray[Any] | None = None
    """[n, k] floating point, where the target is a quantity."""
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Group name -> [n]."""
    masks: NDArray[np.bool_] | None = None
    """[n, height, width], True where a picture shows a defect."""
    sizes: NDArray[np.int64] | None = None
    """[n, 2], height and width of each picture as its file has it."""
    marks: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """What a selection may need and training does not (as "official_test"), name -> [n]."""
    note: str = ""
    """How complete the files were, where they were not; goes into the data set's name."""
    remarks: tuple[str, ...] = ()
    """What people should know of it."""

    def check(self, name: str) -> None:
        """Raises :class:`DataError` where shapes, labels or values are unfit."""
        count = len(self.items)
        if not count:
            raise DataError(f"{name}: no items at all; is the data root right?")
        if self.items.ndim != 4:
            raise DataError(f"{name}: items have shape {self.items.shape}, expected [n, channels, height, width]")
        for what, array in {"labels": self.labels, **self.groups, **self.marks}.items():
            if array.shape != (count,):
                raise DataError(f"{name}: {what} has shape {array.shape}, expected ({count},) as there are items")
        shapes = {"masks": (count, *self.items.shape[2:]), "sizes": (count, 2)}
        for what, expected in shapes.items():
            if (found := getattr(self, what)) is not None and found.shape != expected:
                raise DataError(f"{name}: {what} have shape {found.shape}, expected {expected}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if self.values is None and (low < 0 or high >= len(self.classes)):
            raise DataError(f"{name}: labels go from {low} to {high}, expected 0 to {len(self.classes) - 1}")
        if self.values is not None and (self.values.ndim != 2 or len(self.values) != count):
            raise DataError(f"{name}: values have shape {self.values.shape}, expected ({count}, k) as there are items")
        if self.items.dtype not in (np.uint8, np.int64, np.float32, np.float64):
            raise DataError(f"{name}: items are {self.items.dtype}, expected uint8, float32 or float64")
        self._check_finite(name, "item", self.items)
        if self.values is not None:
            self._check_finite(name, "value", self.values)

    def _check_finite(self, name: str, what: str, array: NDArray[Any]) -> None:
        for start in range(0, len(array), 4096) if array.dtype.kind == "f" else ():
            finite = np.isfinite(array[start : start + 4096]).all(axis=tuple(range(1, array.ndim)))
            if not finite.all():
                where = start + int(np.argmin(finite))
                raise DataError(f"{name}: {what} {where} holds a value that is not finite (NaN or infinite)")

    def take(self, chosen: NDArray[np.int64]) -> Content:
        """The items at ``chosen`` ([m] positions, ascending); a view where they are neighbours."""
        index: slice | NDArray[np.int64] = chosen
        if len(chosen) and int(chosen[-1]) - int(chosen[0]) == len(chosen) - 1:
            index = slice(int(chosen[0]), int(chosen[-1]) + 1)
        return Content(
            items=self.items[index],
            labels=self.labels[index],
            classes=self.classes,
            values=None if self.values is None else self.values[index],
            groups={name: group[index] for name, group in self.groups.items()},
            marks={name: mark[index] for name, mark in self.marks.items()},
            masks=None if self.masks is None else self.masks[index],
            sizes=None if self.sizes is None else self.sizes[index],
            note=self.note,
            remarks=self.remarks,
        )


def array_digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values in C order; reads large arrays in pieces."""
    found = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    step = max(1, _CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        found.update(np.ascontiguousarray(array[start : start + step]).data)
    return found.hexdigest()


def content_digest(
    items: NDArray[Any],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    groups: Mapping[str, NDArray[np.int64]],
    values: NDArray[Any] | None = None,
    masks: NDArray[np.bool_] | None = None,
) -> str:
    """SHA-256 over items, labels, classes, groups, values and masks: 64 hexadecimal digits, the same on every
    machine."""
    arrays = {"items": items, "labels": labels} | ({} if values is None else {"values": values})
    arrays |= {} if masks is None else {"masks": masks}
    digests = {name: array_digest(array) for name, array in arrays.items()}
    return combined_digest(digests, classes, {name: array_digest(groups[name]) for name in groups})


def combined_digest(arrays: Mapping[str, str], classes: tuple[str, ...], groups: Mapping[str, str]) -> str:
    """:func:`content_digest` from the digests of its arrays: items, labels, and values and masks where it has them."""
    parts = {**arrays, "classes": list(classes), "groups": dict(groups)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
