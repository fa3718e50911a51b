"""Readers of pictures with defects: their layouts, their held-out parts and masks, and what is wrong with them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.datasets.inspection.magnetic_tile import KINDS, magnetic_tile
from trainer.datasets.inspection.mvtec import mvtec
from trainer.datasets.reader import Dataset
from trainer.errors import DataError

SMALL: dict[str, Any] = {"size": 16, "mode": "grey"}


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def a_mask(shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2] = 255
    return mask


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Three free tiles, of which two train, and one of each defect; of unequal sizes."""
    rng = np.random.default_rng(0)
    place = tmp_path / "magnetic-tile"
    for kind in KINDS:
        for number in range(3 if kind == "MT_Free" else 1):
            pixels = rng.integers(0, 255, (20, 30 + number)).astype(np.uint8)
            save(place / kind / "Imgs" / f"{kind}_{number}.jpg", pixels)
            if kind != "MT_Free":
                save(place / kind / "Imgs" / f"{kind}_{number}.png", a_mask())
    (place / "mtd_train_filenames.txt").write_text("MT_Free_0.jpg\n\n  some/folder/MT_Free_2.jpg\n")
    return tmp_path


@pytest.fixture
def products(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for product in ("bottle", "screw"):
        place = tmp_path / "mvtec" / product
        for part, kind, count in (("train", "good", 3), ("test", "good", 2), ("test", "bent", 1)):
            for number in range(count):
                save(place / part / kind / f"{number:03}.png", rng.integers(0, 255, (20, 20, 3)).astype(np.uint8))
        save(place / "ground_truth" / "bent" / "000_mask.png", a_mask((20, 20)))
    return tmp_path


def names(dataset: Dataset) -> list[str]:
    assert dataset.labels is not None
    return [dataset.classes[label] for label in dataset.labels]


def test_tiles_have_the_published_split(tiles: Path) -> None:
    data = magnetic_tile.load(tiles, SMALL)
    assert data.classes == ("good", "blowhole", "break", "crack", "fray", "uneven")
    assert data.fixed_heldout is not None
    assert data.masks is not None
    assert data.sizes is not None
    assert [name for name, held in zip(names(data), data.fixed_heldout, strict=True) if not held] == ["good"] * 2
    assert data.fixed_heldout.sum() == 6
    assert data.masks.shape == (8, 16, 16)
    assert [bool(mask.any()) for mask in data.masks] == [name != "good" for name in names(data)]
    assert data.masks[-1, :8].all()
    assert not data.masks[-1, 8:].any()
    assert data.sizes.tolist()[:3] == [[20, 30], [20, 31], [20, 32]]
    assert any("six lightings" in remark for remark in data.remarks)


def test_a_cache_holds_masks_and_sizes_too(tiles: Path) -> None:
    fresh = magnetic_tile.load(tiles, SMALL)
    magnetic_tile.prepare(tiles, SMALL)
    cached = magnetic_tile.load(tiles, SMALL)
    assert magnetic_tile.cached(tiles, SMALL) is not None
    assert cached.digest == fresh.digest
    for name in ("items", "masks", "sizes", "fixed_heldout"):
        assert (getattr(cached, name) == getattr(fresh, name)).all()


def test_masks_are_part_of_the_digest(tiles: Path) -> None:
    before = magnetic_tile.load(tiles, SMALL).digest
    save(tiles / "magnetic-tile" / "MT_Fray" / "Imgs" / "MT_Fray_0.png", 255 - a_mask())
    assert magnetic_tile.load(tiles, SMALL).digest != before


def test_tiles_by_a_table_without_the_inner_folders(tiles: Path) -> None:
    place = tiles / "magnetic-tile"
    (place / "mtd_train_filenames.txt").unlink()
    rows = []
    for kind in KINDS:
        for path in sorted((place / kind / "Imgs").iterdir()):
            path.rename(place / kind / path.name)
            if path.suffix == ".jpg":
                rows.append((f"{kind}/{path.name}", "train" if path.name == "MT_Free_1.jpg" else "test"))
        (place / kind / "Imgs").rmdir()
    with (place / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "differnet_part"), *rows])
    data = magnetic_tile.load(tiles, SMALL)
    assert data.fixed_heldout is not None
    assert data.fixed_heldout.tolist() == [True, False, True, True, True, True, True, True]


def test_tiles_without_a_list_have_no_held_out_part(tiles: Path) -> None:
    (tiles / "magnetic-tile" / "mtd_train_filenames.txt").unlink()
    data = magnetic_tile.load(tiles, SMALL)
    assert data.fixed_heldout is None
    assert any("no held-out part" in remark for remark in data.remarks)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MT_Free_0.jpg\nMT_Free_7.jpg\n", ("names 2 training images", "1 of them", "MT_Free_7.jpg")),
        ("\n", ("no training image",)),
        ("MT_Free_0.jpg\nMT_Free_1.jpg\nMT_Free_2.jpg", ("every image without a defect",)),
        ("MT_Fray_0.jpg", ("MT_Fray_0.jpg",)),
    ],
)
def test_a_list_that_does_not_fit_is_told(tiles: Path, text: str, words: tuple[str, ...]) -> None:
    (tiles / "magnetic-tile" / "mtd_train_filenames.txt").write_text(text)
    with pytest.raises(DataError) as told:
        magnetic_tile.load(tiles, SMALL)
    for word in ("magnetic_tile", "mtd_train_filenames.txt", *words):
        assert word in str(told.value)


