"""All files below a folder, links followed, and what people's tools leave there left alone."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from trainer.errors import DataError

LEFT_BY_TOOLS = frozenset({"__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})
"""Folders beside one's own that unpackers, network disks and operating systems make; they hold copies and previews."""


def own(name: str) -> bool:
    """Whether a file or folder of this name is somebody's data: hidden ones (``.ipynb_checkpoints``, ``._a.jpg``) are
    not."""
    return not name.startswith(".") and name not in LEFT_BY_TOOLS


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What lies below a folder, at any depth; by name within a folder."""

    files: list[Path] = field(default_factory=list)
    dangling: list[Path] = field(default_factory=list)
    """Links that lead nowhere."""


def below(folder: Path, *, everything: bool = False) -> Listing:
    """Linked folders are followed. ``everything``: also what is not somebody's :func:`own`.

    Raises :class:`DataError` for a folder that cannot be listed, or that leads back to one above it."""
    found = Listing()
    _below(folder, everything, (), found)
    return found


def files_of(path: Path) -> list[Path]:
    """A file itself; all that lies below a folder, links that lead nowhere too."""
    if not path.is_dir():
        return [path]
    found = below(path, everything=True)
    return [*found.files, *found.dangling]


def _below(folder: Path, everything: bool, above: tuple[tuple[int, int], ...], found: Listing) -> None:
    try:
        facts = folder.stat()
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); make it readable, or take it away") from error
    if (facts.st_dev, facts.st_ino) in above:
        raise DataError(f"{folder} leads back to a folder above it; remove the link {_last_link(folder)}")
    inside = (*above, (facts.st_dev, facts.st_ino))
    for entry in entries:
        path = folder / entry.name
        if not everything and not own(entry.name):
            continue
        if _is_folder(entry):
            _below(path, everything, inside, found)
        elif entry.is_symlink() and not path.exists():
            found.dangling.append(path)
        else:
            found.files.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _last_link(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_symlink()), folder)
