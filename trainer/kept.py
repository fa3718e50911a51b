"""The data set that a process keeps for its next pack, where it trains one pack after the other.

One data set on one device: another one takes its place, and its memory. A pack gets from here what it would have read
itself: the files are looked at again before each use, and readers whose files nothing tells of are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from trainer.datasets.fingerprint import identities
from trainer.datasets.reader import Reader
from trainer.datasets.walk import files_of
from trainer.spec import DataSpec

Item = TypeVar("Item")


@dataclass(frozen=True)
class Key:
    trained_data: str
    """See :attr:`trainer.spec.FoldSpec.trained_data`."""
    device: str
    root: str | None
    scratch: str | None
    code: str


class Kept(Generic[Item]):
    """Keeps nothing before :meth:`begin`."""

    def __init__(self) -> None:
        self._on = False
        self._key: Key | None = None
        self._identities: list[str] | None = None
        self._item: Item | None = None

    def begin(self) -> None:
        """From now on the process is one that stays."""
        self._on = True

    def get(self, key: Key, reader: Reader, spec: DataSpec, make: Callable[[], Item]) -> Item:
        """What ``make`` gives, or gave the last time where nothing has changed since."""
        if not self._on:
            return make()
        now = _identities(reader, spec, key.root)
        if self._item is not None and key == self._key and now is not None and now == self._identities:
            return self._item
        self._key = self._identities = self._item = None  # its memory is free before the next one needs some
        item = make()
        if now is not None:
            self._key, self._identities, self._item = key, now, item
        return item


def _identities(reader: Reader, spec: DataSpec, root: str | None) -> list[str] | None:
    """Of the files that the data set hangs on; None where nobody knows them."""
    watched = getattr(reader, "files", None)
    if watched is None:
        return [] if ":" not in spec.name and not reader.about.needs else None  # a package's own data
    if root is None:
        return None
    return identities([file for path in sorted(watched(Path(root), spec.options)) for file in files_of(path)])