def test_a_tile_without_its_mask_and_a_kind_without_tiles_are_told(tiles: Path) -> None:
    mask = tiles / "magnetic-tile" / "MT_Fray" / "Imgs" / "MT_Fray_0.png"
    mask.unlink()
    with pytest.raises(DataError, match=r"MT_Fray_0\.png is missing; expected the mask"):
        magnetic_tile.load(tiles, SMALL)
    mask.with_suffix(".jpg").unlink()
    with pytest.raises(DataError, match=r"MT_Fray is missing"):
        magnetic_tile.load(tiles, SMALL)


def test_all_products_and_one(products: Path) -> None:
    both, one = mvtec.load(products, SMALL), mvtec.load(products, {**SMALL, "category": "screw"})
    assert both.classes == ("bottle/good", "bottle/bent", "screw/good", "screw/bent")
    assert one.classes == ("good", "bent")
    assert "2 of 15 products" in both.name
    assert any("mean grey value alone" in remark for remark in one.remarks)
    assert names(one) == ["good"] * 5 + ["bent"]
    assert one.fixed_heldout is not None
    assert one.fixed_heldout.tolist() == [False] * 3 + [True] * 3
    assert mvtec.load(products, {"size": 16}).items.shape == (12, 3, 16, 16)


@pytest.mark.parametrize(
    "options", [{"category": "screw"}, {"category": "screw", "folder": "mvtec-screw"}, {"folder": "mvtec-screw"}]
)
def test_one_product_in_a_folder_of_its_own(products: Path, options: dict[str, str]) -> None:
    (products / "mvtec" / "screw").rename(products / "mvtec-screw")
    assert mvtec.load(products, {**SMALL, **options}).classes == ("good", "bent")


def test_masks_may_be_of_zeros_and_ones_and_small_defects_stay(products: Path) -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[100, 100] = 1
    save(products / "mvtec" / "screw" / "ground_truth" / "bent" / "000_mask.png", mask)
    data = mvtec.load(products, {**SMALL, "category": "screw"})
    assert data.masks is not None
    assert 0 < data.masks[-1].sum() <= 4


def test_products_without_masks(products: Path) -> None:
    import shutil

    shutil.rmtree(products / "mvtec" / "screw" / "ground_truth")
    one = mvtec.load(products, {**SMALL, "category": "screw"})
    assert one.masks is None
    assert any("no masks of screw" in remark for remark in one.remarks)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda place: (place / "ground_truth/bent/000_mask.png").unlink(), ("000_mask.png is missing", "bent")),
        (lambda place: (place / "train/good").rename(place / "train/fine"), ("screw", "bottle")),
        (lambda place: (place / "test/good").rename(place / "test/fine"), ("test/good is missing",)),
        (lambda place: (place / "train/bent").mkdir(), ("bent", "nothing with a defect may train")),
        (lambda place: (place / "test/bent/000.png").write_bytes(b"no picture"), ("cannot be decoded", "000.png")),
    ],
)
def test_what_is_wrong_with_a_product_is_told(products: Path, break_it: Any, words: tuple[str, ...]) -> None:
    break_it(products / "mvtec" / "screw")
    with pytest.raises(DataError) as told:
        mvtec.load(products, {**SMALL, "category": "screw"})
    for word in ("data set mvtec", *words):
        assert word in str(told.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"category": "skrew"}, ("no product 'skrew'", "'screw'")),
        ({"folder": "elsewhere"}, ("elsewhere", "train/good")),
        ({"size": 4}, ("size is 4", "at least 8")),
    ],
)
def test_wrong_options_are_told(products: Path, options: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as told:
        mvtec.load(products, options)
    for word in words:
        assert word in str(told.value)


@pytest.mark.slow
def test_the_real_tiles_and_screws(real_root: Path) -> None:
    """Counts of the sources, and what brightness and size alone tell apart, as measured on their own."""
    from trainer.tasks.anomaly import floors

    areas = {}
    for reader, options, train, heldout, defects in (
        (magnetic_tile, {"size": 64, "mode": "grey"}, 761, 583, 392),
        (mvtec, {"size": 64, "mode": "grey", "category": "screw"}, 320, 160, 119),
    ):
        data = reader.load(real_root, options)
        held, anomalous = data.fixed_heldout, data.labels != 0
        assert ((~held).sum(), held.sum(), anomalous.sum()) == (train, heldout, defects)
        known = floors.statistics(data)
        found = floors.measured(known[~held], known[held], anomalous[held])
        areas[reader.name] = {name: values["auroc"] for name, values in found.items()}
    tiles, screws = areas["magnetic_tile"], areas["mvtec"]
    assert tiles["mean grey value, more is a defect"] == pytest.approx(0.518, abs=1e-3)
    assert tiles["standard deviation of grey values, more is a defect"] == pytest.approx(0.491, abs=5e-3)
    assert tiles["size of the picture's file in pixels, more is a defect"] == pytest.approx(0.353, abs=1e-3)
    assert screws["mean grey value, more is a defect"] == pytest.approx(1.0, abs=1e-3)
    assert screws["mean grey value, distance from training"] == pytest.approx(0.001, abs=1e-3)
