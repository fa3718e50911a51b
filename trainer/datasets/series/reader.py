"""What readers of series share: their options, and windows instead of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from trainer.datasets.files import missing, need_root
from trainer.datasets.options import Chosen, Option, choose
from trainer.datasets.reader import About, Dataset
from trainer.datasets.series.windows import History, dataset
from trainer.errors import DataError
from trainer.spec import Scalar


class SeriesReader(ABC):
    """A :class:`trainer.datasets.reader.Reader`. Nothing is cached: windows are cut anew, faster than they are read."""

    name: ClassVar[str]
    about: ClassVar[About]
    declared: ClassVar[Mapping[str, Option]]

    @abstractmethod
    def find(self, root: Path, chosen: Chosen) -> Path:
        """The file. Raises :class:`DataError` where it is missing."""

    @abstractmethod
    def history(self, path: Path, chosen: Chosen) -> History:
        """Raises :class:`DataError`, whose message names the file."""

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        chosen = choose(self.name, self.declared, options)
        path = self.find(need_root(self.name, root), chosen)
        try:
            history = self.history(path, chosen)
        except DataError as error:
            raise DataError(f"data set {self.name}: {error}") from error
        return dataset(self.name, history, chosen)

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Path, ...]:
        """The file that the data set is read from."""
        return (self.find(need_root(self.name, root), choose(self.name, self.declared, options)),)

    def found(self, root: Path, folders: tuple[str, ...], file: str) -> Path:
        """``file`` or its gzipped form in the first folder that has it."""
        for folder in folders:
            for name in (file, f"{file}.gz"):
                if (root / folder / name).is_file():
                    return root / folder / name
        raise missing(self.name, root / folders[0] / file, expected=self.about.needs, source=self.about.source)
