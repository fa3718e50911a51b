"""Arrays of people's own as [n, channels, height, width]."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.own_columns import narrow
from trainer.datasets.reader import Kind
from trainer.datasets.validation import EXACT
from trainer.errors import DataError

KINDS: tuple[Kind, ...] = get_args(Kind)
_SHAPES: dict[Kind, str] = {
    "image": "[n, height, width], [n, channels, height, width] or [n, height, width, channels]",
    "signal": "[n, samples], [n, channels, samples] or [n, samples, channels] with channels: last",
    "sequence": "[n, steps, features]",
    "table": "[n, features]",
    "tokens": "[n, length]",
    "mesh": "[n, coordinates]",
}
_CHANNELS = (1, 3, 4)


def as_items(name: str, array: NDArray[Any], kind: Kind, channels: str) -> NDArray[Any]:
    """``array`` in the shape of ``kind`` and a type that is trained on. ``channels``: "first", "last" or "auto". Raises
    :class:`DataError` for a shape or type that ``kind`` has no place for."""
    refuse_texts(name, array)
    shaped = _shaped(name, array, kind, channels)
    return _typed(name, shaped, kind)


def refuse_texts(name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind in "US":
        raise DataError(f"{name} holds texts ({array.dtype}); accepts numbers as items")


def _shaped(name: str, array: NDArray[Any], kind: Kind, channels: str) -> NDArray[Any]:
    axes = array.ndim
    if kind in ("table", "tokens", "mesh") and axes == 2:
        return array[:, None, None]
    if kind == "sequence" and axes == 3:
        return array[:, None]
    if kind == "signal" and axes == 2:
        return array[:, None, None]
    if kind == "signal" and axes == 3:
        return (array.transpose(0, 2, 1) if channels == "last" else array)[:, :, None]
    if kind == "image" and axes == 3:
        return array[:, None]
    if kind == "image" and axes == 4:
        first, last = array.shape[1] in _CHANNELS, array.shape[3] in _CHANNELS
        if channels == "auto" and first == last:
            raise DataError(
                f"{name} has shape {array.shape}, which does not tell where the channels are; say channels: first for "
                "[n, channels, height, width] or channels: last for [n, height, width, channels]"
            )
        return array.transpose(0, 3, 1, 2) if channels == "last" or (channels == "auto" and last) else array
    raise DataError(f"{name} has shape {array.shape}; accepts {_SHAPES[kind]} as {kind}")


def _typed(name: str, array: NDArray[Any], kind: Kind) -> NDArray[Any]:
    if kind == "tokens":
        if array.dtype.kind not in "iu" or (array.size and int(array.min()) < 0):
            raise DataError(f"{name} is {array.dtype} and meant as tokens; accepts whole numbers from 0 on")
        return array.astype(np.int64)
    if array.dtype == np.uint8 or array.dtype == np.float32:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if array.dtype.kind in "iu":
        largest = max(abs(int(array.min())), abs(int(array.max()))) if array.size else 0
        return array.astype(np.float32 if largest <= EXACT else np.float64)
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        raise DataError(
            f"{name}: {int(bad.sum())} of {len(array)} items hold NaN or infinite values, the first is item "
            f"{int(np.argmax(bad))}; leave such items out, or fill them"
        )
    return narrow(array.reshape(len(array), -1)).reshape(array.shape)
