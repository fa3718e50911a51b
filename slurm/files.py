"""Files that are there whole or not at all, whoever looks and whenever the process dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; after the block what was written is on disk, and then it has the name."""
    aside = path.with_suffix(".part")
    yield aside
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def write_whole(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
