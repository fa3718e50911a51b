"""Converted data sets, kept as memory-mapped arrays beside a manifest.

A cache entry is a folder ``<data set>-<key>`` of ``.npy`` files and ``manifest.json``. It is written aside and renamed,
so it is whole or absent. The key is made of the reader's name and version, the options that choose files or change the
conversion, and the names and bytes of the source files: a changed source or reader makes a new entry, whatever its
times say (:mod:`trainer.datasets.fingerprint`). Beside the entries, ``known`` remembers what files hold.

Where: the folder named by the environment variable ``ACTSWEEP_CACHE`` if set; else ``.actsweep-cache`` below the data
root; else, where the root cannot be written, ``~/.cache/actsweep``. An entry in any of them is used.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainer.datasets.claim import claim
from trainer.datasets.content import Content, array_digest, combined_digest
from trainer.datasets.fingerprint import Known, look
from trainer.errors import DataError

SCHEMA = 2
VARIABLE = "ACTSWEEP_CACHE"
MANIFEST = "manifest.json"
_ALTERED = "its checksum is not the manifest's"

ABANDONED_S = 24 * 3600.0
"""Half-written folders older than this are removed."""


class Store(Protocol):
    """Where a conversion puts its large arrays."""

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A new writable array."""
        ...


class Memory:
    """Arrays in memory, for reading without a cache."""

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        return np.zeros(shape, dtype)


@dataclass(frozen=True)
class Folder:
    """Arrays mapped to files of a folder, so that a conversion needs little memory of its own."""

    path: Path

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        file = self.path / f"{name}.npy"
        array = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)
        with file.open("r+b") as stream:
            # A mapped file has holes: without this, a full disk would end the process by a signal while it writes.
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
        return array


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cache entry that exists."""

    path: Path
    content: Content
    digest: str
    """:func:`trainer.datasets.content.content_digest` of the content."""
    arrays: Mapping[str, str]
    """Name of an array -> its digest, as the manifest has them."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a cache entry is the conversion of."""

    reader: str
    version: int
    options: Mapping[str, Any]
    sources: str
    """Digest of the source files' names and bytes."""

    @property
    def folder(self) -> str:
        kind = family(self.reader, self.version, self.options)
        return f"{kind}{hashlib.sha256(f'{kind} {self.sources}'.encode()).hexdigest()[:16]}"


def family(reader: str, version: int, options: Mapping[str, Any]) -> str:
    """How the folders of all entries begin that differ in their sources alone."""
    text = json.dumps([SCHEMA, reader, version, dict(options)], sort_keys=True, separators=(",", ":"))
    return f"{reader}-{hashlib.sha256(text.encode()).hexdigest()[:8]}-"


def places(root: Path | None) -> list[Path]:
    """Cache folders in the order in which they are looked through; the first that can be written is written."""
    named = os.environ.get(VARIABLE)
    found = [Path(named).expanduser()] if named else []
    if root is not None:
        found.append(root / ".actsweep-cache")
    with contextlib.suppress(RuntimeError):  # in a container, a user may have no home
        found.append(Path("~/.cache/actsweep").expanduser())
    return found


def any_of(kind: str, root: Path | None) -> bool:
    """Whether there is an entry of a :func:`family` anywhere: if not, sources need not be read to look for theirs."""
    return any(next(place.glob(f"{glob.escape(kind)}*"), None) is not None for place in places(root))


def find(key: Key, root: Path | None) -> Entry | None:
    """The entry of ``key``, if it is anywhere. Raises :class:`DataError` for one that is damaged. Its arrays are read
    whole where they are not as they were when that was last done."""
    for place in places(root):
        if (place / key.folder).is_dir():
            return _checked(place / key.folder, root)
    return None


def obtain(key: Key, root: Path | None, convert: Callable[[Store], Content]) -> Entry:
    """The entry of ``key``: checked against its checksums if it is there, else converted by this process or by the one
    that came first. Safe for any number of processes on any number of machines: two may at worst both convert, and the
    first to finish is kept."""
    for place in places(root):
        path = place / key.folder
        if path.is_dir():
            try:
                return read(path, verify=True)
            except DataError:
                _set_aside(path)
    place = _writable(root)
    while True:
        path = place / key.folder
        if path.is_dir():
            return read(path)
        with claim(place / f".{key.folder}.claim") as ours:
            if ours and not path.is_dir():
                _build(key, place, convert)


def read(path: Path, *, verify: bool = False) -> Entry:
    """The entry at ``path``. Raises :class:`DataError` naming the file that is missing, cut or (``verify``) altered."""
    manifest = _manifest(path)
    loaded: dict[str, NDArray[Any]] = {}
    for name, expected in manifest["arrays"].items():
        loaded[name] = _array(path / f"{name}.npy", expected, verify=verify)
    digests = {name: str(expected["sha256"]) for name, expected in manifest["arrays"].items()}
    classes = tuple(manifest["classes"])
    content = Content(
        items=loaded["items"],
        labels=loaded["labels"],
        classes=classes,
        values=loaded.get("values"),
        groups=_under("group-", loaded),
        marks=_under("mark-", loaded),
        masks=loaded.get("masks"),
        sizes=loaded.get("sizes"),
        note=manifest["note"],
        remarks=tuple(manifest["remarks"]),
    )
    told = {name: digests[name] for name in ("items", "labels", "values", "masks") if name in digests}
    digest = combined_digest(told, classes, _under("group-", digests))
    return Entry(path=path, content=content, digest=digest, arrays=digests)


