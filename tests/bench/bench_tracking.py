"""How fast journals become an MLflow view: python tests/bench/bench_tracking.py [trials] [folds] [epochs].

Writes invented journals, ingests them live (every fold halfway, then to its end) into a new SQLite store, and prints
seconds, metrics a second and the process's peak memory. A measurement, not a check.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status

METRICS_PER_EPOCH = 15


def main(trials: int, folds: int, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = [InventedTrial(label="relu", index=index, params={"a": 3.7, "b": 0.5}) for index in range(trials)]
        keys = invent_study(folder, labels, folds=folds, epochs=epochs, write_folds=False)
        for key in keys:
            invent_attempt(folder, key, epochs=epochs, status=Status.FINISHED)
        tracker = Tracker(None, folder)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        tracker.flush()
        assert tracker.trouble is None, tracker.trouble
        wall_s = time.perf_counter() - start
        cpu_s = time.process_time()
        start = time.perf_counter()
        tracker.sync()
        again_s = time.perf_counter() - start
        start = time.perf_counter()
        fresh = Tracker(None, folder)
        fresh.sync()
        fresh_s = time.perf_counter() - start
        metrics = len(keys) * epochs * METRICS_PER_EPOCH
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size_mb = (folder / "mlflow.db").stat().st_size / 1e6
    print(f"{trials} trials x {folds} folds x {epochs} epochs x {METRICS_PER_EPOCH} metrics = {metrics} metrics")
    print(f"ingest     {wall_s:8.1f} s  {metrics / wall_s:8.0f} metrics/s  {len(keys) / wall_s:6.1f} folds/s")
    print(f"sync again {again_s:8.1f} s  (nothing new)")
    print(f"new start  {fresh_s:8.1f} s  (learns the store, nothing new)")
    print(f"memory     {before:8.0f} MB before, {peak:.0f} MB peak, store {size_mb:.0f} MB, cpu {cpu_s:.0f} s")


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:4]]
    main(*(sizes + [500, 5, 10][len(sizes) :]))
