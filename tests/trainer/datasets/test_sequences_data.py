"""Readers of gestures and signs: small files in the layouts of the real ones, damage, and the real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer.datasets.sequences.isl_keypoints import FEATURES, isl_keypoints
from trainer.datasets.sequences.libras import libras
from trainer.datasets.sequences.natops import natops
from trainer.errors import DataError
from trainer.spec import SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification

SIGNS = ("hello", "thanks")


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """Two signs of six videos each, 4 frames; the videos are numbered from the last to the first."""
    folder = tmp_path / "isl-keypoints"
    folder.mkdir()
    steps = np.random.default_rng(1).normal(size=(12, 4, FEATURES)).astype(np.float32)
    write_signs(folder, sequences=steps, labels=np.repeat([0, 1], 6), signs=np.array(SIGNS))
    rows = [f"{place},{SIGNS[place // 6]},{5 - place % 6}" for place in range(12)]
    (folder / "sequences.csv").write_text("\n".join(["row,sign,sequence", *rows]) + "\n")
    return tmp_path


def write_signs(folder: Path, **arrays: np.ndarray) -> None:
    np.savez(folder / "isl-keypoints.npz", **arrays)


def test_signs_are_sequences_that_each_fold_scales_and_that_have_an_order(signs: Path) -> None:
    for found in (isl_keypoints.load(signs, {}), isl_keypoints.prepare(signs, {}), isl_keypoints.load(signs, {})):
        assert (found.kind, found.standardise, found.items.shape) == ("sequence", "fold", (12, 1, 4, FEATURES))
        assert found.order is not None
        assert found.order.tolist() == [5, 4, 3, 2, 1, 0] * 2
        assert found.classes == SIGNS
    hands = isl_keypoints.load(signs, {"points": "hands"})
    assert np.array_equal(hands.items, found.items[..., 132:])
    assert hands.digest != found.digest


def test_the_last_block_is_the_last_videos_of_each_sign(signs: Path) -> None:
    found = isl_keypoints.load(signs, {})
    spec = SplitSpec(scheme="block", folds=3, validation=0.25)
    strata = Classification.strata(found)
    last = split(found, spec, strata, phase="confirm", seed=1, repeat=0, fold=2)
    assert last.heldout.tolist() == [0, 1, 6, 7]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sequences": np.zeros((12, 4, 7), np.float32)}, r"isl-keypoints.npz is damaged: sequences \(12, 4, 7\)"),
        ({"labels": np.repeat([0, 5], 6)}, "labels from 0 to 5 for 2 signs"),
        ({"labels": np.repeat([1, 0], 6)}, "sequences.csv is damaged: its 12 rows are not the signs of the 12"),
        ({"sequences": np.full((12, 4, FEATURES), np.nan, np.float32)}, "item 0 holds a value that is not finite"),
    ],
)
def test_damaged_signs_are_refused(signs: Path, change: dict[str, np.ndarray], words: str) -> None:
    with np.load(signs / "isl-keypoints/isl-keypoints.npz") as stored:
        whole = {name: stored[name] for name in stored.files}
    write_signs(signs / "isl-keypoints", **(whole | change))
    with pytest.raises(DataError, match=words):
        isl_keypoints.load(signs, {})


def test_a_file_that_is_missing_or_cut_is_named(signs: Path) -> None:
    (signs / "isl-keypoints/sequences.csv").write_text("row,sign\n0,hello\n")
    with pytest.raises(DataError, match=r"sequences.csv is damaged: KeyError: 'sequence'"):
        isl_keypoints.load(signs, {})
    path = signs / "isl-keypoints/isl-keypoints.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"isl-keypoints.npz is damaged"):
        isl_keypoints.load(signs, {})
    path.unlink()
    with pytest.raises(DataError, match=r"isl-keypoints.npz is missing; expected .* Get it from https"):
        isl_keypoints.load(signs, {})


def write_ts(path: Path, rows: list[str]) -> None:
    text = "#made\n@problemName NATOPS\n@data\n" + "\n".join(rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def a_row(value: float, label: str) -> str:
    """24 series of 51 numbers, each ``value`` plus its step and a thousandth of its number."""
    return ":".join([*(",".join(f"{value + s + f / 1000:.3f}" for s in range(51)) for f in range(24)), label])


@pytest.fixture
def gestures(tmp_path: Path) -> Path:
    (tmp_path / "natops").mkdir()
    write_ts(tmp_path / "natops/NATOPS_TRAIN.ts.gz", [a_row(10.0, "1"), a_row(20.0, "6.0"), a_row(25.0, "1")])
    write_ts(tmp_path / "natops/NATOPS_TEST.ts", [a_row(30.0, "6")])
    return tmp_path


def test_gestures_are_read_step_by_step_with_their_official_test_part(gestures: Path) -> None:
    found = natops.load(gestures, {})
    assert found.items.shape == (4, 1, 51, 24)
    assert found.items[1, 0, 3, 7] == pytest.approx(23.007)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 5, 0, 5]
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False, False, False, True]
    assert len(natops.load(gestures, {"part": "train"}).items) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "NATOPS_TEST.ts is damaged: it has no data"),
        ([a_row(1.0, "7")], "line 1 of its data has 24 series and the class '7'"),
        ([a_row(1.0, "1"), "1,2:3,4:1"], "line 2 of its data has 2 series"),
        ([a_row(1.0, "nan")], "class 'nan'"),
    ],
)
def test_damaged_gestures_are_refused(gestures: Path, rows: list[str], words: str) -> None:
    write_ts(gestures / "natops/NATOPS_TEST.ts", rows)
    with pytest.raises(DataError, match=words):
        natops.load(gestures, {})


def test_a_cut_archive_of_gestures_is_refused(gestures: Path) -> None:
    path = gestures / "natops/NATOPS_TRAIN.ts.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"NATOPS_TRAIN.ts.gz is damaged: it cannot be unpacked"):
        natops.load(gestures, {})


@pytest.fixture
def movements(tmp_path: Path) -> Path:
    (tmp_path / "libras").mkdir()
    rows = [",".join([*(f"{row + pair / 100}" for pair in range(90)), str(1 + row % 3)]) for row in range(6)]
    (tmp_path / "libras/movement_libras.data").write_text("\n".join([*rows, rows[4], ""]))
    return tmp_path


def test_movements_are_pairs_step_by_step_and_equal_rows_are_a_group(movements: Path) -> None:
    found = libras.load(movements, {})
    assert found.items.shape == (7, 1, 45, 2)
    assert found.items[0, 0, 3].tolist() == pytest.approx([0.06, 0.07])
    assert found.groups["copies"].tolist() == [0, 1, 2, 3, 4, 5, 4]
    assert found.name == "libras (1 exact copy)"
    assert len(libras.load(movements, {"duplicates": "drop"}).items) == 6
    with pytest.raises(DataError, match="1 exact copy"):
        libras.load(movements, {"duplicates": "refuse"})


@pytest.mark.parametrize(("row", "words"), [("0.1,0.2,1", "line 8 has 3 fields"), ("x,1", "line 8 has 2 fields")])
def test_damaged_movements_are_refused(movements: Path, row: str, words: str) -> None:
    with (movements / "libras/movement_libras.data").open("a") as stream:
        stream.write(row + "\n")
    with pytest.raises(DataError, match=words):
        libras.load(movements, {})


@pytest.mark.slow
def test_the_real_gestures_and_signs(real_root: Path) -> None:
    signs = isl_keypoints.load(real_root, {})
    assert signs.items.shape == (300, 1, 30, 258)
    assert signs.order is not None
    assert sorted(signs.order.tolist()) == sorted(list(range(30)) * 10)
    gestures = natops.load(real_root, {})
    assert gestures.labels is not None
    assert gestures.fixed_heldout is not None
    assert np.bincount(gestures.labels).tolist() == [60] * 6
    assert gestures.fixed_heldout.sum() == 180
    movements = libras.load(real_root, {})
    assert (len(movements.items), len(np.unique(movements.groups["copies"]))) == (360, 330)
