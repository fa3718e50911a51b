"""The cache: one entry from many processes, found again, renewed when sources change."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trainer import staging
from trainer.datasets import cache, claim
from trainer.datasets.content import Content, array_digest, content_digest
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.mnist import mnist
from trainer.datasets.sampling import shares, stratified
from trainer.errors import DataError
from trainer.spec import DataSpec

_PROGRAM = """
import sys, time
from pathlib import Path
from trainer.datasets.mnist import mnist
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
print(mnist.prepare(Path(sys.argv[1]), {}).digest)
"""


def test_processes_that_start_at_once_agree_on_one_entry(idx_files: Path, cache_folder: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    command = [sys.executable, "-c", _PROGRAM, str(idx_files), str(start)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    start.touch()
    digests = {process.communicate(timeout=60)[0].strip() for process in running}
    assert all(process.returncode == 0 for process in running)
    assert digests == {mnist.load(idx_files, {}).digest}
    assert [path.name for path in cache_folder.iterdir() if path.name != "known"] == [
        next(cache_folder.glob("mnist-*")).name
    ]


def _slow_prepare(place: str, number: int) -> None:
    os.environ["ACTSWEEP_CACHE"] = place
    key = cache.Key(reader="slow", version=1, options={}, sources="x")

    def convert(store: cache.Store) -> Content:
        items = store.array("items", (4, 1, 1, 2), np.float32)
        time.sleep(0.5)
        (Path(place) / f"converted-{number}").touch()
        return Content(items=items, labels=np.array([0, 1, 0, 1]), classes=("a", "b"))

    cache.obtain(key, None, convert)


def test_one_process_converts_and_the_others_wait(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    processes = [context.Process(target=_slow_prepare, args=(str(tmp_path), number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert len(list(tmp_path.glob("converted-*"))) == 1


def test_a_claim_left_by_a_dead_process_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "STALE_S", 0.5)
    key = cache.Key(reader="slow", version=1, options={}, sources="x")
    (tmp_path / f".{key.folder}.claim").mkdir()
    _slow_prepare(str(tmp_path), 0)
    assert (tmp_path / key.folder / "manifest.json").is_file()


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_CACHE", str(tmp_path))

    def convert(store: cache.Store) -> Content:
        store.array("items", (4, 1, 1, 2), np.float32)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.obtain(cache.Key(reader="bad", version=1, options={}, sources="x"), None, convert)
    assert list(tmp_path.iterdir()) == []


def test_prepared_and_read_directly_are_the_same(idx_files: Path) -> None:
    direct = mnist.load(idx_files, {"part": "all"})
    prepared = mnist.prepare(idx_files, {"part": "all"})
    cached = mnist.load(idx_files, {"part": "all"})
    assert direct.digest == prepared.digest == cached.digest
    np.testing.assert_array_equal(direct.items, cached.items)
    assert isinstance(cached.items, np.memmap)
    assert cached.items.flags.writeable  # torch takes it so; the file stays as it is
    assert direct.digest == content_digest(direct.items, direct.labels, direct.classes, direct.groups)


def test_changed_sources_make_a_new_entry(idx_files: Path, cache_folder: Path) -> None:
    before = mnist.prepare(idx_files, {})
    path = idx_files / "MNIST/raw/train-labels-idx1-ubyte"
    raw = bytearray(path.read_bytes())
    raw[8] = 9
    path.write_bytes(raw)
    os.utime(path, (1, 1))
    after = mnist.load(idx_files, {})
    assert after.labels[0] == 9 != before.labels[0]
    mnist.prepare(idx_files, {})
    assert len(list(cache_folder.glob("mnist-*"))) == 2


def test_the_cache_lies_below_the_root_unless_told_otherwise(
    idx_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTSWEEP_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    mnist.prepare(idx_files, {})
    assert mnist.cached(idx_files, {}) == next((idx_files / ".actsweep-cache").glob("mnist-*"))
    monkeypatch.setattr(
        cache, "places", lambda root: [idx_files / "MNIST/raw/t10k-images-idx3-ubyte" / "x", tmp_path / "b"]
    )
    mnist.prepare(idx_files, {})
    assert mnist.cached(idx_files, {}) == next((tmp_path / "b").glob("mnist-*"))


def test_a_copied_root_keeps_its_cache(idx_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTSWEEP_CACHE")
    mnist.prepare(idx_files, {})
    shutil.copytree(idx_files, tmp_path / "staged")
    assert isinstance(mnist.load(tmp_path / "staged", {}).items, np.memmap)


def test_digests_tell_types_shapes_and_values_apart() -> None:
    flat = np.zeros(8, np.uint8)
    found = {array_digest(array) for array in (flat, flat.reshape(2, 4), flat.view(np.int64), flat + 1)}
    assert len(found) == 4
    large = np.arange(5_000_000, dtype=np.int64).reshape(-1, 50)
    assert array_digest(large) == array_digest(np.asfortranarray(large))


def test_shares_add_up_and_stay_within_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        sizes = rng.integers(0, 500, size=rng.integers(1, 20)).tolist()
        sizes[0] += 1
        total = int(rng.integers(0, sum(sizes) + 1))
        dealt = shares(sizes, total)
        assert sum(dealt) == total
        assert all(
            0 <= part <= size and abs(part - size * total / sum(sizes)) < 1
            for part, size in zip(dealt, sizes, strict=True)
        )


def test_a_stratified_sample_is_ascending_without_doubles() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 300), rng.integers(0, 7, 300)
    found = stratified(labels, groups, 90, 0, lambda place: str(place).encode())
    assert len(found) == 90
    assert (np.diff(found) > 0).all()
    assert found.tolist() != stratified(labels, groups, 90, 1, lambda place: str(place).encode()).tolist()


def test_a_data_set_can_be_staged_on_a_node(idx_files: Path, tmp_path: Path) -> None:
    spec = DataSpec(name="mnist", options={"part": "all"})
    staged = staging.load(mnist, spec, idx_files, str(tmp_path / "scratch"), code="")
    assert list((tmp_path / "scratch").glob("*/*")) != []
    assert staged.digest == mnist.load(idx_files, {"part": "all"}).digest
    assert staged.fixed_heldout is not None


def test_a_full_disk_is_told_and_leaves_nothing(
    mini_files: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"no room in .* for mini_imagenet; set the variable ACTSWEEP_CACHE"):
        mini_imagenet.prepare(mini_files, {})
    assert list(cache_folder.iterdir()) == []


def test_data_sets_are_listed_and_shown_without_torch() -> None:
    program = (
        "import sys; from trainer.datasets import preparation as p; "
        "[p.about(name) for name in p.names()]; sys.exit(bool({'torch', 'torchvision', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
