"""What driving a large study costs its driver, over a stand-in for the cluster (n = 1 study; no fold trains).

    python tests/bench/bench_driver.py 10000 5 [--algorithm random|tpe] [--activations 4] [--mlflow] [--epochs 9]

Search trials of several activations, half with ASHA, then their confirmation. The stand-in writes each fold's journal
in this process; its CPU time is subtracted. Prints, at 1,000, 3,000, 10,000 ... trials that are over: the driver's
CPU per fold result, the time of a tick (mean of those since the row before, and of one in which nothing happened), and
memory; then what a new driver takes to come back when the study is nearly done and until its first tick is over, the
size of the ledger, and `actsweep status`. Exits with 1 where 500 MB, 5 ms a fold result or 60 s of coming back are
passed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.stand_in import StandIn
from sweeps.study.reading import load
from sweeps.tracking.tracker import Tracker
from sweeps.view import progress, status

LIMIT_MB, LIMIT_MS, LIMIT_RESUME_S = 500, 5.0, 60.0


def study_text(trials: int, folds: int, *, activations: int, algorithm: str, epochs: int) -> str:
    """Of at least ``trials`` trials, with those of the confirm phase."""
    samples = -(-(trials - activations - 1) // activations)
    tuned = "".join(f"  - {{label: a{index}, activation: dsrelu, space: default}}\n" for index in range(activations))
    return f"""
name: bench
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: {epochs}, patience: null}}
folds: {{folds: {folds}}}
search: {{algorithm: {algorithm}, samples: {samples}, scheduler: {{name: asha, grace_epochs: 3, reduction_factor: 3}}}}
activations:
  - relu
{tuned}control: relu
"""


class Meter:
    """Ticks a driver and takes the time of it."""

    def __init__(self, driver: Driver, cluster: StandIn) -> None:
        self.driver, self.cluster = driver, cluster
        self._cpu_s = self._wall_s = 0.0
        self._folds = self._ticks = 0
        self.all_cpu_s = 0.0

    def tick(self) -> tuple[float, float]:
        """CPU and wall seconds of a tick and of what is shown after it, without the stand-in's."""
        cpu_s, wall_s = time.process_time() - self.cluster.cpu_s, time.monotonic() - self.cluster.wall_s
        self.driver.tick()
        progress.view(self.driver)
        took = time.process_time() - self.cluster.cpu_s - cpu_s, time.monotonic() - self.cluster.wall_s - wall_s
        self._cpu_s, self._wall_s = self._cpu_s + took[0], self._wall_s + took[1]
        self.all_cpu_s += took[0]
        self._ticks += 1
        return took

    def row(self) -> str:
        folds = self.cluster.ended - self._folds
        idle = self._idle()
        words = (
            f"{len(self.driver.state.completed):7} {self.cluster.ended:7} {self._ticks:6} "
            f"{1000 * self._cpu_s / max(folds, 1):11.2f} {1000 * self._wall_s / self._ticks:10.1f} "
            f"{1000 * idle:10.1f} {memory_mb():7.0f}"
        )
        self._cpu_s = self._wall_s = 0.0
        self._folds, self._ticks = self.cluster.ended, 0
        return words

    def _idle(self) -> float:
        """CPU seconds of a tick without news: the least of 5."""
        with self.cluster.still():
            return min(self.tick()[0] for _ in range(5))


def memory_mb() -> float:
    """Resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def open_driver(path: Path, cluster: StandIn, *, mlflow: bool) -> Driver:
    tracker = Tracker(None, path) if mlflow else None
    return Driver(path, session.opened(path), cluster, tracker, Node(data_root=None, scratch=None, code=""))


def drive(path: Path, asked: argparse.Namespace) -> dict[str, float]:
    cluster = StandIn(asked.slots)
    driver = open_driver(path, cluster, mlflow=asked.mlflow)
    meter = Meter(driver, cluster)
    print(" trials   folds  ticks  CPU ms/fold  tick ms   idle ms   RSS MB", flush=True)
    rows = [trials for power in range(1, 7) for trials in (10**power, 3 * 10**power)]
    stop_at = asked.trials - 2 * asked.slots
    while not driver.done and len(driver.state.completed) < stop_at:
        meter.tick()
        while rows and len(driver.state.completed) >= rows[0]:
            if rows.pop(0) >= 300:
                print(meter.row(), flush=True)
    print(meter.row(), flush=True)
    driver.ledger.close()  # as if killed
    return {"cpu_ms": 1000 * meter.all_cpu_s / cluster.ended, "peak_mb": peak_mb()}


def come_back(path: str, mlflow: str, finish: str) -> None:
    """In a process of its own: a new driver, until its first tick is over."""
    cpu_s, wall_s = time.process_time(), time.monotonic()
    cluster = StandIn(50)
    driver = open_driver(Path(path), cluster, mlflow=mlflow == "True")
    meter = Meter(driver, cluster)
    meter.tick()
    took = {"wall_s": time.monotonic() - wall_s, "cpu_s": time.process_time() - cpu_s, "peak_mb": peak_mb()}
    while finish == "True" and not driver.done:
        meter.tick()
    took |= {"trials": len(driver.state.completed), "finished": driver.done}
    print(json.dumps(took))


def timed_status(path: str) -> None:
    cpu_s, wall_s = time.process_time(), time.monotonic()
    words = status.read(Path(path)).words()
    print(json.dumps({"wall_s": time.monotonic() - wall_s, "cpu_s": time.process_time() - cpu_s, "words": words}))


def apart(*arguments: object) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    if sys.argv[1:2] == ["come-back"]:
        come_back(*sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["status"]:
        timed_status(sys.argv[2])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=1000)
    parser.add_argument("folds", type=int, nargs="?", default=5)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--slots", type=int, default=50, help="jobs at a time, one a trial")
    parser.add_argument("--activations", type=int, default=4)
    parser.add_argument("--algorithm", choices=["random", "tpe"], default="random")
    parser.add_argument("--mlflow", action="store_true", help="with the MLflow view in an SQLite store")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "study"
        text = study_text(
            asked.trials, asked.folds, activations=asked.activations, algorithm=asked.algorithm, epochs=asked.epochs
        )
        session.make(load(text), path, sys.argv)
        begun = time.monotonic()
        took = drive(path, asked)
        print(
            f"driven in {time.monotonic() - begun:.0f} s of wall time: {took['cpu_ms']:.2f} ms of CPU a fold result, "
            f"{took['peak_mb']:.0f} MB at most"
        )
        size_mb = (path / ledger.FILE).stat().st_size / 1e6
        back = apart("come-back", path, asked.mlflow, True)
        print(f"come back: {back['wall_s']:.1f} s of wall time, {back['cpu_s']:.1f} s of CPU, {back['peak_mb']:.0f} MB")
        looked = apart("status", path)
        print(f"status: {looked['wall_s']:.1f} s; ledger: {size_mb:.1f} MB, {back['trials']:.0f} trials in the end")
    passed = took["peak_mb"] < LIMIT_MB and took["cpu_ms"] < LIMIT_MS and back["wall_s"] < LIMIT_RESUME_S
    return int(not (passed and back["finished"]))


if __name__ == "__main__":
    sys.exit(main())
