"""The options by which data sets are made smaller, and their rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import Content
from trainer.datasets.file_reader import Selection
from trainer.datasets.options import Chosen, Option
from trainer.datasets.sampling import pick_classes, pick_items
from trainer.errors import DataError

OFFICIAL_TEST = "official_test"

PART = Option(
    default="train",
    meaning="which official part to use; with all, the official test part is the fixed held-out one",
    accepts=("train", "test", "all"),
)
SMALLER = {
    "classes": Option(
        default=None,
        kind=int,
        least=2,
        meaning="how many classes to keep: those whose names have the lowest SHA-256 of `<sample_seed> <name>`",
    ),
    "per_class": Option(
        default=None,
        kind=int,
        least=1,
        meaning="how many items of each class (and official part) to keep: those of lowest SHA-256 of the "
        "`sample_seed`, a space and the values, so that the order of files plays no part",
    ),
    "sample_seed": Option(default=0, least=0, meaning="seed of those rules; the study's seed plays no part"),
}


def select_images(name: str, content: Content, chosen: Chosen) -> Selection:
    """Selection by `part` (where the content marks an official test part), `classes` and `per_class`."""
    test = content.marks[OFFICIAL_TEST].astype(bool) if OFFICIAL_TEST in content.marks else None
    part = chosen.text("part") if test is not None else "all"
    kept = np.ones(len(content.labels), bool)
    notes = []
    if test is not None and part != "all":
        kept = test if part == "test" else ~test
        notes = [f"official {part} part"]
    seed, count = chosen.number("sample_seed"), chosen.number_or_none("classes")
    classes = pick_classes(content.classes, count, seed) if count is not None else None
    if classes is not None:
        kept = kept & np.isin(content.labels, classes)
        notes.append(f"{count} of {len(content.classes)} classes")
    per_class = chosen.number_or_none("per_class")
    if per_class is not None:
        kept = _fewer(name, content, kept, per_class, seed)
        notes.append(f"{per_class} a class")
    if not kept.any():
        raise DataError(f"data set {name}: the options leave no items; the part {part!r} has none")
    positions = np.flatnonzero(kept)
    return Selection(
        positions=None if kept.all() else positions,
        heldout=test[positions] if test is not None and part == "all" else None,
        classes=classes,
        note=", ".join(notes),
    )


def _fewer(name: str, content: Content, kept: NDArray[np.bool_], per_class: int, seed: int) -> NDArray[np.bool_]:
    cells = content.labels * 2 + content.marks.get(OFFICIAL_TEST, np.zeros_like(content.labels))
    fewer = np.zeros(len(kept), bool)
    for cell in np.unique(cells[kept]):
        members = np.flatnonzero(kept & (cells == cell))
        if len(members) < per_class:
            which = content.classes[int(cell) // 2]
            raise DataError(
                f"data set {name}: per_class is {per_class}, but class {which!r} has {len(members)} items here"
            )
        fewer[pick_items(members, per_class, seed, lambda place: content.items[place].tobytes())] = True
    return fewer
