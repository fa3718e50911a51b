"""The reader of data sets that live in files: find, convert, cache, select."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import cache
from trainer.datasets.content import Content, content_digest
from trainer.datasets.files import Files, need_root
from trainer.datasets.options import Chosen, Option, choose
from trainer.datasets.reader import About, Dataset
from trainer.spec import Scalar


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of a content is used: positions (None: all, as they are), and the part held out by the data set itself."""

    positions: NDArray[np.int64] | None = None
    """[m], ascending."""
    heldout: NDArray[np.bool_] | None = None
    """[m]."""
    classes: tuple[int, ...] | None = None
    """Old class numbers, in the order of the new ones, where some are left out."""
    note: str = ""


class FileReader(ABC):
    """A :class:`trainer.datasets.reader.Reader`. A subclass finds and converts; caching and checking are done here."""

    name: str
    about: About
    declared: Mapping[str, Option]
    version: ClassVar[int] = 1
    """To be raised when the conversion changes: old cache entries are then left alone."""

    @abstractmethod
    def find(self, root: Path, chosen: Chosen) -> Files:
        """The source files. Raises :class:`trainer.errors.DataError` where one is missing."""

    @abstractmethod
    def convert(self, files: Files, chosen: Chosen, store: cache.Store) -> Content:
        """The whole content. Raises :class:`trainer.errors.DataError` naming a damaged file."""

    @abstractmethod
    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) of :class:`trainer.datasets.reader.Dataset`."""

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return Selection()

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        chosen, files, key, place = self._key(root, options)
        entry = cache.find(key, place)
        if entry is not None:
            return self._dataset(entry.content, chosen, entry.digest)
        content = self.convert(files, chosen, cache.Memory())
        content.check(self.name)
        return self._dataset(content, chosen, None)

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        chosen, files, key, place = self._key(root, options)
        entry = cache.obtain(key, place, lambda store: self.convert(files, chosen, store))
        return self._dataset(entry.content, chosen, entry.digest)

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Path, ...]:
        """Files and folders whose sizes and times tell whether the data set is still the same."""
        return self._key(root, options)[1].watched

    def cached(self, root: Path | None, options: Mapping[str, Scalar]) -> Path | None:
        """The cache entry's folder, if there is one."""
        _, _, key, place = self._key(root, options)
        entry = cache.find(key, place)
        return entry.path if entry else None

    def _key(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Chosen, Files, cache.Key, Path]:
        chosen = choose(self.name, self.declared, options)
        place = need_root(self.name, root)
        files = self.find(place, chosen)
        converting = {name: chosen.values[name] for name, option in self.declared.items() if option.converts}
        key = cache.Key(reader=self.name, version=self.version, options=converting, sources=files.summary())
        return chosen, files, key, place

    def _dataset(self, content: Content, chosen: Chosen, digest: str | None) -> Dataset:
        selection = self.select(content, chosen)
        if selection.positions is not None:
            content, digest = content.take(selection.positions), None
        labels, classes = content.labels, content.classes
        if selection.classes is not None:
            classes = tuple(content.classes[old] for old in selection.classes)
            labels = np.searchsorted(np.array(selection.classes), labels).astype(np.int64)
        notes = ", ".join(note for note in (content.note, selection.note) if note)
        mean, std = self.scaling(chosen)
        return Dataset(
            name=f"{self.name} ({notes})" if notes else self.name,
            items=content.items,
            labels=labels,
            classes=classes,
            groups=content.groups,
            fixed_heldout=selection.heldout,
            mean=mean,
            std=std,
            digest=digest or content_digest(content.items, labels, classes, content.groups),
        )
