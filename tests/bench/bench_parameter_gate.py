"""How often the gate of parameter sensitivity errs and how often it finds: python tests/bench/bench_parameter_gate.py.

Searches over one, three or six parameters are drawn, of which none, some or all matter alike (every second one by a
straight line, the others by a hump), without noise or with noise of half the signal's variance. Printed are the share
of the parameters that matter which pass, and the share of searches in which any other passes. A measurement of many
minutes (a share of the searches as argument: 0.2); ``test_parameter_importance`` holds a small version to its figures.
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
MATTER = {1: (0, 1), 3: (0, 1, 3), 6: (0, 1, 3, 6)}
"""Parameters that are searched, and how many of them matter."""
SEARCHES = {20: 200, 60: 100, 200: 100}


class Rates(NamedTuple):
    true: float
    """Share of the parameters that matter which pass; nan where none matters."""
    false: float
    """Share of searches in which one passes that does not matter."""
    seconds: float
    """Of one search."""


def search(
    settings: int, matter: int, noise: float, rng: np.random.Generator, parameters: int = PARAMETERS
) -> pd.DataFrame:
    """``noise`` is its variance over the signal's."""
    X = rng.random((settings, parameters))
    line, hump = (X - 0.5) * math.sqrt(12), ((X - 0.5) ** 2 - 1 / 12) * math.sqrt(180)
    score = np.where(np.arange(parameters) % 2 == 0, line, hump)[:, :matter].sum(axis=1)
    score = score + rng.normal(size=settings) * math.sqrt(noise * max(matter, 1))
    return pd.DataFrame(X, columns=[f"training.p{at}" for at in range(parameters)]).assign(score=score)


def rates(
    settings: int, matter: int, noise: float, searches: int, rng: np.random.Generator, parameters: int = PARAMETERS
) -> Rates:
    began = time.perf_counter()
    true, false = [], []
    for _ in range(searches):
        drawn = search(settings, matter, noise, rng, parameters)
        frame = parameter_importance.importance(drawn, rng, fanova=False)
        passes = frame.set_index("parameter")["passes"].sort_index().to_numpy(dtype=bool)
        true.append(passes[:matter].mean() if matter else math.nan)
        false.append(passes[matter:].any())
    return Rates(float(np.mean(true)), float(np.mean(false)), (time.perf_counter() - began) / searches)


def main(share: float = 1.0) -> None:
    heads = ("settings", "searched", "matter", "noise", "searches", "found", "false", "s each")
    print("".join(f"{head:>9}" for head in heads))
    cells = [(parameters, matter) for parameters, some in MATTER.items() for matter in some]
    for settings, searches in SEARCHES.items():
        for parameters, matter in cells:
            for noise in (0.0, 0.5) if matter else (1.0,):
                count = max(1, round(share * searches))
                rng = np.random.default_rng([settings, matter, round(10 * noise)])
                found = rates(settings, matter, noise, count, rng, parameters)
                print(
                    f"{settings:>9}{parameters:>9}{matter:>9}{noise:>9g}{count:>9}{found.true:>9.2f}{found.false:>9.3f}"
                    f"{found.seconds:>9.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
