"""Files that are either as they were or whole, whoever looks and whenever the process dies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

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
