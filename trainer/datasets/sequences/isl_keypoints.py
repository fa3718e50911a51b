"""Words of Indian sign language as key points of body and hands, 30 frames a video."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.cache import Store
from trainer.datasets.content import ORDER, Content
from trainer.datasets.files import Files, damaged
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.packed_arrays import packed_arrays
from trainer.datasets.reader import About
from trainer.datasets.sequences.series import Series, as_items
from trainer.errors import DataError

_ARRAYS, _VIDEOS = "isl-keypoints.npz", "sequences.csv"
_BODY, _HAND = 33 * 4, 21 * 3
FEATURES = _BODY + 2 * _HAND
_EXPECTED = f"sequences [n, frames, {FEATURES}], labels [n] and signs [classes]"
_OPTIONS = {
    "points": Option(
        default="all",
        meaning=f"key points that are used: body and hands ({FEATURES} numbers a frame), or hands alone ({2 * _HAND})",
        accepts=("all", "hands"),
        converts=True,
    )
}


@dataclass(frozen=True, kw_only=True)
class IslKeypoints(Series):
    """The order of the items is that of the videos of each sign, which neighbours of one sitting share."""

    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        return self.sources(root, _ARRAYS, _VIDEOS)

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        arrays, videos = files.watched
        found = self._arrays(arrays)
        steps, labels = found["sequences"], found["labels"].astype(np.int64)
        return Content(
            items=as_items(steps if chosen.text("points") == "all" else steps[:, :, _BODY:]),
            labels=labels,
            classes=tuple(map(str, found["signs"])),
            marks={ORDER: self._order(videos, [str(found["signs"][label]) for label in labels])},
            remarks=("signers are not told apart, and neighbouring videos of a sign are probably of one sitting",),
        )

    def _arrays(self, path: Path) -> dict[str, NDArray[Any]]:
        wanted = ("sequences", "labels", "signs")
        found = packed_arrays(self.name, path, wanted, expected=_EXPECTED, source=self.about.source)
        steps, labels, signs = found["sequences"], found["labels"], found["signs"]
        shaped = steps.ndim == 3 and steps.shape[2] == FEATURES and labels.shape == steps.shape[:1] and signs.ndim == 1
        if not shaped or not len(labels) or labels.dtype.kind not in "iu":
            raise self._damaged(path, ", ".join(f"{name} {found[name].shape}" for name in found))
        if labels.min() < 0 or labels.max() >= len(signs):
            raise self._damaged(path, f"labels from {labels.min()} to {labels.max()} for {len(signs)} signs")
        return found

    def _order(self, path: Path, signs: list[str]) -> NDArray[np.int64]:
        """[n], the number of each item's video. The rows must name the items' signs, in their order."""
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = [(row["sign"], int(row["sequence"])) for row in csv.DictReader(stream)]
        except (OSError, ValueError, KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
            raise self._damaged(path, f"{type(error).__name__}: {error}") from error
        if [sign for sign, _ in rows] != signs:
            raise self._damaged(path, f"its {len(rows)} rows are not the signs of the {len(signs)} sequences")
        return np.array([number for _, number in rows], np.int64)

    def _damaged(self, path: Path, found: str) -> DataError:
        expected = _EXPECTED if path.name == _ARRAYS else "columns row, sign, sequence, a row for each sequence"
        return damaged(self.name, path, found, expected=expected, source=self.about.source)


isl_keypoints = IslKeypoints(
    name="isl_keypoints",
    folders=("isl-keypoints", "isl_keypoints"),
    about=About(
        title="Indian sign language: 10 words x 30 videos, 30 frames of 258 key-point numbers",
        licence="none stated at its source: for research at your own judgement",
        citation="Kodmur O, Jathar, Bhandalkar, Belurkar. ISLRecognision, MP_Data (GitHub, commit e2dcec1).",
        source="https://github.com/Omkar-code-mur/ISLRecognision, folder MP_Data, whose frames are put together in one "
        f"file: {_EXPECTED}",
        needs=f"{_ARRAYS} ({_EXPECTED}) and {_VIDEOS} (row, sign, sequence) in isl-keypoints",
        options=describe(_OPTIONS),
    ),
    declared=_OPTIONS,
)
