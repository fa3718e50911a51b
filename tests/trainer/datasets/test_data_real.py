"""The real files: counts, known statistics, and the same images by two ways. Skipped, loudly, where there are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer.datasets import mitbih
from trainer.datasets.cifar import cifar10, cifar100
from trainer.datasets.image_folder import image_folder
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.mnist import mnist
from trainer.datasets.sheets import cifar10_sheets, cifar100_sheets
from trainer.spec import SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def shared_cache(real_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real files are converted once for all tests here."""
    monkeypatch.setenv("ACTSWEEP_CACHE", str(real_cache))


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


PER_RECORD = {  # MIT-BIH's own tables, a few records of each kind: N, S, V, F, Q
    100: (2239, 33, 1, 0, 0),
    102: (99, 0, 4, 0, 2084),
    114: (1820, 12, 43, 4, 0),
    208: (1586, 2, 992, 373, 2),
    232: (398, 1382, 0, 0, 0),
}


def test_windows_hold_every_beat_of_the_48_records(real_root: Path) -> None:
    found = mitbih.mitbih_windows.prepare(real_root, {})
    assert len(np.unique(found.groups["record"])) == 48
    assert np.bincount(found.labels).tolist() == [90_631, 2_781, 7_236, 803, 8_043]
    assert len(found.items) == 109_494
    for record, counts in PER_RECORD.items():
        labels = found.labels[found.groups["record"] == record]
        assert tuple(np.bincount(labels, minlength=5)) == counts
    assert found.items.mean(dtype=np.float64) == pytest.approx(found.mean[0], abs=1e-4)
    assert found.items.std(dtype=np.float64) == pytest.approx(found.std[0], abs=1e-4)


def test_heartbeats_have_the_published_totals(real_root: Path) -> None:
    found = mitbih.heartbeat_187.prepare(real_root, {})
    assert np.bincount(found.labels).tolist() == [90_589, 2_779, 7_236, 803, 8_039]
    assert found.items.shape == (109_446, 1, 1, 187)
    assert found.items.dtype == np.float32
    assert 0.0 == found.items.min() < found.items.max() == 1.0
    patients, records = found.groups["patient"], found.groups["record"]
    assert len(np.unique(patients)) == 47
    assert np.unique(patients[np.isin(records, (201, 202))]).tolist() == [201]
    assert found.name == "heartbeat_187"


def test_ds1_and_ds2_leave_out_the_paced_records(real_root: Path) -> None:
    found = mitbih.heartbeat_187.prepare(real_root, {"protocol": "ds1-ds2"})
    assert found.fixed_heldout is not None
    records = found.groups["record"]
    assert set(records[found.fixed_heldout]) == set(mitbih.DS2)
    assert set(records[~found.fixed_heldout]) == set(mitbih.DS1)
    smaller = mitbih.heartbeat_187.load(real_root, {"protocol": "ds1-ds2", "sample": 2000})
    assert smaller.fixed_heldout is not None
    assert len(smaller.items) == 2000
    assert smaller.fixed_heldout.mean() == pytest.approx(found.fixed_heldout.mean(), abs=0.02)


def test_a_sample_keeps_classes_and_patients_in_proportion(real_root: Path) -> None:
    whole = mitbih.heartbeat_187.prepare(real_root, {})
    part = mitbih.heartbeat_187.load(real_root, {"sample": 6000})
    share = 6000 / len(whole.items)
    for number in range(5):
        assert abs((part.labels == number).sum() - share * (whole.labels == number).sum()) <= 1
        for patient in np.unique(whole.groups["patient"]):
            cell = (whole.labels == number) & (whole.groups["patient"] == patient)
            kept = ((part.labels == number) & (part.groups["patient"] == patient)).sum()
            assert abs(kept - share * cell.sum()) <= 2
    again = mitbih.heartbeat_187.load(real_root, {"sample": 6000})
    other = mitbih.heartbeat_187.load(real_root, {"sample": 6000, "sample_seed": 1})
    assert again.digest == part.digest != other.digest


