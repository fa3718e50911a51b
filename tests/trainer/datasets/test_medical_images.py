"""Readers of small medical images: small files in their layouts, damage, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.datasets.medical.parkinson_spiral import parkinson_spiral
from trainer.datasets.medical.pneumonia_mnist import pneumonia_mnist
from trainer.errors import DataError
from trainer.spec import SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification


def chests(tmp_path: Path, **changes: np.ndarray) -> Path:
    """6 training, 2 validation and 4 test images, labels as a column."""
    rng = np.random.default_rng(2)
    arrays = {}
    for part, count in (("train", 6), ("val", 2), ("test", 4)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    np.savez(tmp_path / "pneumoniamnist.npz", **(arrays | changes))
    return tmp_path


def test_the_official_test_part_is_held_out_and_validation_trains(tmp_path: Path) -> None:
    found = pneumonia_mnist.load(chests(tmp_path), {})
    assert found.items.shape == (12, 1, 28, 28)
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False] * 8 + [True] * 4
    assert found.name == "pneumonia_mnist (6, 2 and 4 of (4708, 524, 624) images)"
    assert len(pneumonia_mnist.load(tmp_path, {"part": "test"}).items) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"val_labels": np.array([0, 2], np.uint8)}, "val has images uint8"),
        ({"test_images": np.zeros((4, 32, 32), np.uint8)}, r"test has images uint8 \(4, 32, 32\)"),
        ({"train_images": np.zeros((6, 28, 28))}, "train has images float64"),
        ({"train_labels": np.zeros(5, np.uint8)}, r"labels \(5,\)"),
    ],
)
def test_damaged_chests_are_refused(tmp_path: Path, change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataError, match=words):
        pneumonia_mnist.load(chests(tmp_path, **change), {})


def test_missing_chests_are_told_where_to_find(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pneumonia-mnist.npz is missing; .* Get it from https://medmnist.com"):
        pneumonia_mnist.load(tmp_path, {})
    (tmp_path / "pneumoniamnist.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DataError, match=r"pneumoniamnist.npz is damaged"):
        pneumonia_mnist.load(tmp_path, {})


@pytest.fixture
def spirals(tmp_path: Path) -> Path:
    """Persons V01 to V04 of each class, two drawings each, one in either part."""
    rng = np.random.default_rng(4)
    for part, drawing in (("training", 1), ("testing", 2)):
        for kind, code in (("healthy", "HE"), ("parkinson", "PE")):
            folder = tmp_path / "parkinson-spiral" / part / kind
            folder.mkdir(parents=True)
            for person in range(1, 5):
                pixels = rng.integers(0, 256, (20, 20)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"V{person:02}{code}{drawing:02}.png")
    return tmp_path


def test_the_same_number_in_two_classes_is_two_persons_and_parts_are_put_together(spirals: Path) -> None:
    found = parkinson_spiral.load(spirals, {"size": 16})
    assert found.items.shape == (16, 1, 16, 16)
    assert found.fixed_heldout is None
    assert np.bincount(found.groups["person"]).tolist() == [2] * 8
    spec = SplitSpec(folds=4, validation=0.25, group="person")
    for fold in range(4):
        strata = Classification.strata(found)
        dealt = split(found, spec, strata, phase="confirm", seed=1, repeat=0, fold=fold)
        people = [set(found.groups["person"][part]) for part in (dealt.train, dealt.validation, dealt.heldout)]
        assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]


def test_a_drawing_without_a_person_or_of_another_class_is_refused(spirals: Path) -> None:
    folder = spirals / "parkinson-spiral/training/healthy"
    (folder / "V01HE01.png").rename(folder / "spiral.png")
    with pytest.raises(DataError, match=r"spiral.png is damaged: it is not named so; expected pictures"):
        parkinson_spiral.load(spirals, {})
    (folder / "spiral.png").unlink()
    folder.rename(folder.with_name("well"))
    with pytest.raises(DataError, match=r"well/V02HE01.png is damaged: it is not named so"):
        parkinson_spiral.load(spirals, {})


@pytest.mark.slow
def test_the_real_medical_images(real_root: Path) -> None:
    chests = pneumonia_mnist.load(real_root, {})
    assert chests.labels is not None
    assert chests.fixed_heldout is not None
    assert np.bincount(chests.labels[chests.fixed_heldout]).tolist() == [234, 390]
    assert (chests.items[~chests.fixed_heldout] / 255.0).mean() == pytest.approx(chests.mean[0], abs=1e-3)
    assert (chests.items[~chests.fixed_heldout] / 255.0).std() == pytest.approx(chests.std[0], abs=1e-3)
    spirals = parkinson_spiral.load(real_root, {})
    assert (len(spirals.items), len(np.unique(spirals.groups["person"]))) == (102, 28)
    assert (spirals.items / 255.0).mean() == pytest.approx(spirals.mean[0], abs=1e-3)
