"""How often the interval of a ratio of training times covers: python tests/bench/bench_time_ratio.py [draws].

Runs of two activations are drawn in pairs with noise of several shapes, and the interval's coverage of the true ratio
(the geometric mean over endless pairs) is counted, beside that of a percentile bootstrap of the median. A measurement;
``test_timing`` holds a small version to its figures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analysis.statistics import timing

Array = npt.NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Array]
PAIRS = (3, 5, 10, 25)
TRUE = 1.2


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Slowed now and then, never quickened."""
    return 0.03 * rng.exponential(size=shape)


def hiccups(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """One run in ten takes up to a third longer."""
    return np.where(rng.random(shape) < 0.1, rng.uniform(0.1, 0.3, shape), 0.01 * rng.normal(size=shape))


def even(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return 0.02 * rng.normal(size=shape)


def none(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.zeros(shape)


SHAPES: dict[str, tuple[Noise, Noise]] = {
    "normal": (even, even),
    "skewed in both": (skewed, skewed),
    "hiccups in both": (hiccups, hiccups),
    "skewed in one alone": (skewed, none),
}
"""Of the activation's logarithms and of the control's."""


def coverage(name: str, n: int, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of draws whose interval holds the true ratio: by Student's t of the logarithms, and by the bootstrap."""
    of_mine, of_control = SHAPES[name]
    mine, control = of_mine(rng, (draws, n)), of_control(rng, (draws, n))
    shift = of_mine(rng, (1, 1_000_000)).mean() - of_control(rng, (1, 1_000_000)).mean()
    held = 0
    for a, b in zip(TRUE * np.exp(mine - shift), np.exp(control), strict=True):
        found = timing.ratio(a, b)
        held += found.low <= TRUE <= found.high
    log = np.log(TRUE) - shift + mine - control
    few = log[: min(draws, 2_000)]
    drawn = np.median(few[:, rng.integers(0, n, (499, n))], axis=-1)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    return held / draws, float(((low <= np.log(TRUE)) & (np.log(TRUE) <= high)).mean())


def main(draws: int = 10_000) -> None:
    rng = np.random.default_rng(1)
    print(f"{'noise':<22}{'pairs':>6}{'t of logs':>11}{'bootstrap of the median':>25}")
    for name in SHAPES:
        for n in PAIRS:
            student, bootstrap = coverage(name, n, draws, rng)
            print(f"{name:<22}{n:>6}{student:>11.3f}{bootstrap:>25.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