def test_the_sheets_are_the_whole_of_cifar100(real_root: Path) -> None:
    train = cifar100_sheets.prepare(real_root, {})
    test = cifar100_sheets.load(real_root, {"part": "test"})
    assert np.bincount(train.labels).tolist() == [500] * 100
    assert np.bincount(test.labels).tolist() == [100] * 100
    values = train.items.astype(np.float32) / 255
    assert values.mean(axis=(0, 2, 3), dtype=np.float64) == pytest.approx((0.5071, 0.4865, 0.4409), abs=5e-5)
    assert values.std(axis=(0, 2, 3), dtype=np.float64) == pytest.approx((0.2673, 0.2564, 0.2762), abs=5e-5)
    assert (train.mean, train.std) == ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def test_the_sheets_of_cifar10_hold_the_images_of_its_files(real_root: Path) -> None:
    """The files here are 400 of the sheets' 10,000."""
    sheets = cifar10_sheets.prepare(real_root, {"part": "all"})
    files = cifar10.load(real_root, {"part": "all"})
    assert np.bincount(sheets.labels).tolist() == [1000] * 10
    assert files.classes == sheets.classes
    known = {(image.tobytes(), int(label)) for image, label in zip(sheets.items, sheets.labels, strict=True)}
    shared = sum((image.tobytes(), int(label)) in known for image, label in zip(files.items, files.labels, strict=True))
    assert shared > 0
    others = {(image.tobytes(), int(label)) for image, label in zip(files.items, (files.labels + 1) % 10, strict=True)}
    assert not others & known


def test_sheets_and_official_files_hold_the_same_images(real_root: Path) -> None:
    files = cifar100.load(real_root, {"part": "all", "source": "files"})
    sheets = cifar100_sheets.prepare(real_root, {"part": "all"})
    assert files.classes == sheets.classes
    known = {(image.tobytes(), int(label)) for image, label in zip(sheets.items, sheets.labels, strict=True)}
    assert all((image.tobytes(), int(label)) in known for image, label in zip(files.items, files.labels, strict=True))
    assert files.name == "cifar100 (400 of 50000 training and 100 of 10000 test images)"
    assert cifar100.load(real_root, {"part": "all"}).digest == sheets.digest
    coarse = cifar100.load(real_root, {"part": "all", "labels": "coarse", "source": "files"})
    assert coarse.classes[int(coarse.labels[0])] == "aquatic_mammals"
    assert np.bincount(coarse.labels).tolist() == [25] * 20


def test_folds_by_patient_share_no_patient(real_root: Path) -> None:
    found = mitbih.heartbeat_187.prepare(real_root, {})
    patients = found.groups["patient"]
    heldout = []
    for fold in range(5):
        parts = split(
            found,
            SplitSpec(group="patient"),
            Classification.strata(found),
            phase="confirm",
            seed=1,
            repeat=0,
            fold=fold,
        )
        sides = [set(patients[indices]) for indices in (parts.train, parts.validation, parts.heldout)]
        assert len(set.union(*sides)) == sum(map(len, sides)) == 47
        heldout.append(parts.heldout)
    assert np.sort(np.concatenate(heldout)).tolist() == list(range(109_446))


def test_cifar10_gives_what_torchvision_gives(real_root: Path) -> None:
    from torchvision.datasets import CIFAR10

    class Part(CIFAR10):  # torchvision's own class, without its comparison with the complete files
        train_list = [[f"data_batch_{i}", None] for i in range(1, 6)]  # noqa: RUF012
        test_list = [["test_batch", None]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": None}  # noqa: RUF012

    import warnings

    for part in ("train", "test"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy, about the type numbers in old pickles
            theirs = Part(root=str(real_root / "cifar10"), train=part == "train")
        ours = cifar10.load(real_root, {"part": part})
        np.testing.assert_array_equal(ours.items, theirs.data.transpose(0, 3, 1, 2))
        assert ours.labels.tolist() == theirs.targets
        assert list(ours.classes) == theirs.classes


def test_mnist_gives_what_torchvision_gives(real_root: Path, tmp_path: Path) -> None:
    from torchvision.datasets import MNIST

    unpacked = tmp_path / "MNIST" / "raw"
    unpacked.mkdir(parents=True)
    for packed in (real_root / "mnist" / "MNIST" / "raw").glob("*.gz"):
        (unpacked / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    for part, count in (("train", 60_000), ("test", 10_000)):
        theirs = MNIST(root=str(tmp_path), train=part == "train")
        ours = mnist.load(real_root, {"part": part})
        np.testing.assert_array_equal(ours.items[:, 0], theirs.data.numpy())
        np.testing.assert_array_equal(ours.labels, theirs.targets.numpy())
        assert len(ours.items) == count


def test_the_stand_in_for_mini_imagenet_says_so(real_root: Path) -> None:
    found = mini_imagenet.load(real_root, {"images": "stand-in", "size": 32})
    assert found.name == "mini_imagenet (stand-in of 1250 images in 25 classes)"
    assert np.bincount(found.labels).tolist() == [50] * 25
    assert found.items.shape == (1250, 3, 32, 32)


def test_photographs_in_class_folders(real_root: Path) -> None:
    found = image_folder.load(real_root, {"folder": "sign-digits", "size": 100})
    assert found.classes == tuple("0123456789")
    assert np.bincount(found.labels).tolist() == [20] * 10
