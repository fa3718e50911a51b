"""What the readers of sequences have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader
from trainer.datasets.files import Files, find_folder, need_file
from trainer.datasets.options import Chosen
from trainer.datasets.reader import Kind, Standardise


@dataclass(frozen=True, kw_only=True)
class Series(FileReader):
    """A reader of [n, 1, steps, features] float32. Each fold standardises every feature by its own training part: raw
    coordinates of different joints are not of one size."""

    folders: tuple[str, ...]
    """Names below the data root, tried in turn; the first is the one that is told of."""

    def sources(self, root: Path, *names: str) -> Files:
        """Those files, in the first folder that is there."""
        folder = find_folder(self.name, root, self.folders, needs=self.about.needs, source=self.about.source)
        expected = self.about.needs
        paths = (need_file(self.name, folder / name, expected=expected, source=self.about.source) for name in names)
        return Files(folder=folder, watched=tuple(paths))

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0,), (1.0,)

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        return "sequence", "fold"


def as_items(steps: NDArray[np.floating]) -> NDArray[np.float32]:
    """[n, steps, features] as items."""
    return np.ascontiguousarray(steps[:, None], dtype=np.float32)
