"""Anybody's own arrays, by their names in an .npz file, or as .npy files beside one another."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import copies, own_columns
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, need_root
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe, nearest
from trainer.datasets.own_items import KINDS, as_items, refuse_texts
from trainer.datasets.reader import About, Kind, Standardise
from trainer.errors import DataError

_ROLES = {
    "items": "array of the items, one along its first axis; of several, joined there",
    "labels": "array of their classes [n], whole numbers or texts",
    "values": "instead of labels: array of quantities to predict, [n] or [n, k]",
    "test_items": "array of the items of the fixed held-out part, if that is apart",
    "test_labels": "array of their classes",
    "test_values": "array of their quantities",
    "group": "array [n] of what belongs together, as patient; for folds: {group: patient}",
    "heldout": "array [n] of true and false, or 1 and 0: the fixed held-out part",
}
_OPTIONS = {
    "path": Option(
        default="",
        meaning="an .npz file, below the data root or absolute; or an .npy file, the items, and then the others are "
        "names of .npy files beside it",
        converts=True,
    ),
    **{key: Option(default="", meaning=meaning, names=True, converts=True) for key, meaning in _ROLES.items()},
    "kind": Option(
        default="auto",
        meaning="what an item is; auto: [n, height, width] of bytes and [n, channels, height, width] are images, "
        "[n, features] is a table",
        accepts=("auto", *KINDS),
        converts=True,
    ),
    "channels": Option(
        default="auto",
        meaning="whether the channels of an image or signal are its first or last axis; auto: the axis of 1, 3 or 4",
        accepts=("auto", "first", "last"),
        converts=True,
    ),
    "standardise": Option(
        default="auto",
        meaning="fold: each fold learns the scale on its own training part; none: bytes are divided by 255 and all "
        "else is as it is; auto: none for bytes and tokens, else fold",
        accepts=("auto", "fold", "none"),
    ),
    "part": replace(PART, default="all"),
    "duplicates": copies.OPTION,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class OwnArrays(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]
    version: ClassVar[int] = 2

    def find(self, root: Path, chosen: Chosen) -> Files:
        if not chosen.text("path"):
            raise self._wrong("needs the option path, as data: {name: arrays, path: x.npz, items: x, labels: y}")
        path = need_root(self.name, root) / chosen.text("path")
        beside = [path.parent / name for key in _ROLES for name in chosen.names(key)] if path.suffix == ".npy" else []
        for file in (path, *beside):
            if not file.is_file():
                there = sorted(found.name for found in file.parent.iterdir()) if file.parent.is_dir() else []
                raise self._wrong(f"{file} is not there; {nearest(file.name, there) if there else 'nor is its folder'}")
        return Files(folder=path.parent, watched=tuple(dict.fromkeys((path, *beside))))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        try:
            with _opened(files.watched[0]) as named:
                return self._content(_Named(files.watched[0], named, chosen), chosen, store)
        except DataError as error:
            raise self._wrong(str(error)) from error

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0,), (1.0,)

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        wish = chosen.text("kind")
        kind = next(
            (kind for kind in KINDS if kind == wish), "table" if content.items.shape[1:3] == (1, 1) else "image"
        )
        plain = content.items.dtype == np.uint8 or kind == "tokens"
        scale = chosen.text("standardise")
        if scale == "fold" and kind == "tokens":
            raise self._wrong("standardise is fold, but tokens stand for words and are never scaled; accepts none")
        return kind, "fold" if scale == "fold" or (scale == "auto" and not plain) else "constants"

    def select(self, content: Content, chosen: Chosen) -> Selection:
        own_columns.check_selection(self.name, content, chosen)
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))

    def _content(self, named: _Named, chosen: Chosen, store: Store) -> Content:
        if named.has("labels") == named.has("values"):
            which = "names both" if named.has("labels") else "has neither"
            raise DataError(f"the study {which} labels and values; accepts one of the two. {named.listing()}")
        kind, (raw, held) = named.kind, named.joined("items")
        made = as_items(named.told("items"), raw, kind, chosen.text("channels"))
        items = store.array("items", made.shape, made.dtype)
        items[:] = made
        count = len(items)
        target, test = named.joined("labels" if named.has("labels") else "values")
        if (len(target), int(test.sum())) != (count, int(held.sum())):
            raise DataError(f"{named.path}: {count} items and {len(target)} targets; accepts one target an item")
        if named.has("heldout"):
            words = named.words("heldout", count)
            held = own_columns.yes_or_no(named.path, named.told("heldout"), words)
        marks = {copies.MARK: copies.first_of_each(items)}
        if held.any():
            marks[OFFICIAL_TEST] = held
        labels: NDArray[np.int64] = np.zeros(count, np.int64)
        classes: tuple[str, ...] = ()
        if named.has("labels"):
            words = named.words("labels", count)
            labels, classes = own_columns.classes_of(named.path, named.told("labels"), words)
            own_columns.refuse_untaught(named.path, classes, labels, held)
        groups = {}
        for name in chosen.names("group"):
            _, numbers = np.unique(named.flat(name, named.one(name), count), return_inverse=True)
            groups[name.removesuffix(".npy")] = numbers.astype(np.int64)
        return Content(
            items=items,
            labels=labels,
            classes=classes,
            values=None if classes else own_columns.quantities(named.path, named.told("values"), target),
            groups=groups,
            marks=marks,
            vocabulary=int(items.max()) + 1 if kind == "tokens" else None,
            remarks=(
                f"read as {kind}: {_sizes(raw)} as {_sizes(items)} an item",
                *copies.remarks(marks[copies.MARK], lambda place: f"item {place}"),
            ),
        )

    def _wrong(self, problem: str) -> DataError:
        return DataError(f"data set {self.name}: {problem}")


class _Named:
    """The arrays of a file, by what the study calls them."""

    def __init__(self, path: Path, arrays: Mapping[str, NDArray[Any]], chosen: Chosen) -> None:
        self.path, self._arrays, self._chosen = path, arrays, chosen
        self._single = path.suffix == ".npy"

    def has(self, key: str) -> bool:
        return bool(self._chosen.names(key))

    def told(self, key: str) -> str:
        return ", ".join(self._names(key))

    @property
    def kind(self) -> Kind:
        wish = self._chosen.text("kind")
        if wish != "auto":
            return KINDS[KINDS.index(wish)]
        first = self.one(self._names("items")[0])
        refuse_texts(self.told("items"), first)
        if first.ndim == 4 or (first.ndim == 3 and first.dtype == np.uint8):
            return "image"
        if first.ndim == 2:
            return "table"
        raise DataError(
            f"{self.path}: {self.told('items')} has shape {first.shape} and type {first.dtype}, which may be many "
            f"things; say which by kind: {', '.join(KINDS)}"
        )

    def joined(self, key: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """(the arrays of ``key`` and of its held-out part, 1 for the latter)."""
        parts = [self.one(name) for name in self._names(key)]
        count = sum(map(len, parts))
        parts += [self.one(name) for name in self._names(f"test_{key}")]
        if len({(part.shape[1:], part.dtype.kind) for part in parts}) > 1:
            shapes = ", ".join(f"{part.dtype} {part.shape}" for part in parts)
            raise DataError(
                f"{self.path}: {self.told(key)} cannot be joined: {shapes}; accepts items of one shape and type"
            )
        whole = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return whole, (np.arange(len(whole)) >= count).astype(np.int64)

    def words(self, key: str, count: int) -> NDArray[np.str_]:
        """[n] as texts."""
        whole = self.joined(key)[0] if key == "labels" else self.one(self._names(key)[0])
        return self.flat(self.told(key), whole, count).astype(np.str_)

    def flat(self, name: str, array: NDArray[Any], count: int) -> NDArray[Any]:
        """[n] of an array that may be [n, 1]."""
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.shape != (count,):
            hot = array.ndim == 2 and len(array) == count
            way = f"; np.argmax({name}, axis=1) makes classes of it, if each row marks one" if hot else ""
            raise DataError(f"{self.path}: {name} has shape {array.shape}; accepts ({count},), one of each item{way}")
        return array

    def one(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            raise DataError(f"{self.path} has no array {name!r}; {nearest(name, list(self._arrays))}. {self.listing()}")
        array = self._arrays[name]
        if array.dtype.kind not in "biufUS" or array.ndim == 0:
            raise DataError(f"{self.path}: {name} is {array.dtype} {array.shape}; accepts arrays of numbers or texts")
        return array

    def listing(self) -> str:
        shown = (f"{name} {self._arrays[name].dtype} {self._arrays[name].shape}" for name in self._arrays)
        return f"{self.path} holds {', '.join(shown)}"

    def _names(self, key: str) -> tuple[str, ...]:
        names = self._chosen.names(key)
        if key == "items" and self._single:
            return (self.path.name, *names)
        if key == "items" and not names:
            raise DataError(f"option items names no array. {self.listing()}")
        return names


class _Arrays(Mapping[str, NDArray[Any]]):
    """Arrays of an archive or of a folder, each read when it is first asked for."""

    def __init__(self, names: Sequence[str], read: Callable[[str], NDArray[Any]]) -> None:
        self._names, self._read, self._known = names, read, dict[str, NDArray[Any]]()

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Arrays]:
    """The arrays of an .npz file, or of the .npy files of a folder."""
    folder = path.parent
    try:
        if path.suffix == ".npy":
            names = sorted(file.name for file in folder.glob("*.npy"))
            yield _Arrays(names, lambda name: np.load(folder / name, mmap_mode="r", allow_pickle=False))
        else:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                yield _Arrays(archive.files, lambda name: archive[name])
    except DataError:
        raise
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        objects = "allow_pickle" in str(error)
        why = "it holds Python objects, which could run anything" if objects else str(error)
        way = "save plain arrays of numbers or texts" if objects else "save it anew by np.savez"
        raise DataError(f"{path} cannot be read as NumPy arrays: {why}; {way}") from error


def _sizes(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape[1:]))


arrays = OwnArrays(
    name="arrays",
    about=About(
        title="Your own NumPy arrays: an .npz file by the names of its arrays, or .npy files",
        licence="that of your arrays",
        citation="that of your arrays",
        source="where your arrays come from",
        needs="a file below the data root, with the option path; the options say which array is what",
        options=describe(_OPTIONS),
        groups=("the arrays that the option group names", copies.GROUP),
        fixed=True,
    ),
    declared=_OPTIONS,
)
