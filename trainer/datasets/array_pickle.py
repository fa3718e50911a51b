"""Pickles of arrays, read without the power that pickles have.

A plain ``pickle.load`` runs whatever a file says. Here only dictionaries, lists, numbers, texts, bytes and numpy arrays
of numbers can come out; a file that names anything else is refused before it runs.
"""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

_RECONSTRUCT = cast(Callable[..., Any], np.empty(0).__reduce__()[0])
"""numpy's own, wherever this version keeps it."""


def read_arrays(path: Path) -> dict[str, Any]:
    """The dictionary that a file holds; texts of Python 2 are read as Latin-1.

    Raises ``ValueError`` for a file that is cut, is no pickle, names anything but arrays, or holds no dictionary."""
    with path.open("rb") as stream:
        try:
            found = _Arrays(stream).load()
        except (
            pickle.UnpicklingError,
            EOFError,
            IndexError,
            KeyError,
            AttributeError,
            TypeError,
            OverflowError,
        ) as error:
            raise ValueError(f"it is no whole pickle of arrays ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__} where a dictionary was expected")
    return {str(key): value for key, value in found.items()}


class _Arrays(pickle.Unpickler):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
            ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("_codecs", "encode"): _encode,
        }
        try:
            return allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is neither array nor plain value") from None


def _dtype(kind: str, align: object = False, copy: object = False) -> np.dtype[Any]:
    """Old files say align and copy as numbers, which numpy no longer takes."""
    found = np.dtype(kind, bool(align), bool(copy))
    if found.hasobject:
        raise pickle.UnpicklingError(f"it holds an array of {found}, not of numbers")
    return found


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding!r}")
    return codecs.encode(text, encoding)
