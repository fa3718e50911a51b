"""Tables in files: the names of their columns, and chosen columns as numbers or as texts. CSV (also gzipped, and with
semicolons or tabs) and Parquet. Raises :class:`DataError` that names the file, the line and the column."""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib
import io
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

PARQUET = frozenset({".parquet", ".pq"})
GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a", "<na>"})
"""Cells, in small letters, that stand for a missing value."""
_ROWS = 4096
_SEPARATORS = ",;\t|"
"""The commonest of the first line, outside quotes, is meant; spaces, where it has none."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Chosen columns of a table of n rows."""

    numbers: NDArray[np.float64]
    """[n, columns]; NaN where a value is missing."""
    texts: Mapping[str, NDArray[np.str_]]
    """Column -> [n]; "" where a value is missing."""
    no_numbers: Mapping[str, str]
    """Of the columns asked for as numbers, those that hold something else -> where and what."""


class Table(Protocol):
    names: tuple[str, ...]

    def read(self, numbers: Sequence[str], texts: Sequence[str]) -> Columns: ...


def opened(path: Path, *, header: bool) -> Table:
    """``header``: whether the first line names the columns; without one they are called "0", "1" and so on, and "-1"
    from the end."""
    return Parquet(path) if path.suffix.lower() in PARQUET else Csv(path, header)


class Csv:
    def __init__(self, path: Path, header: bool) -> None:
        self.path, self.header = path, header
        with self._told(), self._text() as stream:
            line = stream.readline()
        bare = re.sub(r'"[^"]*"', "", line).strip()
        common = max(_SEPARATORS, key=bare.count)
        self.separator = " " if " " in bare and common not in bare else common
        first = next(self._lines(), (0, []))[1]
        if not first:
            raise DataError(f"{path} is empty; expected a table with a line of column names")
        if header and len(first) > 1 and all(map(_is_number, first)):
            raise DataError(
                f"{path}: its first line holds numbers alone, {', '.join(first[:3])} and so on, where the names of "
                "columns are expected; with header: false columns are called 0, 1 and so on, and the last is -1"
            )
        named = (cell.strip() or f"column {place + 1}" for place, cell in enumerate(first))
        self.names = tuple(named) if header else tuple(map(str, range(len(first))))
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")

    def read(self, numbers: Sequence[str], texts: Sequence[str]) -> Columns:
        at = [self.names.index(name) for name in numbers]
        named = {name: self.names.index(name) for name in texts}
        blocks: list[NDArray[np.float64]] = []
        words: dict[str, list[str]] = {name: [] for name in texts}
        no_numbers: dict[str, str] = {}
        rows = itertools.islice(self._lines(), 1 if self.header else 0, None)
        while some := list(itertools.islice(rows, _ROWS)):
            for line, row in some:
                if len(row) != len(self.names):
                    raise DataError(
                        f"{self.path}: line {line} has {len(row)} cells, where there are {len(self.names)} columns; is "
                        "it cut, or does a text hold a separator and no quotes around it?"
                    )
            blocks.append(_block([(line, [row[place] for place in at]) for line, row in some], numbers, no_numbers))
            for name, place in named.items():
                words[name] += [row[place] for _, row in some]
        if not blocks:
            raise DataError(f"{self.path} holds column names and no row")
        return Columns(
            numbers=np.concatenate(blocks),
            texts={name: _words(found) for name, found in words.items()},
            no_numbers=no_numbers,
        )

    def _text(self) -> io.TextIOWrapper:
        kind: Any = gzip.GzipFile if self.path.suffix.lower() == ".gz" else io.FileIO
        return io.TextIOWrapper(io.BufferedReader(kind(self.path)), encoding="utf-8-sig", newline="")

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the lines that are not empty."""
        with self._told(), self._text() as stream:
            lines = (line.strip(" \r\n") for line in stream) if self.separator == " " else stream
            reader = csv.reader(lines, delimiter=self.separator, skipinitialspace=True)
            for row in reader:
                if row:
                    yield reader.line_num, row

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not text in UTF-8 ({error.reason}); save it as CSV in UTF-8") from error
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise DataError(f"{self.path} cannot be read as CSV ({error})") from error


class Parquet:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._module: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise DataError(
                f"{path}: reading Parquet needs the package pyarrow, which is not installed here; install it (on the "
                "nodes too: pip install pyarrow), or save the table as CSV"
            ) from error
        with self._told():
            self.names: tuple[str, ...] = tuple(self._module.read_schema(path).names)

    def read(self, numbers: Sequence[str], texts: Sequence[str]) -> Columns:
        with self._told():
            table = self._module.read_table(self.path, columns=[*numbers, *texts])
        block = np.zeros((table.num_rows, len(numbers)))
        no_numbers: dict[str, str] = {}
        for place, name in enumerate(numbers):
            column = table.column(name)
            try:
                block[:, place] = column.cast("float64").to_numpy()
            except (ValueError, NotImplementedError):  # pyarrow's errors inherit from these
                no_numbers[name] = f"its type is {column.type}"
        return Columns(
            numbers=block,
            texts={name: _words(map(_plain, table.column(name).to_pylist())) for name in texts},
            no_numbers=no_numbers,
        )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, NotImplementedError) as error:
            raise DataError(f"{self.path} cannot be read as Parquet ({error})") from error


def _block(
    rows: Sequence[tuple[int, Sequence[str]]], names: Sequence[str], no_numbers: dict[str, str]
) -> NDArray[np.float64]:
    """[rows, names]; notes the first cell of each column that is neither number nor gap."""
    try:
        return np.array([cells for _, cells in rows], np.float64).reshape(len(rows), len(names))
    except ValueError:
        pass
    found = np.full((len(rows), len(names)), np.nan)
    for place, (line, cells) in enumerate(rows):
        for column, cell in enumerate(cells):
            if _is_number(cell):
                found[place, column] = float(cell)
            elif cell.strip().lower() not in GAPS:
                found[place, column] = 0.0
                no_numbers.setdefault(names[column], f"line {line} has {cell.strip()!r}")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _words(cells: Iterable[str]) -> NDArray[np.str_]:
    """ "" for a gap."""
    return np.array(["" if cell.strip().lower() in GAPS else cell.strip() for cell in cells], np.str_)


def _plain(value: object) -> str:
    return "" if value is None else str(value)
