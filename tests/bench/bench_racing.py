"""Races on folds against the full design, on stand-in scores of which the truth is known: a simulation.

Scores of a setting: its truth, what is hard in the fold, and noise; noise of any two folds of one setting correlates by
n2 / (n1 + n2), as folds that share items do (5 folds, validation 0.2 of the rest: 0.2). Truths are drawn from a normal
with a spread in units of the noise: at 0 all settings are equal, and "the best" is one of them by lot; at 1 they are
hardly told apart by five folds, at 4 well. The rule is the driver's own (:mod:`sweeps.search.racing`). Beside the model
of its guarantee: "unequal" (each setting's noise is e^N(0, 0.5) times as large), "best noisier" (twice, for the best
alone), "worse noisier" (noise grows by 0.3 of what a setting is behind), "heavy tails" (t with 3 degrees of freedom).

    python tests/bench/bench_racing.py [--races 400] [--seed 1] [--first 2] [--folds 5]

Prints for each: how often the best was dropped (must be within the error where the model holds), folds against the full
design, how often the winner is the best and how far behind it is on average (in noise), and both for the full design.
Exits with 1 where the guarantee is broken in its model.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.search import racing
from sweeps.search.racing import Race

Array = npt.NDArray[Any]
RATIO = 0.25
ERROR = 0.05
FOLD_SD = 3.0
KINDS = ("the model", "unequal", "best noisier", "worse noisier", "heavy tails")
SETTINGS, SPREADS = (10, 20, 40), (0.0, 1.0, 4.0)


@dataclass(frozen=True)
class Result:
    dropped: float
    """Share of races in which the best setting was dropped."""
    folds: float
    """Trained, as a share of the full design's."""
    best: float
    """Share of races that the best setting wins."""
    behind: float
    """Of the winner's truth behind the best's, mean, in units of the noise."""
    best_full: float
    behind_full: float


def scores(rng: np.random.Generator, truth: Array, folds: int, kind: str) -> Array:
    """(settings, folds), greater is better; the best setting is the first."""
    rho = RATIO / (1 + RATIO)
    own, each = rng.normal(size=(len(truth), 1)), rng.normal(size=(len(truth), folds))
    if kind == "heavy tails":
        each = rng.standard_t(3, size=each.shape) / math.sqrt(3)
    size = np.ones((len(truth), 1))
    if kind == "unequal":
        size = np.exp(rng.normal(0, 0.5, size.shape))
    if kind == "best noisier":
        size[0] = 2.0
    if kind == "worse noisier":
        size += 0.3 * (truth[0] - truth)[:, None]
    return truth[:, None] + rng.normal(0, FOLD_SD, folds) + size * (math.sqrt(rho) * own + math.sqrt(1 - rho) * each)


def run(scored: Array, first: int) -> tuple[list[int], int]:
    """Who is left at the end, and the folds that were trained, as the driver does it."""
    settings, folds = scored.shape
    race = Race(settings=settings, looks=folds - first, error=ERROR, ratio=RATIO)
    left, trained = list(range(settings)), settings * first
    for number in range(first, folds):
        lost = racing.lost(scored[left, :number], scored[:, :first], race)
        left = [setting for at, setting in enumerate(left) if at not in lost]
        if len(left) == 1:
            break
        trained += len(left)
    return left, trained


def simulate(settings: int, spread: float, kind: str, *, races: int, seed: int, first: int, folds: int) -> Result:
    rng = np.random.default_rng(seed)
    dropped = trained = best = best_full = 0
    behind = behind_full = 0.0
    for _ in range(races):
        truth = np.sort(rng.normal(0, spread, settings))[::-1]
        scored = scores(rng, truth, folds, kind)
        left, cost = run(scored, first)
        won, full = left[int(scored[left].mean(axis=1).argmax())], int(scored.mean(axis=1).argmax())
        dropped, trained = dropped + (0 not in left), trained + cost
        best, best_full = best + (won == 0), best_full + (full == 0)
        behind, behind_full = behind + truth[0] - truth[won], behind_full + truth[0] - truth[full]
    whole = races * settings * folds
    return Result(
        dropped / races, trained / whole, best / races, behind / races, best_full / races, behind_full / races
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    asked = parser.parse_args()
    allowed = ERROR + 3 * math.sqrt(ERROR * (1 - ERROR) / asked.races)
    print(
        f"{asked.races} races each, {asked.first} of {asked.folds} folds first, then one at a time; error {ERROR:g} "
        f"(with chance at most {allowed:.3f}); simulated"
    )
    print("noise          settings spread | best dropped | folds | best wins (full) | behind (full)")
    broken = False
    for kind in KINDS:
        for settings in SETTINGS:
            for spread in SPREADS:
                found = simulate(
                    settings, spread, kind, races=asked.races, seed=asked.seed, first=asked.first, folds=asked.folds
                )
                broken |= kind == "the model" and found.dropped > allowed
                print(
                    f"{kind:14} {settings:8} {spread:6g} | {found.dropped:12.4f} | {found.folds:5.2f} | "
                    f"{found.best:8.3f} ({found.best_full:.3f}) | {found.behind:.3f} ({found.behind_full:.3f})",
                    flush=True,
                )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
