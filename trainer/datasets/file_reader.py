"""The reader of data sets that live in files: find, convert, cache, select."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import cache
from trainer.datasets.content import Content, content_digest
from trainer.datasets.files import Files, Seen, need_root
from trainer.datasets.options import Chosen, Option, choose
from trainer.datasets.reader import About, Dataset, Kind, Standardise
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
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Groups beside the content's, name -> [m]."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is read when a reader is asked for a data set."""

    reader: str
    version: int
    root: Path
    chosen: Chosen
    converting: Chosen
    """Without those that choose from what was converted: a conversion that named one of those would go wrong at once,
    instead of serving one choice's content for another's."""
    files: Files
    seen: Seen

    @property
    def family(self) -> str:
        return cache.family(self.reader, self.version, self.converting.values)

    def key(self) -> cache.Key:
        """Reads what is not known."""
        sources = self.seen.digest()
        return cache.Key(reader=self.reader, version=self.version, options=self.converting.values, sources=sources)


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

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        """What an item is, and how it is scaled."""
        return "image", "constants"

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return Selection()

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        asked = self._ask(root, options)
        if cache.any_of(asked.family, asked.root):
            entry = cache.find(asked.key(), asked.root)
            asked.seen.remember()
            if entry is not None:
                return self._dataset(entry.content, asked.chosen, entry.digest)
        content = self.convert(asked.files, asked.converting, cache.Memory())
        asked.seen.check()
        content.check(self.name)
        return self._dataset(content, asked.chosen, None)

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        asked = self._ask(root, options)

        def convert(store: cache.Store) -> Content:
            content = self.convert(asked.files, asked.converting, store)
            asked.seen.check()
            return content

        entry = cache.obtain(asked.key(), asked.root, convert)
        asked.seen.remember()
        return self._dataset(entry.content, asked.chosen, entry.digest)

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Path, ...]:
        """All files that the data set is read from."""
        return self.find(need_root(self.name, root), choose(self.name, self.declared, options)).watched

    def cached(self, root: Path | None, options: Mapping[str, Scalar]) -> Path | None:
        """The cache entry's folder, if there is one."""
        asked = self._ask(root, options)
        entry = cache.find(asked.key(), asked.root)
        return entry.path if entry else None

    def _ask(self, root: Path | None, options: Mapping[str, Scalar]) -> _Asked:
        chosen = choose(self.name, self.declared, options)
        place = need_root(self.name, root)
        files = self.find(place, chosen)
        named = {name: chosen.values[name] for name, option in self.declared.items() if option.converts}
        return _Asked(
            reader=self.name,
            version=self.version,
            root=place,
            chosen=chosen,
            converting=Chosen(values=named),
            files=files,
            seen=Seen(self.name, files, cache.places(place)),
        )

    def _dataset(self, content: Content, chosen: Chosen, digest: str | None) -> Dataset:
        selection = self.select(content, chosen)
        if selection.positions is not None:
            content, digest = content.take(selection.positions), None
        if selection.groups:
            content, digest = replace(content, groups={**content.groups, **selection.groups}), None
        labels, classes = content.labels, content.classes
        if selection.classes is not None:
            classes = tuple(content.classes[old] for old in selection.classes)
            labels = np.searchsorted(np.array(selection.classes), labels).astype(np.int64)
        notes = ", ".join(note for note in (content.note, selection.note) if note)
        mean, std = self.scaling(chosen)
        kind, standardise = self.form(content, chosen)
        return Dataset(
            name=f"{self.name} ({notes})" if notes else self.name,
            items=content.items,
            labels=labels if classes else None,
            classes=classes,
            values=content.values,
            kind=kind,
            standardise=standardise,
            groups=content.groups,
            fixed_heldout=selection.heldout,
            masks=content.masks,
            sizes=content.sizes,
            remarks=content.remarks,
            mean=mean,
            std=std,
            digest=digest
            or content_digest(content.items, labels, classes, content.groups, content.values, content.masks),
        )
