"""All files below a folder, links followed, and what people's tools leave there left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trainer.errors import DataError

LEFT_BY_TOOLS = frozenset({"__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})
"""Folders beside one's own that unpackers, network disks and operating systems make; they hold copies and previews."""


def own(name: str) -> bool:
    """Whether a file or folder of this name is somebody's data: hidden ones (``.ipynb_checkpoints``, ``._a.jpg``) are
    not."""
    return not name.startswith(".") and name not in LEFT_BY_TOOLS


def files_below(folder: Path, *, everything: bool = False) -> Iterator[Path]:
    """Files at any depth, and links that lead nowhere; by name within a folder. ``everything``: hidden ones too.

    Raises :class:`DataError` for a folder that cannot be listed, or that leads back to one above it."""
    yield from _below(folder, everything, ())


def files_of(path: Path) -> list[Path]:
    """A file itself; all that lies below a folder."""
    return list(files_below(path, everything=True)) if path.is_dir() else [path]


def _below(folder: Path, everything: bool, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    try:
        facts = folder.stat()
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); make it readable, or take it away") from error
    if (facts.st_dev, facts.st_ino) in above:
        raise DataError(f"{folder} leads back to a folder above it; remove the link {_last_link(folder)}")
    inside = (*above, (facts.st_dev, facts.st_ino))
    for entry in found:
        if everything or own(entry.name):
            if _is_folder(entry):
                yield from _below(folder / entry.name, everything, inside)
            else:
                yield folder / entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _last_link(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_symlink()), folder)
