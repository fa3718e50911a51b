"""Other bytes under the same names, sizes and times are another data set; what did not change is not read again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import staging
from trainer.datasets import fingerprint
from trainer.datasets.digits import digits
from trainer.datasets.image_folder import image_folder
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.mnist import mnist
from trainer.datasets.reader import Dataset
from trainer.datasets.sheets import cifar100_sheets
from trainer.errors import DataError
from trainer.spec import DataSpec, Scalar

LABELS = Path("MNIST/raw/train-labels-idx1-ubyte")
TICK_S = 0.05
"""Longer than the clock of a local file system takes to move on."""


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are believed as soon as the clock has moved on, so that no test waits for them, and wherever tests run."""
    monkeypatch.setattr(fingerprint, "SETTLE_S", TICK_S / 2)
    monkeypatch.setattr(fingerprint, "file_system", lambda mounts, device, folder: "ext4")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read whole from here on."""
    found: list[str] = []
    read = fingerprint.Known._read

    def counted(self: fingerprint.Known, pair: tuple[Path, fingerprint.Found]) -> str:
        found.append(pair[0].name)
        return read(self, pair)

    monkeypatch.setattr(fingerprint.Known, "_read", counted)
    return found


def other(path: Path) -> bytes:
    """The file's bytes but for its first label, or its last pixel."""
    raw = bytearray(path.read_bytes())
    raw[8] = 9
    return bytes(raw)


