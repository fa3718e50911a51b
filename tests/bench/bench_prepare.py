"""Measures the memory and time of preparing a data set of Mini-ImageNet's size from synthetic JPEGs.

Run: ``python tests/bench/bench_prepare.py [images] [folder]``. Prints one line of JSON. The memory that counts is the
process's own (RssAnon): pages of the cache file, which the system may drop at any time, are counted apart.
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
        began = time.monotonic()
        mini_imagenet.load(root, {})
        found = {
            "images": len(dataset.items),
            "cache_mb": dataset.items.nbytes / 1e6,
            "write_s": round(written_s, 1),
            "prepare_s": round(wall_s, 1),
            "load_s": round(time.monotonic() - began, 3),
            "own_mb": round(watch.peak["RssAnon"] - before["RssAnon"], 1),
            "file_mb": round(watch.peak["RssFile"] - before["RssFile"], 1),
            "cores": len(os.sched_getaffinity(0)),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
