"""Missing and damaged files: each a DataError that names the file, says what was expected and where to get it."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.datasets.array_pickle import read_arrays
from trainer.datasets.cifar import cifar10
from trainer.datasets.content import Content
from trainer.datasets.image_folder import image_folder
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.mitbih import heartbeat_187, mitbih_windows
from trainer.datasets.mnist import mnist
from trainer.datasets.reader import Reader
from trainer.datasets.sheets import cifar100_sheets
from trainer.errors import DataError


def fails(reader: Reader, root: Path, file: str, *told: str) -> None:
    """Both load and prepare fail, with a message that names the file and tells all of ``told``."""
    for act in (reader.load, reader.prepare):
        with pytest.raises(DataError) as caught:
            act(root, {})
        message = str(caught.value)
        assert str(root / file) in message
        for words in told:
            assert words in message


def cut(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_record_without_annotations(records: Path) -> None:
    (records / "mitdb/201.atr").unlink()
    fails(mitbih_windows, records, "mitdb/201.atr", "is missing", "physionet.org", "SHA-256 is ")


def test_a_missing_signal_says_how_many_files_are_missing(records: Path) -> None:
    (records / "mitdb/RECORDS").unlink()
    fails(heartbeat_187, records, "mitdb/101.hea", "135 of 144 files are missing", "physionet.org")


def test_a_truncated_signal_of_format_212(records: Path) -> None:
    cut(records / "mitdb/100.dat", 600)
    fails(mitbih_windows, records, "mitdb/100.dat", "10200 bytes", "expected 10800 bytes", "SHA-256 is ")


def test_a_truncated_signal_of_format_516(records: Path) -> None:
    cut(records / "mitdb/202.dat", 600)
    fails(mitbih_windows, records, "mitdb/202.dat", "is damaged", "3600 samples", "physionet.org")


def test_an_altered_signal(records: Path) -> None:
    path = records / "mitdb/100.dat"
    raw = bytearray(path.read_bytes())
    raw[3000] ^= 1
    path.write_bytes(raw)
    fails(mitbih_windows, records, "mitdb/100.dat", "the header's checksum")


def test_a_header_that_announces_more_signals_than_it_describes(records: Path) -> None:
    edit(records / "mitdb/100.hea", "100 2 360 3600", "100 3 360 3600")
    fails(mitbih_windows, records, "mitdb/100.hea", "3 signals")


def test_a_header_with_another_length(records: Path) -> None:
    edit(records / "mitdb/100.hea", "100 2 360 3600", "100 2 360 3500")
    fails(mitbih_windows, records, "mitdb/100.dat", "checksum")


def test_annotations_without_their_end(records: Path) -> None:
    cut(records / "mitdb/201.atr", 4)
    fails(mitbih_windows, records, "mitdb/201.atr", "end mark")


def test_a_signal_with_invalid_samples(records: Path) -> None:
    path = records / "mitdb/100.dat"
    raw = bytearray(path.read_bytes())
    raw[3 * 50 : 3 * 50 + 2] = b"\x00\x08"  # -2048, format 212's mark of an invalid sample, on the first lead
    path.write_bytes(raw)
    fails(mitbih_windows, records, "mitdb/100.dat", "sample 50", "NaN")


def test_a_list_of_records_that_are_none(records: Path) -> None:
    (records / "mitdb/RECORDS").write_text("100\nabc\n")
    fails(mitbih_windows, records, "mitdb/RECORDS", "'abc'")


def test_values_that_are_not_finite() -> None:
    items = np.zeros((5, 1, 1, 3), np.float32)
    items[3, 0, 0, 1] = np.nan
    content = Content(items=items, labels=np.zeros(5, np.int64), classes=("a", "b"))
    with pytest.raises(DataError, match="signals: item 3 holds a value that is not finite"):
        content.check("signals")


def test_an_unreadable_image(mini_files: Path) -> None:
    (mini_files / "mini-imagenet/images/n0200000001.jpg").write_bytes(b"no image")
    fails(mini_imagenet, mini_files, "mini-imagenet/images/n0200000001.jpg", "cannot be decoded", "image-net.org")


def test_a_cut_image(mini_files: Path) -> None:
    cut(mini_files / "mini-imagenet/images/n0200000001.jpg", 2000)
    fails(mini_imagenet, mini_files, "mini-imagenet/images/n0200000001.jpg", "cannot be decoded")


def test_a_list_that_names_an_absent_image(mini_files: Path) -> None:
    (mini_files / "mini-imagenet/images/n0300000002.jpg").unlink()
    fails(mini_imagenet, mini_files, "mini-imagenet/images/n0300000002.jpg", "line 4", "val.csv")


def test_a_list_that_names_several_absent_images_counts_them(mini_files: Path) -> None:
    for name in ("n0100000001", "n0200000000", "n0200000002"):
        (mini_files / f"mini-imagenet/images/{name}.jpg").unlink()
    fails(mini_imagenet, mini_files, "mini-imagenet/images/n0100000001.jpg", "3 of its 6 images are missing")


def test_a_list_without_its_columns(mini_files: Path) -> None:
    edit(mini_files / "mini-imagenet/val.csv", "filename,label", "file,kind")
    fails(mini_imagenet, mini_files, "mini-imagenet/val.csv", "filename and label")


def test_an_idx_file_with_another_magic_number(idx_files: Path) -> None:
    path = idx_files / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(b"\x00\x00\x0d\x03" + path.read_bytes()[4:])
    fails(mnist, idx_files, "MNIST/raw/train-images-idx3-ubyte", "00 00 0d 03", "00 00 08 03", "MD5")


@pytest.mark.parametrize("by", [5, 40 * 784 + 6])
def test_a_truncated_idx_file(idx_files: Path, by: int) -> None:
    cut(idx_files / "MNIST/raw/train-images-idx3-ubyte", by)
    fails(mnist, idx_files, "MNIST/raw/train-images-idx3-ubyte", f"{16 + 40 * 784 - by} bytes", "yann.lecun.com")


def test_a_truncated_gzip(idx_files: Path) -> None:
    cut(idx_files / "MNIST/raw/t10k-labels-idx1-ubyte.gz", 9)
    fails(mnist, idx_files, "MNIST/raw/t10k-labels-idx1-ubyte.gz", "cannot be unpacked")


def test_a_cifar_file_with_other_keys(cifar_files: Path) -> None:
    path = cifar_files / "cifar-10-batches-py/data_batch_3"
    path.write_bytes(pickle.dumps({"images": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}))
    fails(cifar10, cifar_files, "cifar-10-batches-py/data_batch_3", "['images', 'labels'], without data", "MD5")


def test_a_truncated_cifar_file(cifar_files: Path) -> None:
    cut(cifar_files / "cifar-10-batches-py/test_batch", 100)
    fails(cifar10, cifar_files, "cifar-10-batches-py/test_batch", "no whole pickle", "cs.toronto.edu")


class _Attack:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def test_a_pickle_that_would_run_something_is_refused(cifar_files: Path) -> None:
    path = cifar_files / "cifar-10-batches-py/data_batch_1"
    path.write_bytes(pickle.dumps({"data": _Attack()}))
    fails(cifar10, cifar_files, "cifar-10-batches-py/data_batch_1", "builtins.exec")


def test_a_pickle_of_objects_in_an_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps({"data": np.array([1, None], dtype=object)}))
    with pytest.raises(ValueError, match="not of numbers"):
        read_arrays(tmp_path / "x")


def test_a_sheet_of_another_size(sheet_files: Path) -> None:
    path = sheet_files / "cifar100/sheets/train/bear-00.webp"
    Image.new("RGB", (320, 288)).save(path, lossless=True)
    fails(cifar100_sheets, sheet_files, "cifar100/sheets/train/bear-00.webp", "288x320", "320x320")


def test_a_missing_sheet(sheet_files: Path) -> None:
    (sheet_files / "cifar100/sheets/test/apple-00.webp").unlink()
    fails(cifar100_sheets, sheet_files, "cifar100/sheets/test/apple-00.webp", "the index names")


def test_an_index_that_is_cut(sheet_files: Path) -> None:
    path = sheet_files / "cifar100/sheets/index.csv.gz"
    cut(path, 20)
    fails(cifar100_sheets, sheet_files, "cifar100/sheets/index.csv.gz", "cannot be read")
    path.write_bytes(gzip.compress(b"sheet,row\ntrain/apple-00.webp,0\n"))
    fails(cifar100_sheets, sheet_files, "cifar100/sheets/index.csv.gz", "sheet, row, col, filename, class")


def test_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "images" / "cat").mkdir(parents=True)
    fails(image_folder, tmp_path, "images", "<class>/<image>")


def test_a_damaged_manifest_is_told_by_load_and_replaced_by_prepare(idx_files: Path, cache_folder: Path) -> None:
    before = mnist.prepare(idx_files, {})
    (manifest,) = cache_folder.glob("mnist-*/manifest.json")
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(DataError) as caught:
        mnist.load(idx_files, {})
    assert str(manifest) in str(caught.value)
    assert "actsweep data prepare" in str(caught.value)
    assert mnist.prepare(idx_files, {}).digest == before.digest
    assert mnist.load(idx_files, {}).digest == before.digest


def test_a_cut_cache_file_is_told_by_load(idx_files: Path, cache_folder: Path) -> None:
    mnist.prepare(idx_files, {})
    (items,) = cache_folder.glob("mnist-*/items.npy")
    cut(items, 100)
    with pytest.raises(DataError) as caught:
        mnist.load(idx_files, {})
    assert str(items) in str(caught.value)


def test_an_altered_cache_file_is_found_by_prepare(idx_files: Path, cache_folder: Path) -> None:
    before = mnist.prepare(idx_files, {})
    (items,) = cache_folder.glob("mnist-*/items.npy")
    raw = bytearray(items.read_bytes())
    raw[-1] ^= 255
    items.write_bytes(raw)
    after = mnist.prepare(idx_files, {})
    assert after.digest == before.digest
    np.testing.assert_array_equal(after.items, before.items)


def test_a_manifest_of_another_schema(idx_files: Path, cache_folder: Path) -> None:
    mnist.prepare(idx_files, {})
    (manifest,) = cache_folder.glob("mnist-*/manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 99}))
    with pytest.raises(DataError, match="no manifest of schema 2"):
        mnist.load(idx_files, {})


def test_no_root_and_a_wrong_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a data root"):
        mnist.load(None, {})
    with pytest.raises(DataError, match="is not a folder here"):
        mnist.load(tmp_path / "nowhere", {})
    with pytest.raises(DataError, match="none of the folders mnist/MNIST/raw, MNIST/raw exists"):
        mnist.load(tmp_path, {})


def test_options_are_read_strictly(idx_files: Path) -> None:
    with pytest.raises(DataError, match="unknown option 'prat'; did you mean 'part'"):
        mnist.load(idx_files, {"prat": "all"})
    with pytest.raises(DataError, match=r"option part is 'both'; .* train, test, all; default train"):
        mnist.load(idx_files, {"part": "both"})
    with pytest.raises(DataError, match=r"option per_class is True; .* a whole number of at least 1"):
        mnist.load(idx_files, {"per_class": True})