def _checked(path: Path, root: Path | None) -> Entry:
    entry = read(path)
    known = Known(path, places(root), lambda file: array_digest(np.load(file, mmap_mode="r", allow_pickle=False)))
    files = {name: path / f"{name}.npy" for name in entry.arrays}
    found = known.digests(list(files.values()), look(list(files.values())))
    for (name, file), digest in zip(files.items(), found, strict=True):
        if digest != entry.arrays[name]:
            raise _broken(file, _ALTERED)
    known.save()
    return entry


def _build(key: Key, place: Path, convert: Callable[[Store], Content]) -> None:
    _sweep(place, key.folder)
    aside = Path(tempfile.mkdtemp(prefix=f".{key.folder}.{socket.gethostname()}-{os.getpid()}-", dir=place))
    try:
        content = convert(Folder(aside))
        content.check(key.reader)
        _write(key, aside, content)
        aside.chmod(0o755)
        try:
            aside.rename(place / key.folder)
        except OSError:
            if not (place / key.folder).is_dir():  # else another process was first: its entry is as good as ours
                raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        told = f"data cache: no room in {place} for {key.reader}; set the variable {VARIABLE} to another folder"
        raise DataError(told) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(key: Key, folder: Path, content: Content) -> None:
    arrays: dict[str, NDArray[Any]] = {"items": content.items, "labels": content.labels}
    further = {"values": content.values, "masks": content.masks, "sizes": content.sizes}
    arrays |= {name: array for name, array in further.items() if array is not None}
    arrays |= {f"group-{name}": group for name, group in content.groups.items()}
    arrays |= {f"mark-{name}": mark for name, mark in content.marks.items()}
    described = {}
    for name, array in arrays.items():
        if isinstance(array, np.memmap) and array.filename is not None:
            array.flush()
        else:
            np.save(folder / f"{name}.npy", array)
        described[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": array_digest(array)}
    manifest = {
        "schema": SCHEMA,
        "reader": key.reader,
        "version": key.version,
        "options": dict(key.options),
        "sources": key.sources,
        "classes": list(content.classes),
        "note": content.note,
        "remarks": list(content.remarks),
        "arrays": described,
    }
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        shaped = manifest["schema"] == SCHEMA and {"items", "labels"} <= manifest["arrays"].keys()
        shaped = shaped and isinstance(manifest["classes"], list) and isinstance(manifest["note"], str)
        shaped = shaped and isinstance(manifest["remarks"], list)
        shaped = shaped and all({"dtype", "shape", "sha256"} <= array.keys() for array in manifest["arrays"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(file, f"{type(error).__name__}: {error}") from error
    if not shaped:
        raise _broken(file, f"it is no manifest of schema {SCHEMA}")
    assert isinstance(manifest, dict)
    return manifest


def _array(path: Path, expected: Mapping[str, Any], *, verify: bool) -> NDArray[Any]:
    try:
        # Copy on write: the file stays as it is, and torch accepts the array as writable.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _broken(path, str(error)) from error
    if [array.dtype.str, list(array.shape)] != [expected["dtype"], expected["shape"]]:
        raise _broken(path, f"it holds {array.dtype} {array.shape}, the manifest says {expected}")
    if verify and array_digest(array) != expected["sha256"]:
        raise _broken(path, _ALTERED)
    assert isinstance(array, np.ndarray)
    return array


def _broken(path: Path, why: str) -> DataError:
    return DataError(
        f"data cache: {path} is damaged ({why}); expected what `actsweep data prepare` wrote. "
        f"Run `actsweep data prepare` again, or remove the folder {path.parent}"
    )


def _under(prefix: str, named: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def writable_or_none(root: Path | None) -> Path | None:
    """A cache folder that can be written; None where there is none."""
    try:
        return _writable(root)
    except DataError:
        return None


def _writable(root: Path | None) -> Path:
    tried = []
    for place in places(root):
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                return place
        except OSError as error:
            tried.append(f"{place} ({error.strerror})")
    raise DataError(
        f"data cache: cannot write to {', '.join(tried)}; set the environment variable {VARIABLE} to a folder that can"
    )


def _set_aside(path: Path) -> None:
    """Takes a damaged entry away; who has it mapped keeps it."""
    grave = path.with_name(f".{path.name}.damaged-{os.getpid()}-{time.monotonic_ns()}")
    with contextlib.suppress(OSError):
        path.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def _sweep(place: Path, folder: str) -> None:
    now = time.time()
    for left in place.glob(f".{folder}.*"):
        with contextlib.suppress(OSError):
            if left.suffix != ".claim" and now - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
