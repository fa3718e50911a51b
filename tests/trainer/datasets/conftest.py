"""Small data roots with the layouts of the real ones, and the real one where there is one."""

from __future__ import annotations

import csv
import gzip
import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BEATS = {"100": "NNNNAVNN/N", "201": "NNVVNFNNAN", "202": "NNNNNNQNNN"}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test's own, so that no test writes below a data root or a home."""
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ACTSWEEP_CACHE", str(place))
    return place


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The root of the real data sets."""
    named = os.environ.get("ACTSWEEP_DATA")
    if not named:
        pytest.skip("NOT TESTED: the real MIT-BIH, CIFAR, MNIST and Mini-ImageNet files (ACTSWEEP_DATA is not set)")
    return Path(named)


@pytest.fixture(scope="session")
def record_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short records in WFDB form: 100 and 201 in format 212, 202 in format 516; a beat every 0.8 s."""
    folder = tmp_path_factory.mktemp("records") / "mitdb"
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # wfdb's own, about how it calls pandas
        for name, symbols in BEATS.items():
            write_record(folder, name, symbols)
    (folder / "RECORDS").write_text("100\n201\n202\n")
    return folder


def write_record(folder: Path, name: str, symbols: str) -> None:
    import wfdb

    rng = np.random.default_rng(int(name))
    at = 200 + 288 * np.arange(len(symbols))
    signal = rng.integers(-3, 4, size=(3600, 2)).astype(np.int64) + 1024
    signal[at, 0] += 200
    fmt = "516" if name == "202" else "212"
    record = wfdb.Record(
        record_name=name,
        n_sig=2,
        fs=360,
        sig_len=3600,
        fmt=[fmt, fmt],
        adc_gain=[200.0, 200.0],
        baseline=[1024, 1024],
        units=["mV", "mV"],
        adc_res=[11, 11],
        adc_zero=[1024, 1024],
        init_value=signal[0].tolist(),
        checksum=[int(total) for total in signal.sum(axis=0) % 65536],
        block_size=[0, 0],
        file_name=[f"{name}.dat"] * 2,
        sig_name=["MLII", "V1"],
        d_signal=signal,
    )
    record.wrheader(write_dir=str(folder))
    record.wr_dats(expanded=False, write_dir=str(folder))
    wfdb.wrann(name, "atr", at, list(symbols), write_dir=str(folder))


@pytest.fixture
def records(record_template: Path, tmp_path: Path) -> Path:
    """A data root with a copy of those records."""
    shutil.copytree(record_template, tmp_path / "mitdb")
    return tmp_path


@pytest.fixture
def cifar_files(tmp_path: Path) -> Path:
    """A data root with 80 + 20 images in CIFAR-10's layout: 10 or 5 of a class for training, 2 for testing."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, count in [*((f"data_batch_{i}", 16) for i in range(1, 6)), ("test_batch", 20)]:
        data = rng.integers(0, 256, size=(count, 3072), dtype=np.uint8)
        labels = [place % 10 for place in range(count)]
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels}, protocol=2))
    meta = {"label_names": [f"kind-{number}" for number in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return tmp_path


@pytest.fixture
def idx_files(tmp_path: Path) -> Path:
    """A data root with 40 + 20 images in MNIST's layout; the test labels gzipped."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, size=(count, 28, 28), dtype=np.uint8)
        head = b"\x00\x00\x08\x03" + np.array([count, 28, 28], ">u4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = np.arange(count, dtype=np.uint8) % 10
        raw = b"\x00\x00\x08\x01" + np.array([count], ">u4").tobytes() + labels.tobytes()
        if part == "t10k":
            (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(raw)
    return tmp_path


@pytest.fixture
def sheet_files(tmp_path: Path) -> Path:
    """A data root with two classes of CIFAR-100 sheets: 100 + 100 images each."""
    folder = tmp_path / "cifar100"
    rng = np.random.default_rng(0)
    lines = []
    for part in ("train", "test"):
        (folder / "sheets" / part).mkdir(parents=True)
        for kind in ("apple", "bear"):
            picture = rng.integers(0, 256, size=(320, 320, 3), dtype=np.uint8)
            name = f"{part}/{kind}-00.webp"
            Image.fromarray(picture).save(folder / "sheets" / name, lossless=True)
            lines += [(name, place // 10, place % 10, f"{kind}_{place}.png", kind) for place in range(100)]
    with gzip.open(folder / "sheets" / "index.csv.gz", "wt", newline="") as stream:
        csv.writer(stream).writerows([("sheet", "row", "col", "filename", "class"), *lines])
    (folder / "classes.csv").write_text(
        "fine_label,fine_name,coarse_label,coarse_name\n0,apple,1,fruit\n1,bear,0,large_carnivores\n"
    )
    return tmp_path


@pytest.fixture
def mini_files(tmp_path: Path) -> Path:
    """A data root with 12 JPEGs in the layout of Mini-ImageNet: two classes in train, one each in val and test."""
    folder = tmp_path / "mini-imagenet"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, kinds in {"train": ("n01", "n02"), "val": ("n03",), "test": ("n04",)}.items():
        rows = [("filename", "label")]
        for kind in kinds:
            for place in range(3):
                name = f"{kind}{place:08d}.jpg"
                picture = rng.integers(0, 256, size=(100, 90, 3), dtype=np.uint8)
                Image.fromarray(picture).save(folder / "images" / name)
                rows.append((name, kind))
        with (folder / f"{part}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return tmp_path
