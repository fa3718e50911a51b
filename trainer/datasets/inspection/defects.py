"""Pictures with the masks of their defects as arrays, whatever folders they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import Selection
from trainer.datasets.files import Files
from trainer.datasets.image_choice import OFFICIAL_TEST
from trainer.datasets.options import Chosen, Option
from trainer.datasets.pictures import IMAGENET, decode, decode_into

GOOD = "good"
"""The class of pictures without a defect."""
COVERED = 0.25
"""Share of a pixel from which on it counts as one of the defect."""

OPTIONS = {
    "size": Option(default=128, least=8, meaning="height and width to which every image is resized", converts=True),
    "mode": Option(default="colour", meaning="three channels or one", accepts=("colour", "grey"), converts=True),
    "duplicates": copies.OPTION,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    path: Path
    kind: str
    """:data:`GOOD`, or the kind of its defect; with the product before it (``screw/good``) where there are several."""
    mask: Path | None
    test: bool | None
    """Whether it is of the part that the data set holds out; None where it declares none."""


def converted(
    name: str,
    source: str,
    files: Files,
    pictures: Sequence[Picture],
    chosen: Chosen,
    store: Store,
    *,
    note: str,
    remarks: tuple[str, ...],
) -> Content:
    """Items, kinds, masks and sizes of ``pictures``, in their order; the first of a product's kinds is the good one.
    Raises :class:`trainer.errors.DataError` naming files that cannot be decoded."""
    classes = sorted({picture.kind for picture in pictures}, key=_good_first)
    side, grey = chosen.number("size"), chosen.text("mode") == "grey"
    items = store.array("items", (len(pictures), 1 if grey else 3, side, side), np.uint8)
    paths = [picture.path for picture in pictures]
    decode_into(items, paths, lambda path: decode(path, name=name, source=source, size=(side, side), mode=_mode(grey)))
    marks = {copies.MARK: (copy_of := copies.first_of_each(items))}
    if all(picture.test is not None for picture in pictures):
        marks[OFFICIAL_TEST] = np.array([picture.test for picture in pictures], np.int64)
    return Content(
        items=items,
        labels=np.array([classes.index(picture.kind) for picture in pictures], np.int64),
        classes=tuple(classes),
        masks=_masks(name, source, pictures, side, store),
        sizes=np.array([_size(picture.path) for picture in pictures], np.int64),
        marks=marks,
        note=note,
        remarks=(
            *remarks,
            *copies.remarks(copy_of, lambda place: paths[place].relative_to(files.folder).as_posix()),
        ),
    )


def selected(name: str, content: Content, chosen: Chosen) -> Selection:
    """All of it, with the held-out part that it declares."""
    test = content.marks.get(OFFICIAL_TEST)
    heldout = None if test is None else test.astype(bool)
    return copies.settle(name, content, Selection(heldout=heldout), chosen.text("duplicates"))


def scaling(chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """ImageNet's constants for colour, the mean of its channels' for grey."""
    if chosen.text("mode") == "colour":
        return IMAGENET
    mean, std = (sum(values) / len(values) for values in IMAGENET)
    return (mean,), (std,)


def _masks(name: str, source: str, pictures: Sequence[Picture], side: int, store: Store) -> NDArray[np.bool_] | None:
    """[n, side, side]; None where no picture has a mask."""
    masked = {picture.mask: place for place, picture in enumerate(pictures) if picture.mask is not None}
    if not masked:
        return None
    found = np.zeros((len(masked), side, side), np.uint8)
    decode_into(found, list(masked), lambda path: _mask(decode(path, name=name, source=source, mode="L")[0], side))
    masks: NDArray[np.bool_] = store.array("masks", (len(pictures), side, side), np.bool_)
    masks[list(masked.values())] = found.astype(bool)
    return masks


def _mask(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """1 where a pixel of the smaller picture is covered by the defect. Some people write 0 and 1, not 0 and 255; and a
    defect that covers no pixel is one all the same."""
    marked = 2 * pixels.astype(np.float32) >= max(int(pixels.max()), 1)
    covered = Image.fromarray(marked.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    share = np.asarray(covered)
    return ((share >= min(COVERED, float(share.max()))) & (share > 0)).astype(np.uint8)


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        return opened.height, opened.width


def _mode(grey: bool) -> str:
    return "L" if grey else "RGB"


def _good_first(kind: str) -> tuple[str, bool, str]:
    product, _, own = kind.rpartition("/")
    return product, own != GOOD, own
