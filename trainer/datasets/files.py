"""Finding a data set's files below a data root, and saying what is wrong with one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.datasets.fingerprint import Known, changed, look, sha256
from trainer.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where a data set was found: ``watched`` are all the files that a conversion reads, each below the folder."""

    folder: Path
    watched: tuple[Path, ...]
    remarks: tuple[str, ...] = ()
    """What people should know of what was found there."""


class Seen:
    """Files as they are at one moment, and what they then hold."""

    def __init__(self, name: str, files: Files, places: Sequence[Path]) -> None:
        """``places``: folders where digests of files are remembered. Raises :class:`DataError`, as all here, for a file
        that is not there or cannot be read; it names the data set ``name``."""
        self._name, self._files, self._at = name, files, time.time()
        with _told_of(name):
            self._found = look(files.watched)
        self._known = Known(files.folder, places)
        self._digests: list[str] = []

    def digest(self) -> str:
        """SHA-256 over the names and bytes of all files; reads those that are not known."""
        with _told_of(self._name):
            self._digests = self._known.digests(self._files.watched, self._found)
        names = [self._known.name(path) for path in self._files.watched]
        return hashlib.sha256(json.dumps([names, self._digests]).encode()).hexdigest()

    def check(self) -> None:
        """Raises :class:`DataError` for a file that has changed since."""
        with _told_of(self._name):
            for path, before, after in zip(self._files.watched, self._found, look(self._files.watched), strict=True):
                if before != after:
                    raise changed(path)
            for path, before, digest in zip(self._files.watched, self._found, self._digests, strict=False):
                if not before.state.settled(self._at) and sha256(path) != digest:
                    raise changed(path)

    def remember(self) -> None:
        """Keeps what the files hold, for the next who asks."""
        self._known.save()


@contextlib.contextmanager
def _told_of(name: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"data set {name}: {error}") from error


def need_root(name: str, root: Path | None) -> Path:
    if root is None:
        raise DataError(
            f"data set {name} needs a data root: set `root:` in the study, or the environment variable ACTSWEEP_DATA, "
            "to the folder that holds the data sets"
        )
    if not root.is_dir():
        raise DataError(f"data set {name}: the data root {root} is not a folder here")
    return root


def find_folder(name: str, root: Path, candidates: Sequence[str], *, needs: str, source: str) -> Path:
    """The first of ``candidates`` (below ``root``) that is a folder."""
    for candidate in candidates:
        if (root / candidate).is_dir():
            return root / candidate
    raise DataError(
        f"data set {name}: none of the folders {', '.join(candidates)} exists below {root}; expected {needs}. "
        f"Get it from {source}"
    )


def need_file(name: str, path: Path, *, expected: str, source: str, checksum: str = "") -> Path:
    """``path``, which must be a file that is not empty."""
    if not path.is_file():
        raise missing(name, path, expected=expected, source=source, checksum=checksum)
    if path.stat().st_size == 0:
        raise damaged(name, path, "the file is empty", expected=expected, source=source, checksum=checksum)
    return path


def missing(name: str, path: Path, *, expected: str, source: str, checksum: str = "") -> DataError:
    return DataError(f"data set {name}: {path} is missing; expected {expected}.{_remedy(source, checksum)}")


def damaged(name: str, path: Path, found: str, *, expected: str, source: str, checksum: str = "") -> DataError:
    return DataError(f"data set {name}: {path} is damaged: {found}; expected {expected}.{_remedy(source, checksum)}")


def md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _remedy(source: str, checksum: str) -> str:
    return f" Get it from {source}{f' ({checksum})' if checksum else ''}"
