"""What a data set is to the trainer, and what a reader must offer.

A catalogue entry (or ``mylab.data:reader``) is an object that satisfies :class:`Reader`. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

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


Kind = Literal["image", "signal", "sequence", "table", "tokens", "mesh"]
"""What an item is: an image [channels, height, width]; a signal [channels, 1, samples]; a sequence [1, steps,
features]; a row of a table [1, 1, features]; a text [1, 1, length] of whole numbers that stand for words and are never
scaled; a point of a mesh [1, 1, coordinates]."""
Standardise = Literal["constants", "fold"]


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A structured mesh whose nodes are items: an item's coordinate on an axis rises with its index there, and depends
    on no other. The spacing counts as one, whatever the coordinates say."""

    shape: tuple[int, ...]
    """Nodes along each coordinate."""
    nodes: NDArray[np.int64]
    """Item number of each node, in C order of ``shape``."""
    centres: NDArray[np.float64] | None = None
    """[cells, k], in C order of (shape - 1): the values in the middle of each cell, where the function that the values
    are of is known."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """What items that are windows of time series, [1, steps, series], know of time. Steps are counted as in the data
    set's ``order``, which has the last one that a window shows."""

    first: NDArray[np.int64]
    """[n], the first step of each window."""
    ahead: NDArray[np.int64]
    """[n], the step that the value is of, after the window."""
    known: NDArray[Any]
    """[n, 1], the value at the last step that the window shows, unrounded and in the value's own units."""
    series: NDArray[np.int64]
    """[n], the history that each window is of: windows of one may share steps."""
    column: int
    """Which feature of an item is the value's own past."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A whole data set, in memory or memory-mapped; splitting is :mod:`trainer.splits`' work."""

    name: str
    items: NDArray[Any]
    """[n, channels, height, width], see :data:`Kind`: uint8 (which stays so), floating point, or whole numbers that
    float32 holds exactly; tokens are whole numbers."""
    labels: NDArray[np.int64] | None = None
    """[n], 0..len(classes)-1, where items have classes."""
    classes: tuple[str, ...] = ()
    values: NDArray[Any] | None = None
    """[n, k] floating point, where the target is a quantity."""
    kind: Kind = "image"
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Group name (as "patient") -> [n] group numbers."""
    fixed_heldout: NDArray[np.bool_] | None = None
    """[n], True for the held-out part that the data set itself declares, if it does."""
    published: NDArray[np.bool_] | None = None
    """[k, n], True for the held-out part of each of k published splits, if there are any."""
    order: NDArray[np.int64] | None = None
    """[n], where items have one: their time, or their place in a recording."""
    windows: Windows | None = None
    """Where items are windows of time series, and values what comes after."""
    mesh: Mesh | None = None
    vocabulary: int | None = None
    """Numbers that tokens go up to, exclusive; None where items are no tokens."""
    masks: NDArray[np.bool_] | None = None
    """[n, height, width], True where a picture shows a defect."""
    sizes: NDArray[np.int64] | None = None
    """[n, 2], height and width of each picture as its file has it."""
    standardise: Standardise = "constants"
    """"constants": by ``mean`` and ``std``, which are constants of the data set. "fold": each fold learns them from its
    own training part, of each feature (of each channel of an image or signal), and no fold from another's items."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """Per channel, for items scaled to [0, 1] when uint8 and as they are otherwise. (0,) and (1,) leave items alone."""
    remarks: tuple[str, ...] = ()
    """What people should know of it, a sentence each; ``actsweep data prepare`` prints them."""
    digest: str
    """SHA-256 over items, targets, classes and groups: 64 hexadecimal digits."""

    @property
    def targets(self) -> NDArray[Any]:
        """The labels, or the values where there are no labels. Raises ValueError where there is neither."""
        found = self.labels if self.labels is not None else self.values
        if found is None:
            raise ValueError(f"data set {self.name!r}: has neither labels nor values")
        return found


class Reader(Protocol):
    """Its data sets can be staged to node-local scratch where it also has ``files(root, options)``: all files that it
    reads, where a folder stands for every file below it; raises as :meth:`load`. They tell whether the data set is
    still the same (:mod:`trainer.datasets.fingerprint`)."""

    about: About

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        """Reads (from the cache, where :meth:`prepare` made one). Never downloads. Raises
        :class:`trainer.errors.DataError` naming the file, what was expected and where to get it."""
        ...

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        """Checks the files, converts them once into a cache below ``root`` and loads it. Safe when many processes
        start at once: written aside and renamed."""
        ...