def in_place(path: Path, raw: bytes) -> None:
    facts = path.stat()
    path.write_bytes(raw)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def copied_over(path: Path, raw: bytes) -> None:
    """``cp -p`` of a file of the same time, then a rename, as rsync -t has it."""
    facts, aside = path.stat(), path.with_suffix(".aside")
    aside.write_bytes(raw)
    os.utime(aside, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    shutil.copy2(aside, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    aside.unlink()


def untarred(path: Path, raw: bytes) -> None:
    facts, archive = path.stat(), path.with_suffix(".tar")
    in_place(path, raw)
    with tarfile.open(archive, "w") as tar:
        tar.add(path, path.name)
    path.unlink()
    with tarfile.open(archive) as tar:
        tar.extractall(path.parent, filter="data")
    archive.unlink()
    assert path.stat().st_mtime == pytest.approx(facts.st_mtime, abs=1e-3)


def unzipped(path: Path, raw: bytes) -> None:
    """Archives of this kind keep times in steps of two seconds."""
    archive, old = path.with_suffix(".zip"), path.stat().st_mtime_ns
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo(path.name, date_time=(2020, 1, 1, 0, 0, 0)), raw)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(path.parent)
    archive.unlink()
    os.utime(path, ns=(old, old))


WAYS = pytest.mark.parametrize("way", [in_place, copied_over, untarred, unzipped], ids=lambda way: way.__name__)


@WAYS
@pytest.mark.usefixtures("settled")
def test_other_bytes_under_the_same_name_size_and_time(idx_files: Path, way: Callable[[Path, bytes], None]) -> None:
    path = idx_files / LABELS
    os.utime(path, (1_577_836_800, 1_577_836_800))
    time.sleep(TICK_S)
    before = mnist.prepare(idx_files, {})
    facts = path.stat()
    way(path, other(path))
    assert (path.stat().st_size, int(path.stat().st_mtime)) == (facts.st_size, int(facts.st_mtime))
    for find in (mnist.load, mnist.prepare, mnist.load):
        after = find(idx_files, {})
        assert after.labels is not None
        assert after.labels[0] == 9
        assert after.digest != before.digest
    assert mnist.cached(idx_files, {}) is not None


def test_a_change_within_a_tick_of_the_clock(idx_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file system's clock stood still: nothing but the bytes tells."""
    path, state = idx_files / LABELS, fingerprint.State(1, 1, time.time_ns(), 1)
    monkeypatch.setattr(fingerprint, "_look", lambda path: fingerprint.Found(state, path.stat().st_dev))
    before = mnist.prepare(idx_files, {})
    path.write_bytes(other(path))
    assert mnist.load(idx_files, {}).digest != before.digest


@pytest.mark.usefixtures("settled")
def test_two_roots_of_one_cache_whose_files_look_alike(idx_files: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(idx_files / "MNIST", second / "MNIST")  # keeps times
    in_place(second / LABELS, other(second / LABELS))
    assert mnist.prepare(idx_files, {}).digest != mnist.prepare(second, {}).digest
    assert mnist.load(second, {}).labels[0] == 9  # type: ignore[index]
    assert mnist.load(idx_files, {}).labels[0] == 0  # type: ignore[index]


@pytest.mark.usefixtures("settled")
def test_two_folders_of_pictures_that_look_alike(tmp_path: Path) -> None:
    for folder, shade in (("a", 10), ("b", 200)):
        for kind in ("cat", "dog"):
            (tmp_path / folder / kind).mkdir(parents=True)
            Image.new("L", (4, 4), shade).save(tmp_path / folder / kind / "x.bmp")
            os.utime(tmp_path / folder / kind / "x.bmp", (1, 1))
    shades = [image_folder.prepare(tmp_path, {"folder": name, "size": 4}).items.max() for name in ("a", "b", "a")]
    assert shades == [10, 200, 10]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("reader", ["listed images", "sheets"])
def test_files_that_a_list_names_are_looked_at_too(request: pytest.FixtureRequest, reader: str, tmp_path: Path) -> None:
    if reader == "sheets":
        request.getfixturevalue("sheet_files")
        load, path = cifar100_sheets, tmp_path / "cifar100/sheets/train/bear-00.webp"
    else:
        request.getfixturevalue("mini_files")
        load, path = mini_imagenet, tmp_path / "mini-imagenet/images/n0200000001.jpg"  # type: ignore[assignment]
    time.sleep(TICK_S)
    before = load.prepare(tmp_path, {})
    with Image.open(path) as image:
        turned = image.rotate(180)
    folder = path.parent.stat()
    turned.save(path, **({"lossless": True} if path.suffix == ".webp" else {}))
    assert path.parent.stat().st_mtime_ns == folder.st_mtime_ns
    assert load.load(tmp_path, {}).digest != before.digest


@pytest.mark.usefixtures("settled")
def test_unchanged_files_are_read_whole_once(idx_files: Path, reads: list[str]) -> None:
    time.sleep(TICK_S)
    before = mnist.prepare(idx_files, {})
    assert sorted(name for name in reads if "ubyte" in name) == sorted(
        path.name for path in (idx_files / "MNIST/raw").iterdir()
    )
    time.sleep(TICK_S)
    mnist.load(idx_files, {})  # looks at the entry's arrays
    reads.clear()
    mnist.load(idx_files, {})
    assert reads == []
    (idx_files / LABELS).touch()
    assert mnist.load(idx_files, {}).digest == before.digest
    assert reads == [LABELS.name]
    assert isinstance(mnist.load(idx_files, {}).items, np.memmap)


def test_looks_at_many_files_of_a_slow_disk_are_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / str(place) for place in range(2048)]
    for path in paths:
        path.touch()
    look = fingerprint._look

    def later(path: Path) -> fingerprint.Found:
        time.sleep(0.002)
        return look(path)

    monkeypatch.setattr(fingerprint, "_look", later)
    began = time.monotonic()
    assert len(fingerprint.look(paths)) == 2048
    assert time.monotonic() - began < 2048 * 0.002 / 2


def test_nothing_is_read_for_a_cache_that_holds_nothing_of_the_kind(idx_files: Path, reads: list[str]) -> None:
    mnist.load(idx_files, {})
    assert reads == []


@pytest.mark.usefixtures("settled")
def test_file_systems_without_a_time_of_change_are_read_each_time(
    idx_files: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(TICK_S)
    mnist.prepare(idx_files, {})
    monkeypatch.setattr(fingerprint, "KEEP_CHANGE_TIMES", frozenset({"ext9"}))
    reads.clear()
    mnist.load(idx_files, {})
    assert len([name for name in reads if "ubyte" in name]) == 4


@pytest.mark.parametrize(
    ("device", "folder", "kind"),
    [
        ((8, 1), "/home", "ext4"),
        ((0, 51), "/mnt/my disk/x", "fuse.sshfs"),
        ((0, 99), "/mnt/my disk/x", "fuse.sshfs"),  # a number that no mount has, as on btrfs: by the mount point
        ((0, 99), "/mnt/my disks", "ext4"),
        ((0, 60), "/scratch", "lustre"),
    ],
)
def test_types_of_file_systems_are_read_from_the_mounts(device: tuple[int, int], folder: str, kind: str) -> None:
    mounts = [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "40 22 0:51 / /mnt/my\\040disk rw,nosuid - fuse.sshfs me@there: rw",
        "41 22 0:60 / /scratch rw,flock - lustre 10.0.0.1@o2ib:/s rw",
    ]
    assert fingerprint.file_system(mounts, os.makedev(*device), folder) == kind


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", ["{", '{"schema": 9}', '{"schema": 1, "folder": 3, "files": []}', "[]"])
def test_a_damaged_memory_costs_a_reading(idx_files: Path, cache_folder: Path, reads: list[str], damage: str) -> None:
    time.sleep(TICK_S)
    before = mnist.prepare(idx_files, {})
    for file in (cache_folder / "known").iterdir():
        file.write_text(damage)
    reads.clear()
    assert mnist.load(idx_files, {}).digest == before.digest
    assert LABELS.name in reads
    assert all(json.loads(file.read_text())["schema"] == 1 for file in (cache_folder / "known").iterdir())


@pytest.mark.usefixtures("settled")
def test_a_memory_that_cannot_be_renewed_is_not_in_the_way(tmp_path: Path, reads: list[str]) -> None:
    """Where the first place holds what another user once saw and may not be written, the second one counts."""
    file, places = tmp_path / "data" / "x", [tmp_path / "first", tmp_path / "second"]
    file.parent.mkdir()

    def digest(*where: Path) -> str:
        time.sleep(TICK_S)
        known = fingerprint.Known(file.parent, where)
        (found,) = known.digests([file], fingerprint.look([file]))
        known.save()
        return found

    file.write_bytes(b"1")
    first = digest(*places)
    file.write_bytes(b"2")
    second = digest(places[1])
    reads.clear()
    assert first != second == digest(*places)
    assert reads == []


_PROGRAM = """
import sys, time
from pathlib import Path
from trainer.datasets import fingerprint
from trainer.datasets.mnist import mnist
fingerprint.SETTLE_S, fingerprint.file_system = 0.02, lambda *_: "ext4"
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
print(*{mnist.load(Path(sys.argv[1]), {}).digest for _ in range(5)})
"""


@pytest.mark.usefixtures("settled")
def test_processes_that_read_and_remember_at_once(idx_files: Path, cache_folder: Path, tmp_path: Path) -> None:
    time.sleep(TICK_S)
    before = mnist.prepare(idx_files, {})
    shutil.rmtree(cache_folder / "known")
    start = tmp_path / "start"
    command = [sys.executable, "-c", _PROGRAM, str(idx_files), str(start)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    start.touch()
    assert {process.communicate(timeout=60)[0].strip() for process in running} == {before.digest}
    memories = [json.loads(file.read_text()) for file in (cache_folder / "known").iterdir()]
    assert {memory["folder"] for memory in memories} >= {str(idx_files / "MNIST" / "raw")}


def test_a_file_that_changes_while_it_is_converted(
    idx_files: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = type(mnist).convert

    def and_write(self: object, *given: object) -> object:
        found = convert(mnist, *given)  # type: ignore[arg-type]
        in_place(idx_files / LABELS, other(idx_files / LABELS))
        return found

    monkeypatch.setattr(type(mnist), "convert", and_write)
    for read in (mnist.prepare, mnist.load):
        with pytest.raises(DataError, match=rf"data set mnist: .*{LABELS.name} changed while it was read; wait until"):
            read(idx_files, {})
    assert list(cache_folder.glob("mnist-*")) == []


@pytest.mark.usefixtures("settled")
def test_an_altered_array_of_the_cache_is_told_by_load(idx_files: Path, cache_folder: Path) -> None:
    mnist.prepare(idx_files, {})
    mnist.load(idx_files, {})
    time.sleep(TICK_S)
    mnist.load(idx_files, {})
    (items,) = cache_folder.glob("mnist-*/items.npy")
    raw = bytearray(items.read_bytes())
    raw[-1] ^= 255
    in_place(items, bytes(raw))
    with pytest.raises(DataError, match=r"items\.npy is damaged \(its checksum is not the manifest's\)"):
        mnist.load(idx_files, {})


def test_a_conversion_is_given_only_the_options_of_its_key(idx_files: Path) -> None:
    asked = mnist._ask(idx_files, {"part": "all", "per_class": 2})
    assert asked.converting.values == {}
    assert asked.chosen.values["part"] == "all"


class Watched:
    """The digits, as if they were read from a file and a folder below a root."""

    about = digits.about
    loads = 0

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during

    def files(self, root: Path | None, options: dict[str, Scalar]) -> list[Path]:
        assert root is not None
        return [root / "digits.bin", root / "parts"]

    def load(self, root: Path | None, options: dict[str, Scalar]) -> Dataset:
        self.loads += 1
        self.during()
        return digits.load(None, {})

    def prepare(self, root: Path | None, options: dict[str, Scalar]) -> Dataset:
        return self.load(root, options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data" / "parts" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "digits.bin").write_bytes(b"123")
    (tmp_path / "data" / "parts" / "deep" / "a.bin").write_bytes(b"456")
    return tmp_path / "data"


def staged(reader: Watched, root: Path) -> Dataset:
    return staging.load(reader, DataSpec(name="w"), root, str(root.parent / "scratch"), code="c")  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["digits.bin", "parts/deep/a.bin"])
@pytest.mark.parametrize("fresh", [True, False], ids=["at once", "after a while"])
def test_files_that_only_look_the_same_are_staged_anew(
    root: Path, file: str, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Watched()
    monkeypatch.setattr(fingerprint, "SETTLE_S", 1e9 if fresh else TICK_S / 2)
    if not fresh:
        monkeypatch.setattr(fingerprint, "file_system", lambda mounts, device, folder: "ext4")
        time.sleep(TICK_S)
    staged(reader, root)
    staged(reader, root)
    assert reader.loads == 1
    in_place(root / file, b"789")
    staged(reader, root)
    assert reader.loads == 2


def test_files_that_change_while_they_are_staged_are_not_kept(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = Watched(lambda: in_place(root / "digits.bin", b"999"))
    assert staged(reader, root).digest == digits.load(None, {}).digest
    assert "its files changed while they were read" in caplog.text
    assert not [path for path in (root.parent / "scratch").glob("*/*") if path.is_dir()]


@pytest.mark.parametrize("array", ["items", "labels"])
def test_an_altered_copy_on_a_node_is_not_used(root: Path, caplog: pytest.LogCaptureFixture, array: str) -> None:
    staged(Watched(), root)
    (copy,) = [path for path in (root.parent / "scratch").glob("*/*") if path.is_dir()]
    raw = bytearray((copy / f"{array}.npy").read_bytes())
    raw[-8] ^= 1
    in_place(copy / f"{array}.npy", bytes(raw))
    found = staged(Watched(), root)
    np.testing.assert_array_equal(found.items, digits.load(None, {}).items)
    np.testing.assert_array_equal(found.targets, digits.load(None, {}).targets)
    assert f"{array}.npy holds other bytes than were written" in caplog.text
