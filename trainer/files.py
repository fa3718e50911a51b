"""Files that are either as they were or whole, whoever looks and whenever the process dies."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PART = ".part"


def write_aside(path: Path, write: Callable[[IO[bytes]], None]) -> Path:
    """What ``write`` writes, in a file beside ``path``, on disk; :func:`put_in_place` makes it ``path``."""
    aside = path.with_name(path.name + PART)
    with aside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    return aside


def put_in_place(aside: Path, path: Path) -> None:
    aside.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file that stays, as it was written."""

    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits."""


class _Digested(io.RawIOBase):
    """Writes on to a file, never back, so that all of it passes by once; knows what it was given."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sha, self._size = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._sha.update(data)
        self._size += memoryview(data).nbytes
        return self._file.write(data)

    @property
    def kept(self) -> Kept:
        return Kept(size=self._size, sha256=self._sha.hexdigest())


def write_kept(path: Path, write: Callable[[Any], None]) -> Kept:
    """Makes ``path`` what ``write`` writes from its beginning to its end, whole or not at all. Its size and digest are
    of what was written, not of what a disk then gives back, and take no second reading."""
    told = Kept(size=0, sha256="")

    def through(file: IO[bytes]) -> None:
        nonlocal told
        sink = _Digested(file)
        write(sink)
        told = sink.kept

    put_in_place(write_aside(path, through), path)
    return told


def damage(path: Path, kept: Kept, *, whole: bool = True) -> str:
    """What is wrong with a kept file, in words; "" where nothing is. ``whole``: reads all of it, not its size alone."""
    try:
        size = path.stat().st_size
        if size != kept.size:
            return f"has {size} bytes, was written with {kept.size}"
        if whole:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != kept.sha256:
                    return "is not what was written (its SHA-256 differs)"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
