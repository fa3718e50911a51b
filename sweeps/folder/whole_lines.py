"""Files of records that are only appended to, a line each. A process that dies while it writes leaves a torn last line:
it is dropped, and cut off before the next record is appended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def read(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Number, text and end, in bytes from the file's beginning, of each whole line; nothing where there is no file."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield number, line, end


def cut(path: Path, whole: int) -> None:
    """Cuts off what stands behind the last whole line, which ends at that byte."""
    if path.exists() and path.stat().st_size != whole:
        os.truncate(path, whole)
