"""How many items a published score can have come from, by its digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DIGITS = 6
"""Decimals of a printed score."""
MOST_ITEMS = 200_000
BY_CHANCE = 0.01
"""Sizes that as many scores may be expected to fit by chance, below the one that is taken for true."""


def items_of(scores: npt.NDArray[np.float64], *, digits: int = DIGITS, most: int = MOST_ITEMS) -> int | None:
    """The least number of items n for which every score, printed to ``digits``, is a whole number over n.

    None where there is none up to where the digits no longer tell (n < 10^digits / 4), or all scores are 0 or 1.
    """
    values = np.unique(scores[np.isfinite(scores) & (scores > 0) & (scores < 1)])
    if not len(values):
        return None
    sizes = np.arange(2, min(most, 10**digits // 4) + 1)
    slack = (0.5 * 10.0**-digits + 1e-12) * sizes
    for value in values:
        product = value * sizes
        good = np.abs(product - np.rint(product)) <= slack
        sizes, slack = sizes[good], slack[good]
        if not len(sizes):
            return None
    return int(sizes[0])


def inferred(scores: npt.NDArray[np.float64], *, digits: int = DIGITS) -> int | None:
    """:func:`items_of` up to where the digits tell, and only where so many scores hardly fit a size by chance: one
    score fits n items by chance with probability n / 10^digits, all of k different ones with its power of k.

    Scores near 0 or 1 fit neighbouring sizes nearly as well, so that the size may be off by some items.
    """
    found = items_of(scores, digits=digits, most=10**digits)
    if found is None:
        return None
    different = len(np.unique(scores[np.isfinite(scores) & (scores > 0) & (scores < 1)]))
    expected = found * (found / 10**digits) ** different / (different + 1)
    return found if expected <= BY_CHANCE else None
