"""Measures the memory and time of preparing a data set of Mini-ImageNet's size from synthetic JPEGs, and what it costs
to tell that its files are still the same.

Run: ``python tests/bench/bench_prepare.py [images] [folder]``, the folder on the disk that is meant. Prints one line of
JSON and a table. The memory that counts is the process's own (RssAnon): pages of the cache file, which the system may
drop at any time, are counted apart. With ``ACTSWEEP_BENCH_COLD=1`` the system forgets the files before each line of the
table (as root).
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 100


def write_images(root: Path, count: int) -> None:
    """``count`` JPEGs of 84x84: a random coarse pattern each, enlarged, so that files have a photograph's size."""
    folder = root / "mini-imagenet"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for place in range(count):
        kind = f"n{place % CLASSES:08d}"
        picture = Image.fromarray(rng.integers(0, 256, size=(12, 12, 3), dtype=np.uint8))
        name = f"{kind}{place:08d}.jpg"
        picture.resize((84, 84), Image.Resampling.BICUBIC).save(folder / "images" / name, quality=90)
        rows.append((name, kind))
    for part, share in {"train": slice(0, 64), "val": slice(64, 80), "test": slice(80, 100)}.items():
        chosen = [row for row in rows if int(row[1][1:]) in range(CLASSES)[share]]
        with (folder / f"{part}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("filename", "label"), *chosen])


def memory_mb() -> dict[str, float]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines if line and line[0].startswith("Rss")}


class Watch(threading.Thread):
    """Highest memory of this process, looked at every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak: dict[str, float] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.02):
            for name, value in memory_mb().items():
                self.peak[name] = max(value, self.peak.get(name, 0.0))


def forget() -> None:
    """The system's memory of files, where that is asked for: what is then read comes from the disk."""
    if os.environ.get("ACTSWEEP_BENCH_COLD"):
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")


def fingerprints(root: Path, place: Path) -> list[tuple[str, int, float, float]]:
    """(what was done, files, seconds, seconds of CPU), from a memory of its own."""
    from trainer.datasets import fingerprint
    from trainer.datasets.mini_imagenet import mini_imagenet

    paths = list(mini_imagenet.files(root, {}))
    time.sleep(fingerprint.SETTLE_S + 1)

    def digest() -> None:
        known = fingerprint.Known(root, [place])
        known.digests(paths, fingerprint.look(paths))
        known.save()

    def distant() -> None:
        look = fingerprint._look

        def later(path: Path) -> fingerprint.Found:
            time.sleep(0.001)
            return look(path)

        fingerprint._look = later
        digest()
        fingerprint._look = look

    found = []
    for what, act in (
        ("list the files", lambda: mini_imagenet.files(root, {})),
        ("read all once and remember", digest),
        ("tell that all are the same", digest),
        ("the same, 1 ms away", distant),
        ("the same, for a node's copy", lambda: fingerprint.identities(paths)),
        ("load what is prepared", lambda: mini_imagenet.load(root, {})),
        ("load it again", lambda: mini_imagenet.load(root, {})),
    ):
        forget()
        began, worked = time.monotonic(), time.process_time()
        act()
        found.append((what, len(paths), time.monotonic() - began, time.process_time() - worked))
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as place:
        root = Path(place) / "data"
        began = time.monotonic()
        write_images(root, count)
        written_s = time.monotonic() - began
        os.environ["ACTSWEEP_CACHE"] = str(Path(place) / "cache")
        from trainer.datasets.mini_imagenet import mini_imagenet

        before = memory_mb()
        watch = Watch()
        watch.start()
        began = time.monotonic()
        dataset = mini_imagenet.prepare(root, {})
        wall_s = time.monotonic() - began
        watch.done.set()
        watch.join()
        found = {
            "images": len(dataset.items),
            "cache_mb": dataset.items.nbytes / 1e6,
            "write_s": round(written_s, 1),
            "prepare_s": round(wall_s, 1),
            "own_mb": round(watch.peak["RssAnon"] - before["RssAnon"], 1),
            "file_mb": round(watch.peak["RssFile"] - before["RssFile"], 1),
            "cores": len(os.sched_getaffinity(0)),
        }
        print(json.dumps(found))
        mini_imagenet.load(root, {})  # looks at the entry's arrays, once
        for what, files, seconds, work in fingerprints(root, Path(place) / "memory"):
            print(f"{what:30} {files:6} files {seconds:8.2f} s {work:8.2f} s of CPU {files / seconds:10,.0f} files/s")


if __name__ == "__main__":
    main()
