"""Makes the table of boundaries for comparisons that are repeated until they are decided.

Simulated studies as :mod:`analysis.statistics.sequential` describes them, for every design below. Prints how often
studies of another seed have a false word with the boundaries of the table; ``--write`` makes the table anew
(some minutes on one core).

    python tests/bench/bench_boundaries.py [--write] [--draws 100000]
"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from analysis.statistics import sequential
from analysis.statistics.sequential import KINDS, LEVELS, Looks

FOLDS = (2, 3, 5, 10)
SHARES = (0.0, 0.4)
"""Of the items, what a search keeps to itself: the folds hold out of the rest."""
FIRST = (1, 2, 3, 4, 5)
MOST = (5, 10, 20)
LABELS = 21
HEAD = ("kind", "units", "ratio", "first", "most", "comparisons", *(f"x at {level:g}" for level in LEVELS))


def designs() -> list[tuple[int, float]]:
    """Units of a repeat and the ratio of held-out to training items."""
    held = [(folds, (1 - share) / folds) for folds in FOLDS for share in SHARES]
    return [(1, 0.0), *((folds, round(part / (1 - part), 6)) for folds, part in held)]


def rows(units: int, ratio: float, draws: int) -> list[tuple[object, ...]]:
    """Of every first and most, from the same studies."""
    wanted = [Looks(units, ratio, first, most) for first in FIRST for most in MOST]
    least: dict[Looks, list[np.ndarray]] = {looks: [] for looks in wanted}
    whole = Looks(units, ratio, 1, max(MOST))
    for study in sequential.studies(whole, LABELS, draws):
        p = sequential.nominal(study, whole)
        for looks, found in least.items():
            mine = p[..., looks.first - 1 : looks.most] / np.asarray(looks.weights)
            found.append(np.minimum.accumulate(mine.min(axis=3), axis=2).astype(np.float32))
    found = []
    for looks, parts in least.items():
        for kind, drawn in zip(KINDS, np.concatenate(parts, axis=1), strict=True):
            table = sequential.quantiles(drawn.astype(np.float64))
            found += [(kind, *looks[:4], j + 1, *row[:-1]) for j, row in enumerate(table)]
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="make the table anew")
    arguments.add_argument("--draws", type=int, default=100_000, help="simulated studies of each design")
    given = arguments.parse_args()
    if given.write:
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(HEAD)
        for units, ratio in designs():
            table.writerows(rows(units, ratio, given.draws))
            print(f"{units} units, ratio {ratio:g}", flush=True)
        Path(sequential.__file__).with_name(sequential.TABLE).write_text(out.getvalue(), encoding="utf-8")
        return
    print(f"false words of {given.draws} studies without a difference, 5 % nominal")
    for units, ratio in designs():
        looks = Looks(units, ratio, 2, 20)
        rates = []
        for m in (1, 3, 5, 10):
            tabled = sequential.boundaries(looks, labels=m + 1, family="control", alpha=0.05)
            x = np.asarray([tabled.difference[m - 1][LEVELS.index(0.05)]])
            fresh = sequential.simulated(looks, m + 1, given.draws)[0][m - 1][:-1]
            rates.append(f"{m}: {100 * float(np.interp(x, fresh, LEVELS)[0]):.2f} %")
        print(f"{units} units, ratio {ratio:g}: {', '.join(rates)}")


if __name__ == "__main__":
    main()
