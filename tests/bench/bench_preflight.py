"""How long the rehearsal before a run takes: ``python tests/bench/bench_preflight.py [activations] [model]``.

Activations of the user's own, each with a parameter that is tried at both ends of a space, on ResNet-34 and items of
3x32x32: one process with one thread, as ``actsweep run`` starts it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ACTIVATION = """
class Own{number}(nn.Module):
    def __init__(self, slope=0.1):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))
        self.slope = slope
    def forward(self, x):
        return x * torch.sigmoid(self.beta * x) + self.slope * {number} / 100 * x
"""
READER = """
import numpy as np
import torch
from torch import nn
from trainer.datasets.reader import Dataset
class Blobs:
    def load(self, root, options):
        labels = np.arange(500) % 10
        items = np.random.default_rng(0).normal(labels[:, None, None, None], 3.0, (500, 3, 32, 32)).astype(np.float32)
        return Dataset(name="blobs", items=items, labels=labels, classes=tuple("abcdefghij"), digest="0" * 64)
blobs = Blobs()
"""


def measure(activations: int, model: str, folder: Path) -> dict[str, float]:
    """Seconds of wall and of processor time for all activations, and how many settings were tried."""
    (folder / "bench_own.py").write_text(READER + "".join(ACTIVATION.format(number=i) for i in range(activations)))
    sys.path.insert(0, str(folder))
    try:
        from trainer import preflight
        from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, SplitSpec, TrainingSpec

        specs = [
            FoldSpec(
                study="bench", study_seed=0, phase="confirm", trial="t", repeat=0, fold=0,
                data=DataSpec(name="bench_own:blobs"), split=SplitSpec(),
                model=ModelSpec(name=model), training=TrainingSpec(),
                activation=ActivationSpec(name=f"bench_own:Own{number}", params={"slope": slope}),
            )
            for number in range(activations)
            for slope in (0.1, 0.3)
        ]  # fmt: skip
        began, used = time.perf_counter(), time.process_time()
        found = preflight.problems(specs, None)
        assert found == [], found
        return {
            "settings": len(specs),
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - used,
        }
    finally:
        sys.path.remove(str(folder))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    network = sys.argv[2] if len(sys.argv) > 2 else "resnet34"
    with TemporaryDirectory() as temporary:
        found = measure(count, network, Path(temporary))
    print(f"{'model':10} {'activations':>11} {'settings':>8} {'wall s':>7} {'cpu s':>6}")
    print(f"{network:10} {count:11} {found['settings']:8.0f} {found['wall_s']:7.1f} {found['cpu_s']:6.1f}")
