"""Arrays of an .npz file, with one kind of error for all that can be wrong with it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.files import damaged


def packed_arrays(
    name: str, path: Path, wanted: Sequence[str], *, expected: str, source: str
) -> dict[str, NDArray[Any]]:
    """The ``wanted`` arrays of ``path``, for the data set ``name``. Raises :class:`trainer.errors.DataError`."""
    try:
        # Opened here, since numpy leaves a file open that it cannot unpack.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {key: stored[key] for key in wanted}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise damaged(name, path, f"{type(error).__name__}: {error}", expected=expected, source=source) from error
