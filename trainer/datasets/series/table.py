"""Times and columns of a table of series. Raises :class:`DataError` that names the file, the column and the line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import own_columns
from trainer.datasets.options import nearest
from trainer.datasets.table_file import Columns, opened
from trainer.errors import DataError

ACCEPTED = "dates as 2016-07-01, 2016-07-01 13:00 or 2016-07-01T13:00:00+01:00, or numbers"


def read(path: Path, numbers: Sequence[str], texts: Sequence[str]) -> Columns:
    """Columns by their names, all of which have to be there."""
    table = opened(path, header=True)
    for name in (*numbers, *texts):
        if name not in table.names:
            raise DataError(f"{path} has no column {name!r}; {nearest(name, table.names)}")
    found = table.read(numbers, texts)
    own_columns.refuse_texts(path, found)
    return found


def times(path: Path, column: str, texts: NDArray[np.str_]) -> NDArray[np.float64]:
    """[rows], of cells that are all numbers, or all dates: then seconds since 1970, in UTC where no zone is given."""
    try:
        found = texts.astype(np.float64)
    except ValueError:
        return np.array([_seconds(path, column, row, text) for row, text in enumerate(texts.tolist())])
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found)))
        raise DataError(f"{path}: column {column!r} has {str(texts[row])!r} in row {row + 1}; accepts {ACCEPTED}")
    return found


def seconds_or_number(text: str) -> float | None:
    """What a time in an option means; None where it means none."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _of(datetime.fromisoformat(text))
    except ValueError:
        return None


def _seconds(path: Path, column: str, row: int, text: str) -> float:
    try:
        return _of(datetime.fromisoformat(text))
    except ValueError:
        got = repr(text) if text else "no value"
        raise DataError(
            f"{path}: column {column!r} has {got} in row {row + 1} below the names; as times it accepts {ACCEPTED}"
        ) from None


def _of(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
