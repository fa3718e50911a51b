"""What a data set is to the trainer, and what a reader must offer.

A catalogue entry (or ``mylab.data:reader``) is an object that satisfies :class:`Reader`. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.spec import Scalar


@dataclass(frozen=True, kw_only=True)
class About:
    """Where a data set comes from and on what terms; shown by ``actsweep data show``."""

    title: str
    licence: str
    citation: str
    source: str
    """Where to get it, in words and an address."""
    needs: str
    """Which files are expected where below the data root; "" for a set that comes with a package."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Reader option -> what it means, its default and what it accepts."""
    groups: tuple[str, ...] = ()
    fixed: bool = False
    """Whether it declares a held-out part of its own (``folds: {scheme: fixed}``)."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A whole data set, in memory or memory-mapped; splitting is :mod:`trainer.splits`' work."""

    name: str
    items: NDArray[Any]
    """[n, channels, height, width], uint8 (images stay uint8) or float32; a table is [n, 1, 1, features]."""
    labels: NDArray[np.int64]
    """[n], 0..len(classes)-1."""
    classes: tuple[str, ...]
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Group name (as "patient") -> [n] group numbers."""
    fixed_heldout: NDArray[np.bool_] | None = None
    """[n], True for the held-out part that the data set itself declares, if it does."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel, for items scaled to [0, 1] when uint8 and as they are when float32; constants of the data set, so
    that no fold learns from another's items. (0,) and (1,) leave items alone."""
    digest: str
    """SHA-256 over items, labels, classes and groups: 64 hexadecimal digits."""


def faults(got: object) -> list[str]:
    """What keeps a reader's answer from being a :class:`Dataset` that can be trained on; for readers of one's own.
    Looks at every item once."""
    if not isinstance(got, Dataset):
        return [f"load gives {type(got).__name__}; accepts a trainer.datasets.reader.Dataset"]
    found = []
    if got.items.ndim != 4:
        found.append(f"items have shape {got.items.shape}; accepts [n, channels, height, width]")
    elif {len(got.mean), len(got.std)} - {1, got.items.shape[1]}:
        found.append(f"mean and std have {len(got.mean)} and {len(got.std)} numbers; accepts {got.items.shape[1]}")
    if got.labels.shape != got.items.shape[:1]:
        found.append(f"labels have shape {got.labels.shape}; accepts one of each of the {len(got.items)} items")
    elif got.labels.size and not 0 <= got.labels.min() <= got.labels.max() < len(got.classes):
        found.append(
            f"labels are {got.labels.min()} to {got.labels.max()}; accepts 0 to {len(got.classes) - 1}, one of the "
            f"{len(got.classes)} classes"
        )
    if got.labels.dtype.kind not in "iu":
        found.append(f"labels are {got.labels.dtype}; accepts whole numbers")
    if got.items.dtype.kind not in "uif":
        found.append(f"items are {got.items.dtype}; accepts uint8 or float32")
    elif got.items.dtype.kind == "f" and not np.isfinite(got.items).all():
        found.append("items hold NaN or infinite values; leave such items out, or fill them")
    of_each: dict[str, NDArray[Any]] = {f"group {name!r}": array for name, array in got.groups.items()}
    if got.fixed_heldout is not None:
        of_each["fixed_heldout"] = got.fixed_heldout
    for name, array in of_each.items():
        if np.shape(array) != got.items.shape[:1]:
            found.append(f"{name} has shape {np.shape(array)}; accepts one of each of the {len(got.items)} items")
    return found


class Reader(Protocol):
    about: About

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        """Reads (from the cache, where :meth:`prepare` made one). Never downloads. Raises
        :class:`trainer.errors.DataError` naming the file, what was expected and where to get it."""
        ...

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        """Checks the files, converts them once into a cache below ``root`` and loads it. Safe when many processes
        start at once: written aside and renamed."""
        ...


class WatchedReader(Reader, Protocol):
    """A reader whose data sets can be staged to node-local scratch."""

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> Sequence[Path]:
        """Files and folders whose sizes and times tell whether the data set is still the same. Raises as ``load``."""
        ...
