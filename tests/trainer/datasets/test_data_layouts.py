"""Readers on small files of the real layouts: what comes out is what was put in."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from trainer.batches import resident
from trainer.catalogue import DATASETS, resolve
from trainer.datasets import beats, preparation
from trainer.datasets.cifar import cifar10, cifar100
from trainer.datasets.image_folder import image_folder
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.mitbih import heartbeat_187, mitbih_windows
from trainer.datasets.mnist import mnist
from trainer.datasets.options import Chosen, Option, choose
from trainer.datasets.sheets import cifar10_sheets, cifar100_sheets
from trainer.datasets.tabular import Table, breast_cancer, diabetes, wine
from trainer.errors import DataError
from trainer.inputs import Inputs


def test_every_listed_data_set_says_its_licence_and_citation() -> None:
    for name in DATASETS:
        about = preparation.about(name)
        assert about.title
        assert about.licence
        assert about.citation
        assert about.source
        reader = resolve("data set", name, DATASETS)
        assert set(about.options) == set(getattr(reader, "declared", about.options))


def test_windows_are_cut_around_the_peaks(records: Path) -> None:
    found = mitbih_windows.load(records, {"before": 90, "after": 110})
    assert found.name == "mitbih_windows (3 of 48 records)"
    assert found.items.shape == (30, 1, 1, 200)
    assert found.items[:, 0, 0].argmax(axis=1).tolist() == [90] * 30
    assert found.items.max() == pytest.approx(1.0, abs=0.03)  # 200 units of 1/200 mV, and noise of 3
    assert found.groups["record"].tolist() == [100] * 10 + [201] * 10 + [202] * 10
    assert found.groups["patient"].tolist() == [100] * 10 + [201] * 20
    assert [found.classes[label] for label in found.labels[:10]] == list("NNNNSVNNQN")


def test_the_second_lead_is_another_signal(records: Path) -> None:
    second = mitbih_windows.load(records, {"lead": "second"})
    assert second.items.max() < 0.1
    first = mitbih_windows.load(records, {"lead": "first"})
    assert first.digest == mitbih_windows.load(records, {}).digest != second.digest


def test_heartbeats_start_at_the_peak_and_end_in_zeros(records: Path) -> None:
    found = heartbeat_187.load(records, {})
    assert found.items.shape == (27, 1, 1, 187)  # without each record's last beat
    values = found.items[:, 0, 0]
    assert values[:, :2].max(axis=1).min() > 0.8
    # Beats are 0.8 s apart: 1.2 periods are 120 samples at 125 Hz, the next peak lies at sample 100.
    assert values[:, 95:105].max(axis=1).min() > 0.8
    assert (values[:, 120:] == 0).all()
    assert (values[:, 110:120].max(axis=1) > 0).all()
    assert values.min() >= 0
    assert values.max() <= 1


def test_heartbeats_against_the_formula() -> None:
    rng = np.random.default_rng(3)
    signal = rng.normal(size=4000)
    at = np.sort(rng.choice(np.arange(50, 3900), size=30, replace=False))
    found = beats.heartbeats(signal, at, 125.0, 187)
    for row, peak in zip(found, at, strict=True):
        start = min(max(peak - 625, 0), 4000 - 1250)
        window = signal[start : start + 1250]
        peaks = at[(at >= start) & (at < start + 1250)]
        cut = min(round(1.2 * float(np.median(np.diff(peaks)))) if len(peaks) > 1 else 150, 187)
        expected = np.zeros(187)
        part = signal[peak : peak + cut]
        expected[: len(part)] = np.clip((part - window.min()) / (window.max() - window.min()), 0, 1)
        np.testing.assert_allclose(row, expected, atol=1e-7)


def test_resampling_keeps_slow_waves_and_their_places() -> None:
    seconds = np.arange(3600) / 360
    wave = 0.3 + np.sin(2 * np.pi * 5 * seconds)
    found = beats.resampled(wave, 360, 125)
    expected = 0.3 + np.sin(2 * np.pi * 5 * np.arange(1250) / 125)
    np.testing.assert_allclose(found[20:-20], expected[20:-20], atol=5e-3)
    assert beats.moved(np.array([0, 360, 3599]), 360, 125, 1250).tolist() == [0, 125, 1249]


def test_cifar_keeps_pixels_labels_and_the_official_test_part(cifar_files: Path) -> None:
    raw = pickle.loads((cifar_files / "cifar-10-batches-py" / "data_batch_2").read_bytes())
    train = cifar10.load(cifar_files, {})
    np.testing.assert_array_equal(train.items[16:32].reshape(16, -1), raw["data"])
    assert train.labels[16:32].tolist() == raw["labels"]
    assert train.fixed_heldout is None
    assert len(cifar10.load(cifar_files, {"part": "test"}).items) == 20
    both = cifar10.load(cifar_files, {"part": "all"})
    assert both.fixed_heldout is not None
    assert np.flatnonzero(both.fixed_heldout).tolist() == list(range(80, 100))


def test_fewer_classes_and_images_by_rule(cifar_files: Path) -> None:
    part = cifar10.load(cifar_files, {"classes": 3, "per_class": 4})
    assert np.bincount(part.labels).tolist() == [4, 4, 4]
    whole = cifar10.load(cifar_files, {})
    known = {image.tobytes(): whole.classes[label] for image, label in zip(whole.items, whole.labels, strict=True)}
    assert [part.classes[label] for label in part.labels] == [known[image.tobytes()] for image in part.items]
    smaller = cifar10.load(cifar_files, {"classes": 3, "per_class": 2})
    assert {image.tobytes() for image in smaller.items} < {image.tobytes() for image in part.items}
    assert cifar10.load(cifar_files, {"classes": 3, "sample_seed": 5}).classes != part.classes
    with pytest.raises(DataError, match="per_class is 99, but class 'kind-0' has 10 items"):
        cifar10.load(cifar_files, {"per_class": 99})
    with pytest.raises(DataError, match="classes is 11, but the data set has 10"):
        cifar10.load(cifar_files, {"classes": 11})


def test_idx_files_plain_and_gzipped(idx_files: Path) -> None:
    both = mnist.load(idx_files, {"part": "all"})
    assert both.items.shape == (60, 1, 28, 28)
    assert both.labels.tolist() == [*(i % 10 for i in range(40)), *(i % 10 for i in range(20))]
    raw = np.frombuffer((idx_files / "MNIST/raw/t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    np.testing.assert_array_equal(both.items[40:].ravel(), raw)


def test_sheets_are_cut_row_by_row(sheet_files: Path) -> None:
    found = cifar100_sheets.load(sheet_files, {"part": "all"})
    picture = np.asarray(Image.open(sheet_files / "cifar100/sheets/train/bear-00.webp"))
    images = {image.tobytes(): place for place, image in enumerate(found.items)}
    cell = picture[96:128, 224:256].transpose(2, 0, 1)
    place = images[np.ascontiguousarray(cell).tobytes()]
    assert 100 <= place < 200  # training images of the second class
    assert len(images) == 400
    assert found.labels.tolist() == [0] * 100 + [1] * 100 + [0] * 100 + [1] * 100
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False] * 200 + [True] * 200
    coarse = cifar100_sheets.load(sheet_files, {"labels": "coarse"})
    assert coarse.classes == ("large_carnivores", "fruit")
    assert coarse.labels.tolist() == [0] * 100 + [1] * 100


def test_sheets_of_cifar10_have_one_kind_of_labels(sheet_files: Path) -> None:
    known = cifar100_sheets.load(sheet_files, {"part": "all"})
    (sheet_files / "cifar100").rename(sheet_files / "cifar10")
    listing = sheet_files / "cifar10/classes.csv"
    listing.write_text("label,name\n1,apple\n0,bear\n")
    found = cifar10_sheets.load(sheet_files, {"part": "all"})
    assert found.classes == ("bear", "apple")
    assert {image.tobytes() for image in found.items} == {image.tobytes() for image in known.items}
    assert found.mean == (0.4914, 0.4822, 0.4465)
    listing.write_text("label,name\n1,apple\n2,bear\n")
    with pytest.raises(DataError, match=r"classes\.csv.*its column label does not go from 0 to 1.*label, name"):
        cifar10_sheets.prepare(sheet_files, {"part": "all"})
    with pytest.raises(DataError, match=r"data set cifar10_sheets: unknown option 'labels'"):
        cifar10_sheets.load(sheet_files, {"labels": "fine"})


def test_official_files_and_sheets_are_one_data_set(sheet_files: Path) -> None:
    sheets = cifar100.load(sheet_files, {"part": "all"})
    folder = sheet_files / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, part in (("train", slice(0, 200)), ("test", slice(200, 400))):
        order = rng.permutation(200)
        data = sheets.items[part].reshape(200, -1)[order]
        labels = sheets.labels[part][order].tolist()
        (folder / name).write_bytes(pickle.dumps({"data": data, "fine_labels": labels}, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "bear"]}, protocol=2))
    files = cifar100.load(sheet_files, {"part": "all", "source": "files"})
    assert files.digest == sheets.digest == cifar100_sheets.load(sheet_files, {"part": "all"}).digest
    assert cifar100.find(sheet_files, _chosen("auto")).watched[0].name == "index.csv.gz"  # the files are a part
    shutil.rmtree(sheet_files / "cifar100")
    assert cifar100.load(sheet_files, {"part": "all"}).digest == files.digest


def _chosen(source: str) -> Chosen:
    return choose("cifar100", cifar100.declared, {"source": source})


def test_mini_imagenet_merges_the_lists(mini_files: Path) -> None:
    found = mini_imagenet.load(mini_files, {"size": 100})
    assert found.classes == ("n01", "n02", "n03", "n04")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert found.name == "mini_imagenet (12 of 60000 images)"
    image = Image.open(mini_files / "mini-imagenet/images/n0200000001.jpg").resize(
        (100, 100), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(found.items[4], np.asarray(image).transpose(2, 0, 1))
    assert mini_imagenet.load(mini_files, {"normalise": "none"}).std == (1.0, 1.0, 1.0)


def test_class_folders_of_any_images(tmp_path: Path) -> None:
    for place, kind in enumerate(("cat", "dog")):
        (tmp_path / "pets" / kind / "deep").mkdir(parents=True)
        Image.new("L", (8, 8), 50 * place).save(tmp_path / "pets" / kind / "a.png")
        Image.new("RGBA", (9, 7), (1, 2, 3, 255)).save(tmp_path / "pets" / kind / "deep" / "b.png")
    found = image_folder.load(tmp_path, {"folder": "pets", "size": 8})
    assert found.items.shape == (4, 3, 8, 8)
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.items[2].ravel().tolist() == [50] * 192
    grey = image_folder.load(tmp_path, {"folder": str(tmp_path / "pets"), "mode": "grey"})
    assert grey.items.shape == (4, 1, 64, 64)


@pytest.mark.parametrize("reader", [breast_cancer, diabetes, wine], ids=lambda reader: reader.name)
def test_tables_are_standardised_by_the_training_part_of_each_fold(reader: Table) -> None:
    dataset = reader.load(None, {})
    data, train = resident(dataset, torch.device("cpu")), torch.arange(0, len(dataset.items), 2)
    inputs = Inputs(dataset)
    inputs.fit(data.items, train)
    seen = inputs(data.items[train], torch.float32)[:, 0, 0]
    np.testing.assert_allclose(seen.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(dim=0, correction=0), 1, atol=1e-5)
    others = inputs(data.items[1::2], torch.float32)[:, 0, 0]
    assert others.mean(dim=0).abs().max() > 1e-3


@pytest.mark.parametrize(("reader", "source"), [(breast_cancer, load_breast_cancer), (wine, load_wine)])
def test_tables_have_the_classes_of_their_source(reader: Table, source: Callable[[], Any]) -> None:
    found, bunch = reader.load(None, {}), source()
    np.testing.assert_array_equal(found.labels, bunch.target)
    assert list(found.classes) == bunch.target_names.tolist()


def test_a_quantity_is_cut_into_classes_of_equal_size() -> None:
    found, target = diabetes.load(None, {}), load_diabetes(scaled=False).target
    assert np.bincount(found.labels).tolist() == [221, 221]
    assert target[found.labels == 0].max() < 140.5 < target[found.labels == 1].min()


def test_a_summary_counts_classes_and_groups(records: Path) -> None:
    done = preparation.prepare("heartbeat_187", records, {"protocol": "ds1-ds2"})
    assert done.summary.items == 27
    assert done.summary.shape == (1, 1, 187)
    assert done.summary.groups == {"patient": 2, "record": 3}
    assert done.summary.heldout == 18  # records 100 and 202 are of DS2
    assert sum(done.summary.per_class.values()) == 27
    assert done.cache is not None
    assert (done.cache / "manifest.json").is_file()
    assert preparation.prepare("wine", None).cache is None


def test_downloads_only_where_torchvision_can_and_never_in_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="heartbeat_187 cannot be downloaded from here"):
        preparation.prepare("heartbeat_187", tmp_path, download=True)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with pytest.raises(DataError, match="no downloads inside Slurm job 17"):
        preparation.prepare("mnist", tmp_path, download=True)


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        (Option(default="MLII", meaning="m"), "default MLII"),
        (Option(default=True, meaning="m"), "default true"),
        (Option(default=None, meaning="m", kind=int), "default null"),
    ],
)
def test_an_options_default_is_shown_as_a_study_file_has_it(option: Option, shown: str) -> None:
    assert option.describe().endswith(shown)


def test_the_order_of_files_on_disk_plays_no_part(mini_files: Path, tmp_path: Path) -> None:
    first = mini_imagenet.load(mini_files, {"size": 8})
    images = tmp_path / "mini-imagenet" / "images"
    names = sorted(path.name for path in images.iterdir())
    shutil.move(images, tmp_path / "old")
    images.mkdir()
    for name in reversed(names):
        shutil.copy(tmp_path / "old" / name, images / name)
    assert mini_imagenet.load(mini_files, {"size": 8}).digest == first.digest
