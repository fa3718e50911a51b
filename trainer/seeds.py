"""Every seed of a fold, as a pure function of (study seed, repeat, fold, purpose) and never of the activation.

So folds pair across activations, and nothing needs a generator's state to survive from one epoch to the next.
Loads without torch.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Purpose = Literal[
    "split", "search part", "validation", "weights", "initial", "fit", "order", "augment", "epoch", "outcome"
]


def seed(purpose: Purpose, study_seed: int, *where: int) -> int:
    """A number in [0, 2**63). ``where`` is (), (repeat), (repeat, fold) or (repeat, fold, epoch); another length is
    another seed."""
    text = ":".join([purpose, str(study_seed), *(str(number) for number in where)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
