"""Whether a reader's answer can be trained on, looked at as it will be used. Looks at every item once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.reader import Dataset, Windows

EXACT = 2**24
"""Whole numbers up to this are exact in float32."""
LOST = 1e-3
"""Most of an item's spread that rounding to float32 may take."""
CHUNK = 4096


def validate_dataset(got: object) -> list[str]:
    """What keeps a reader's answer from being a :class:`Dataset` that can be trained on."""
    if not isinstance(got, Dataset):
        return [f"load gives {type(got).__name__}; accepts a trainer.datasets.reader.Dataset"]
    shapes = list(_shapes(got))
    return [*shapes, *_targets(got), *([] if shapes else _items(got))]


def _shapes(got: Dataset) -> Iterator[str]:
    if got.items.ndim != 4:
        yield f"items have shape {got.items.shape}; accepts [n, channels, height, width]"
    elif {len(got.mean), len(got.std)} - {1, got.items.shape[1]}:
        yield f"mean and std have {len(got.mean)} and {len(got.std)} numbers; accepts {got.items.shape[1]}"
    if got.standardise == "fold" and (got.mean, got.std) != ((0.0,), (1.0,)):
        yield "gives mean and std, and standardise: fold, which learns them; accepts one of the two"
    of_each = {f"group {name!r}": array for name, array in got.groups.items()}
    if got.fixed_heldout is not None:
        of_each["fixed_heldout"] = got.fixed_heldout  # type: ignore[assignment]  # its shape is what is looked at
    if got.windows is not None:
        yield from _windows(got, got.windows)
    for name, array in of_each.items():
        if np.shape(array) != got.items.shape[:1]:
            yield f"{name} has shape {np.shape(array)}; accepts one of each of the {len(got.items)} items"


def _windows(got: Dataset, windows: Windows) -> Iterator[str]:
    if got.order is None or got.values is None:
        yield "has windows, and no order or no values; accepts both: the step that a window ends at, what comes after"
        return
    steps = {"order": got.order, "first": windows.first, "ahead": windows.ahead, "series": windows.series}
    wrong = {
        f"windows.{name}": np.shape(array) for name, array in steps.items() if np.shape(array) != (len(got.items),)
    }
    if np.shape(windows.known) != np.shape(got.values):
        wrong["windows.known"] = np.shape(windows.known)
    for name, shape in wrong.items():
        yield f"{name} has shape {shape}; accepts one of each of the {len(got.items)} items (known: as values)"
    if not wrong and not ((windows.first <= got.order) & (got.order < windows.ahead)).all():
        yield "windows do not go from first over order to ahead; accepts first <= order < ahead"
    if not wrong and not np.isfinite(windows.known).all():
        yield "windows.known holds NaN or infinite values; leave such items out"
    if not 0 <= windows.column < np.shape(got.items)[-1]:
        yield f"windows.column is {windows.column}; accepts a feature of the items, 0 to {np.shape(got.items)[-1] - 1}"


def _targets(got: Dataset) -> Iterator[str]:
    if got.labels is None and got.values is None:
        yield "has neither labels nor values; accepts labels (with classes) or values [n, k]"
    if got.labels is not None:
        if got.labels.shape != got.items.shape[:1]:
            yield f"labels have shape {got.labels.shape}; accepts one of each of the {len(got.items)} items"
        elif got.labels.size and not 0 <= got.labels.min() <= got.labels.max() < len(got.classes):
            yield (
                f"labels are {got.labels.min()} to {got.labels.max()}; accepts 0 to {len(got.classes) - 1}, one of the "
                f"{len(got.classes)} classes"
            )
        if got.labels.dtype.kind not in "iu":
            yield f"labels are {got.labels.dtype}; accepts whole numbers"
    if got.values is not None:
        if got.values.ndim != 2 or got.values.shape[:1] != got.items.shape[:1]:
            yield f"values have shape {got.values.shape}; accepts [n, k] for the {len(got.items)} items"
        if got.values.dtype.kind != "f":
            yield f"values are {got.values.dtype}; accepts float32 or float64"
        elif not np.isfinite(got.values).all():
            yield "values hold NaN or infinite ones; leave such items out"


def _items(got: Dataset) -> Iterator[str]:
    kind = got.items.dtype.kind
    if kind not in "uif":
        yield f"items are {got.items.dtype}; accepts whole numbers or floating point"
    elif got.kind == "tokens":
        if kind == "f":
            yield f"items are {got.items.dtype}, and tokens; accepts whole numbers as tokens"
        elif got.items.size and got.items.min() < 0:
            yield f"items are tokens from {got.items.min()} on; accepts 0 and up"
    elif kind in "ui":
        if got.items.size and max(abs(int(got.items.min())), abs(int(got.items.max()))) > EXACT:
            yield (
                f"items are {got.items.dtype} from {got.items.min()} to {got.items.max()}, which float32 does not hold "
                f"exactly; accepts up to {EXACT:,}, floating point with mean and std, or kind: tokens"
            )
    elif not all(np.isfinite(chunk).all() for chunk in _chunks(got.items)):
        yield "items hold NaN or infinite values; leave such items out, or fill them"
    elif got.items.dtype == np.float64 and got.standardise == "constants":
        yield from _rounding(got)


def _rounding(got: Dataset) -> Iterator[str]:
    """float64 items are standardised as they are and rounded to float32 after that: too late where they then still lie
    far from 0 for what tells them apart."""
    axes, wide = (0, 2, 3), got.items.shape[1]
    mean = np.broadcast_to(np.asarray(got.mean), wide).reshape(1, -1, 1, 1)
    std = np.broadcast_to(np.asarray(got.std), wide).reshape(1, -1, 1, 1)
    lowest, highest = np.full(wide, np.inf), np.full(wide, -np.inf)
    for chunk in _chunks(got.items):
        scaled = (chunk - mean) / std
        lowest = np.minimum(lowest, scaled.min(axis=axes))
        highest = np.maximum(highest, scaled.max(axis=axes))
    for channel in range(wide):
        low, high = float(lowest[channel]), float(highest[channel])
        largest = max(abs(low), abs(high))
        step = float(np.spacing(np.float32(min(largest, 3e38))))
        if largest > 3e38 or (high > low and step > LOST * (high - low)):
            yield (
                f"items of channel {channel} lie between {low:.10g} and {high:.10g} once standardised by mean and std, "
                f"where float32 has steps of {step:.2g}; accepts a mean and std that bring them near 0, or "
                "standardise: fold"
            )


def _chunks(items: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    for first in range(0, len(items), CHUNK):
        yield items[first : first + CHUNK]
