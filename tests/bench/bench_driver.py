"""The driver's memory and time with many trials of a stand-in payload, over the real local cluster, in one process.

    python tests/bench/bench_driver.py --trials 500 --folds 5

Prints trials and folds finished, wall seconds, the driver's CPU seconds and its peak memory; exits with 1 at 400 MB or
more. The packs are real processes that pretend to train.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sweeps.driver import session
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.view import footprint

STUDY = """
name: bench
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: {epochs}, patience: null}}
folds: {{folds: {folds}}}
search: {{algorithm: random, samples: {samples}, scheduler: {{name: asha, grace_epochs: 2, reduction_factor: 3}}}}
activations:
  - relu
  - {{activation: dsrelu, space: default}}
  - {{activation: apalu, space: default}}
control: relu
"""
LIMIT_MB = 400


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--at-a-time", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        profile = Path(place) / "bench.yaml"
        profile.write_text(f"name: bench\nexecutor: local\nmax_jobs: {asked.at_a_time}\n")
        text = STUDY.format(epochs=asked.epochs, folds=asked.folds, samples=(asked.trials - 3) // 2)
        study = shipped.on_profile(load(text), str(profile))
        path = Path(place) / "study"
        session.make(study, path, sys.argv)
        begun = time.monotonic()
        with session.driving(path, call="trainer.testing:pretend") as driver:
            session.drive(driver, lambda now: None, interval_s=0.2)
            cost = footprint.footprint(driver.cluster.costs)
            folds = sum(len(trial.folds) for trial in driver.state.trials.values())
            print(
                f"{len(driver.state.trials)} trials, {folds} folds in {time.monotonic() - begun:.0f} s; {cost.words()}"
            )
    return int(cost.peak_memory_mb >= LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
