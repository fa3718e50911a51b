"""Image files as arrays, and many of them at once without holding them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainer.datasets.files import damaged, missing
from trainer.errors import DataError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""(mean, std) a channel of ImageNet's training images, as torchvision's models use them."""
UNSCALED = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
DEEP = ("I", "F")
"""Modes of 16 and 32 bits a pixel, which Pillow would cut at 255: all that is brighter would be white."""
_AT_ONCE = 512
TOLD = 10
"""So many unfit files are named."""


def decode(
    path: Path, *, name: str, source: str, size: tuple[int, int] | None = None, mode: str = "RGB", exact: bool = False
) -> NDArray[np.uint8]:
    """[channels, height, width]. ``size`` is (height, width): each side is resized to it by Pillow's bilinear filter
    with antialiasing, the aspect ratio is not kept; ``exact`` refuses an image of another size instead.

    Raises :class:`DataError` naming a file that is missing, no image, cut, of more than 8 bits a channel, or of another
    size."""
    expected = "an image" if size is None else f"an image of {size[0]}x{size[1]} pixels" if exact else "an image"
    try:
        with Image.open(path) as opened:
            stored = opened.mode
            image: Image.Image = opened.convert(mode)
    except FileNotFoundError as error:
        raise missing(name, path, expected=expected, source=source) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise damaged(name, path, f"it cannot be decoded ({error})", expected=expected, source=source) from error
    if stored.startswith(DEEP):
        raise DataError(
            f"data set {name}: {path} has pixels of more than 8 bits (Pillow's mode {stored}), and all above 255 would "
            "be white; convert it to 8 bits a channel"
        )
    if size is not None and image.size != (size[1], size[0]):
        if exact:
            found = f"it has {image.size[1]}x{image.size[0]} pixels"
            raise damaged(name, path, found, expected=expected, source=source)
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def decode_into(target: NDArray[Any], paths: Sequence[Path], one: Callable[[Path], NDArray[np.uint8]]) -> None:
    """``target[i] = one(paths[i])``, decoded by threads (Pillow lets go of the interpreter), some at a time. Raises
    :class:`DataError` once all were tried: of the one file that cannot be used, or of all."""
    unfit = []
    for place, image in enumerate(_in_order(paths, one)):
        if isinstance(image, DataError):
            unfit.append(image)
        else:
            target[place] = image
    if len(unfit) == 1:
        raise unfit[0]
    if unfit:
        more = f" (the first {TOLD} of them follow)" if len(unfit) > TOLD else ""
        lines = "".join(f"\n  {error}" for error in unfit[:TOLD])
        raise DataError(f"{len(unfit)} of {len(paths)} files cannot be used{more}; replace or remove them:{lines}")


def _in_order(
    paths: Sequence[Path], one: Callable[[Path], NDArray[np.uint8]]
) -> Iterator[NDArray[np.uint8] | DataError]:
    def tried(path: Path) -> NDArray[np.uint8] | DataError:
        try:
            return one(path)
        except DataError as error:
            return error

    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as threads:
        for some in _batches(paths):
            yield from threads.map(tried, some)


def _batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]
