"""Finding a data set's files below a data root, and saying what is wrong with one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where a data set was found. ``watched`` decides whether a cache still fits: the size and time of each file, the
    time alone of a folder (it changes when a file is added, renamed or removed)."""

    folder: Path
    watched: tuple[Path, ...]

    def fingerprint(self) -> list[list[str | int]]:
        """[[path below the folder, size in bytes, time of change in whole seconds]]; whole seconds, for file systems
        keep different fractions of them."""
        found: list[list[str | int]] = []
        for path in self.watched:
            state = path.stat()
            size = 0 if path.is_dir() else state.st_size
            found.append([path.relative_to(self.folder).as_posix(), size, int(state.st_mtime)])
        return found

    def summary(self) -> str:
        """SHA-256 of the fingerprint, short enough for a manifest."""
        return hashlib.sha256(json.dumps(self.fingerprint()).encode()).hexdigest()


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
