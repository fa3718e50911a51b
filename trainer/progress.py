"""A line for each epoch, to whoever runs packs beside each other and weighs how many at a time are worth it.

``ACTSWEEP_PROGRESS`` is the number of a descriptor that is open for writing; without it nothing is told. Loads without
torch.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "ACTSWEEP_PROGRESS"


def epoch(seconds: float) -> None:
    """Tells that an epoch took so long. A reader that is gone or does not read keeps nobody from training."""
    with contextlib.suppress(KeyError, ValueError, OSError):
        os.write(int(os.environ[VARIABLE]), f"{seconds:.6f}\n".encode())
