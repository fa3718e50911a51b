"""What simple outlier scores reach on each MNIST digit, by the full protocol: ``python tests/bench/bench_one_class.py``.

All training images of a digit are the normal ones, all 10,000 test images are held out; the MNIST of ACTSWEEP_DATA.
Prints AUROC x 100, and the seconds that a fold's floors take.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from trainer.datasets.mnist import mnist
from trainer.tasks.one_class import floors


def main() -> None:
    torch.set_num_threads(1)
    data = mnist.load(Path(os.environ["ACTSWEEP_DATA"]), {"part": "all"})
    assert data.labels is not None
    assert data.fixed_heldout is not None
    images = torch.from_numpy(data.items / 255.0)
    heldout = images[data.fixed_heldout]
    table: dict[str, list[float]] = {}
    began = time.perf_counter()
    for digit in range(10):
        normal = images[(data.labels == digit) & ~data.fixed_heldout]
        found = floors.measured(normal, heldout, data.labels[data.fixed_heldout] != digit)
        for name, values in found.items():
            table.setdefault(name, []).append(100 * values["auroc"])
    took = (time.perf_counter() - began) / 10
    print(f"{'AUROC x 100':36}" + "".join(f"{digit:6}" for digit in range(10)) + "   mean")
    for name, values in table.items():
        print(f"{name:36}" + "".join(f"{value:6.1f}" for value in values) + f"  {sum(values) / 10:5.2f}")
    print(f"{took:.1f} s a fold, one core")


if __name__ == "__main__":
    main()
