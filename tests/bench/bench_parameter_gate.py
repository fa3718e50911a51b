"""How often the gate of parameter sensitivity errs and how often it finds: python tests/bench/bench_parameter_gate.py.

Searches over six parameters are drawn, of which none, one, three or all six matter alike (every second one by a
straight line, the others by a hump), without noise or with noise of half the signal's variance. Printed are the share
of the parameters that matter which pass, and the share of searches in which any other passes. A measurement of some
minutes; ``test_parameter_importance`` holds a small version to its figures.
"""

from __future__ import annotations

import math
import sys
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics import parameter_importance

PARAMETERS = 6
SEARCHES = {20: 200, 60: 100, 200: 20}


class Rates(NamedTuple):
    true: float
    """Share of the parameters that matter which pass; nan where none matters."""
    false: float
    """Share of searches in which one passes that does not matter."""
    seconds: float
    """Of one search."""


def search(settings: int, matter: int, noise: float, rng: np.random.Generator) -> pd.DataFrame:
    """``noise`` is its variance over the signal's."""
    X = rng.random((settings, PARAMETERS))
    line, hump = (X - 0.5) * math.sqrt(12), ((X - 0.5) ** 2 - 1 / 12) * math.sqrt(180)
    score = np.where(np.arange(PARAMETERS) % 2 == 0, line, hump)[:, :matter].sum(axis=1)
    score = score + rng.normal(size=settings) * math.sqrt(noise * max(matter, 1))
    return pd.DataFrame(X, columns=[f"training.p{at}" for at in range(PARAMETERS)]).assign(score=score)


def rates(settings: int, matter: int, noise: float, searches: int, rng: np.random.Generator) -> Rates:
    began = time.perf_counter()
    true, false = [], []
    for _ in range(searches):
        frame = parameter_importance.importance(search(settings, matter, noise, rng), rng, fanova=False)
        passes = frame.set_index("parameter")["passes"].sort_index().to_numpy(dtype=bool)
        true.append(passes[:matter].mean() if matter else math.nan)
        false.append(passes[matter:].any())
    return Rates(float(np.mean(true)), float(np.mean(false)), (time.perf_counter() - began) / searches)


def main(share: float = 1.0) -> None:
    print(f"{'settings':>8}{'matter':>8}{'noise':>7}{'searches':>10}{'found':>8}{'false':>8}{'s each':>8}")
    for settings, searches in SEARCHES.items():
        for matter, noise in ((0, 1.0), (1, 0.0), (1, 0.5), (3, 0.0), (3, 0.5), (6, 0.0), (6, 0.5)):
            count = max(1, round(share * searches))
            found = rates(settings, matter, noise, count, np.random.default_rng([settings, matter, round(10 * noise)]))
            print(
                f"{settings:>8}{matter:>8}{noise:>7g}{count:>10}{found.true:>8.2f}{found.false:>8.3f}"
                f"{found.seconds:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
