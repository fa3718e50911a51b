"""NATOPS aircraft handling signals, from the time series archive's .ts files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import Selection
from trainer.datasets.files import Files, damaged, find_folder, missing
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.sequences.series import Series, as_items

_FILES = ("NATOPS_TRAIN.ts", "NATOPS_TEST.ts")
_CLASSES = ("I have command", "all clear", "not clear", "spread wings", "fold wings", "lock wings")
_FEATURES, _STEPS = 24, 51
_EXPECTED = f"a .ts file with @data and lines of {_FEATURES} series of {_STEPS} numbers, then the class, 1 to 6"
_OPTIONS = {"part": replace(PART, default="all"), **SMALLER}


@dataclass(frozen=True, kw_only=True)
class Natops(Series):
    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, self.folders, needs=self.about.needs, source=self.about.source)
        paths = []
        for name in _FILES:
            there = [folder / found for found in (name, f"{name}.gz") if (folder / found).is_file()]
            if not there:
                raise missing(self.name, folder / name, expected=f"{_EXPECTED}; or {name}.gz", source=self.about.source)
            paths.append(there[0])
        return Files(folder=folder, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        parts = [self._part(path) for path in files.watched]
        sizes = [len(labels) for _, labels in parts]
        return Content(
            items=as_items(np.concatenate([steps for steps, _ in parts])),
            labels=np.concatenate([labels for _, labels in parts]),
            classes=_CLASSES,
            marks={OFFICIAL_TEST: np.repeat([0, 1], sizes).astype(np.int64)},
            remarks=("the files do not tell persons apart: they are on both sides of every split",),
        )

    def _part(self, path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """[n, steps, features] and [n]."""
        try:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(
                self.name, path, f"it cannot be unpacked ({error})", expected=_EXPECTED, source=self.about.source
            ) from error
        _, mark, data = text.partition("@data")
        lines = data.split() if mark else []
        steps = np.empty((len(lines), _STEPS, _FEATURES))
        labels = np.empty(len(lines), np.int64)
        for place, line in enumerate(lines):
            *series, label = line.split(":")
            try:
                steps[place] = np.array([part.split(",") for part in series], np.float64).T
                labels[place] = int(float(label)) - 1
                fits = 0 <= labels[place] < len(_CLASSES)
            except (ValueError, OverflowError):
                fits = False
            if not fits:
                found = f"line {place + 1} of its data has {len(series)} series and the class {label[:20]!r}"
                raise damaged(self.name, path, found, expected=_EXPECTED, source=self.about.source)
        if not lines:
            raise damaged(self.name, path, "it has no data", expected=_EXPECTED, source=self.about.source)
        return steps, labels

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return select_images(self.name, content, chosen)


natops = Natops(
    name="natops",
    folders=("natops", "NATOPS"),
    about=About(
        title="NATOPS: 360 aircraft handling gestures of 6 kinds, 51 steps of 24 coordinates of hands and arms",
        licence="the UEA multivariate archive, for research",
        citation="Ghouaiel N, Marteau P-F, Dupont M. Continuous pattern detection and recognition in stream. Int. J. "
        "Applied Pattern Recognition 4(2) (2017). Song Y, Demirdjian D, Davis R. Tracking body and hands for gesture "
        "recognition: NATOPS aircraft handling signals database (FG 2011). Bagnall A et al. arXiv 1811.00075.",
        source="https://www.timeseriesclassification.com (NATOPS), as .ts files",
        needs="NATOPS_TRAIN.ts and NATOPS_TEST.ts (or .ts.gz) in natops",
        options=describe(_OPTIONS),
        fixed=True,
    ),
    declared=_OPTIONS,
)
