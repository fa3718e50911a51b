"""Preparing and describing data sets: values for a command line to print."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.catalogue import DATASETS, resolve
from trainer.datasets.download import download as fetch
from trainer.datasets.file_reader import FileReader
from trainer.datasets.files import need_root
from trainer.datasets.reader import About, Dataset, Reader
from trainer.spec import Scalar


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A data set in numbers."""

    name: str
    """With a note where it is a part of the whole."""
    items: int
    shape: tuple[int, int, int]
    """(channels, height, width)."""
    dtype: str
    size_mb: float
    per_class: Mapping[str, int]
    """Empty where items have no classes."""
    targets: int
    """Quantities to be predicted of each item; 0 where items have classes."""
    groups: Mapping[str, int]
    """Group name -> how many groups."""
    heldout: int | None
    """Items of the held-out part that the data set itself declares, if it does."""
    digest: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What ``actsweep data prepare`` did."""

    summary: Summary
    cache: Path | None
    """The cache entry's folder; None for a set that comes with a package."""
    wall_s: float


def names() -> list[str]:
    return sorted(DATASETS)


def about(name: str) -> About:
    """Of a catalogue name or import path. Raises :class:`trainer.errors.UnknownName`."""
    return _reader(name).about


def summarise(dataset: Dataset) -> Summary:
    counts = [] if dataset.labels is None else np.bincount(dataset.labels, minlength=len(dataset.classes)).tolist()
    channels, height, width = dataset.items.shape[1:]
    return Summary(
        name=dataset.name,
        items=len(dataset.items),
        shape=(channels, height, width),
        dtype=str(dataset.items.dtype),
        size_mb=dataset.items.nbytes / 1e6,
        per_class=dict(zip(dataset.classes, counts, strict=True)) if counts else {},
        targets=0 if dataset.values is None else dataset.values.shape[1],
        groups={name: len(np.unique(group)) for name, group in dataset.groups.items()},
        heldout=None if dataset.fixed_heldout is None else int(dataset.fixed_heldout.sum()),
        digest=dataset.digest,
        remarks=dataset.remarks,
    )


def prepare(
    name: str, root: Path | None, options: Mapping[str, Scalar] | None = None, *, download: bool = False
) -> Preparation:
    """Checks the files and converts them into the cache, fetching them first only if ``download`` says so. Raises
    :class:`trainer.errors.DataError` for missing or damaged files, naming them."""
    reader = _reader(name)
    began = time.monotonic()
    if download:
        fetch(name, need_root(name, root))
    dataset = reader.prepare(root, options or {})
    cache = reader.cached(root, options or {}) if isinstance(reader, FileReader) else None
    return Preparation(summary=summarise(dataset), cache=cache, wall_s=time.monotonic() - began)


def _reader(name: str) -> Reader:
    reader: Reader = resolve("data set", name, DATASETS)
    return reader
