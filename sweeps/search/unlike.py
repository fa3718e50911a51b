"""What two runs of the same search or scheduler differ in, under other global random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

METRIC = "validation/loss"


@contextmanager
def other_randomness(seed: int) -> Iterator[None]:
    """Global random numbers of this seed, and afterwards as they were."""
    import numpy as np

    before, numpys = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpys)


def difference(expected: Sequence[object], found: Sequence[object]) -> str:
    pairs = enumerate(zip(expected, found, strict=False))
    at = next((number for number, (one, other) in pairs if one != other), min(len(expected), len(found)))
    was, now = (str(texts[at]) if at < len(texts) else "nothing" for texts in (expected, found))
    return f"{now} where it was {was} (number {at})"
