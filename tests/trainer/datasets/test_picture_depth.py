"""Pictures of other than three channels of 8 bits: read as Pillow converts them, or told, never read as white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.datasets.image_folder import image_folder
from trainer.datasets.pictures import decode
from trainer.errors import DataError

RAMP = np.arange(64).reshape(8, 8)


def saved(folder: Path, name: str, picture: Image.Image) -> Path:
    picture.save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("file", "pixels", "mode"),
    [
        ("deep.png", (RAMP * 1000).astype(np.uint16), "I;16"),
        ("deep.tif", (RAMP * 1000).astype(np.uint16), "I;16"),
        ("deeper.tif", (RAMP * 100_000).astype(np.int32), "I"),
        ("share.tif", (RAMP / 64).astype(np.float32), "F"),
    ],
)
def test_one_of_more_than_8_bits_is_told(file: str, pixels: np.ndarray, mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path, file, Image.fromarray(pixels))
    for wanted in ("RGB", "L"):
        with pytest.raises(DataError, match=rf"{file} has .*Pillow's mode {mode}\), .*convert it to 8 bits a channel"):
            decode(path, name="mine", source="your camera", mode=wanted)


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "RGBA", "P", "1", "YCbCr"])
def test_one_of_other_channels_is_read_as_pillow_converts_it(mode: str, tmp_path: Path) -> None:
    colours = np.stack([RAMP * 4, 255 - RAMP * 4, RAMP * 2], axis=-1).astype(np.uint8)
    suffix = "jpg" if mode == "YCbCr" else "tif"
    picture = Image.fromarray(colours).convert(mode)
    path = saved(tmp_path, f"other.{suffix}", picture)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(path, name="mine", source="your camera"), expected)
    assert decode(path, name="mine", source="your camera", mode="L").shape == (1, 8, 8)


def test_the_file_is_named_where_a_folder_of_them_is_read(tmp_path: Path) -> None:
    for kind in ("cats", "dogs"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        saved(tmp_path / "images" / kind, "a.png", Image.fromarray((RAMP * 4).astype(np.uint8)))
    saved(tmp_path / "images" / "dogs", "x-ray.png", Image.fromarray((RAMP * 1000).astype(np.uint16)))
    with pytest.raises(DataError, match=r"dogs/x-ray\.png .*convert it to 8 bits a channel"):
        image_folder.prepare(tmp_path, {"size": 8})
