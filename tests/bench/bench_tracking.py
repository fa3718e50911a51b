"""How fast journals become an MLflow view: python tests/bench/bench_tracking.py [trials] [folds] [epochs].

Writes invented journals, ingests them into a new SQLite store, and prints seconds, rows of metrics and the process's
peak memory. ``--against TREE`` does the same with the sources in another checkout, in turn with these (twice each), and
prints the ratios. A measurement, not a check.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 2
ROWS = {
    "rows": "select count(*) from metrics where run_uuid in ({folds})",
    "names": "select count(*) from latest_metrics where run_uuid in ({folds})",
    "folds": "select count(*) from ({folds})",
}
FOLDS = "select run_uuid from tags where key = 'actsweep.kind' and value = 'fold'"


def measured(trials: int, folds: int, epochs: int) -> dict[str, float]:
    from sweeps.testing import InventedTrial, invent_study
    from sweeps.tracking.tracker import Tracker

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = [InventedTrial(label="relu", index=index, params={"a": 3.7, "b": 0.5}) for index in range(trials)]
        invent_study(folder, labels, folds=folds, epochs=epochs)
        found["memory_before_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        tracker = Tracker(None, folder)
        for what in ("ingest", "again", "new start"):
            if what == "new start":
                tracker = Tracker(None, folder)
            wall, cpu = time.perf_counter(), time.process_time()
            tracker.sync()
            found[f"{what}_s"] = time.perf_counter() - wall
            found[f"{what}_cpu_s"] = time.process_time() - cpu
        with sqlite3.connect(folder / "mlflow.db") as database:
            for what, query in ROWS.items():
                found[what] = float(database.execute(query.format(folds=FOLDS)).fetchone()[0])
        database.close()
        found["store_mb"] = (folder / "mlflow.db").stat().st_size / 1e6
        found["memory_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def of(tree: Path, sizes: list[int]) -> dict[str, float]:
    """The same, in a process of its own, with the sources in ``tree``."""
    command = [sys.executable, "-P", __file__, *map(str, sizes), "--json"]
    path = os.pathsep.join([str(tree), str(tree / "sweeps" / "start")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def said(found: dict[str, float]) -> None:
    folds, rows = found["folds"], found["rows"]
    print(f"{folds:.0f} folds, {rows / folds:.0f} rows and {found['names'] / folds:.0f} names of metrics a fold")
    for what in ("ingest", "again", "new start"):
        print(f"{what:<10} {found[f'{what}_s']:8.1f} s  cpu {found[f'{what}_cpu_s']:8.1f} s")
    print(f"           {rows / found['ingest_s']:8.0f} rows/s  {folds / found['ingest_s']:6.1f} folds/s")
    print(f"memory     {found['memory_before_mb']:8.0f} MB before, {found['memory_peak_mb']:.0f} MB peak")
    print(f"store      {found['store_mb']:8.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help="trials, folds, epochs")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sizes = given.sizes + [500, 5, 10][len(given.sizes) :]
    if given.against is None:
        found = measured(*sizes)
        print(json.dumps(found)) if given.json else said(found)
        return
    here = Path(__file__).resolve().parents[2]
    taken: dict[Path, list[dict[str, float]]] = {here: [], given.against.resolve(): []}
    for _ in range(ROUNDS):
        for tree, each in taken.items():
            each.append(of(tree, sizes))
    best = [{name: min(one[name] for one in each) for name in each[0]} for each in taken.values()]
    print(f"least of {ROUNDS}; {sizes[0]} trials x {sizes[1]} folds x {sizes[2]} epochs")
    print(f"{'':<18}{'here':>10}{'there':>10}{'ratio':>8}")
    for name, mine in best[0].items():
        print(f"{name:<18}{mine:>10.1f}{best[1][name]:>10.1f}{mine / best[1][name] if best[1][name] else 0:>8.2f}")


if __name__ == "__main__":
    main()
