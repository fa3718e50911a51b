"""Every pair of searcher and scheduler that can be run here, against ``tune.Tuner``: same settings, same stops.

    python tests/bench/bench_tune_parity.py

Ray trains nothing: the loss is a formula. One Ray session a search; prints a table, and exits with 1 at a difference.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

PARITY = Path(__file__).parents[1] / "sweeps" / "search" / "parity.py"


def main() -> int:
    spec = importlib.util.spec_from_file_location("parity", PARITY)
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    wrong = 0
    print(f"{'search':20} {'scheduler':10} {'settings':>8} {'stopped':>8}  equal")
    for each in parity.SEARCHES:
        pairs = [pair for pair in parity.PAIRS if pair[0] == each]
        if not parity.runnable(each):
            print(f"{each:20} not installed here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            theirs = parity.reference(pairs, folder)
        for pair, found in theirs.items():
            differences, settings, stopped = parity.differences(pair, found)
            wrong += bool(differences)
            said = "yes" if not differences else "; ".join(differences)
            print(f"{each:20} {pair[1]:10} {settings:8} {stopped:8}  {said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
