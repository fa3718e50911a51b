"""What a task measures, as light values: read on a login node, carried in a study's plan. Loads without torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]
LOSS = "loss"
"""The metric that every task has: what is minimised, lower is better."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of one part of a fold's items."""

    name: str
    """Lower-case letters, digits and underscores, as it stands in journals (``heldout/<name>``) and checkpoint rules
    (``validation_<name>``)."""
    better: Better
    low: float | None = None
    high: float | None = None
    """Bounds that no value can pass; None where there is none."""
    reference: float | None = None
    """What knowing nothing scores on any data (as 0.5 of an area under a ROC curve); None where that depends on the
    data: then a task says it of each held-out part (:meth:`trainer.tasks.task.Task.references`)."""
    unit: str = ""
    share_of_items: bool = False
    """Whether it is a mean of 0 or 1 over the items, so that one item more or less is 1/n of it."""
    heldout_only: bool = False
    """Whether it is measured of the held-out part alone: no checkpoint rule and no search can look at it."""

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(
                f"metric {self.name!r}: accepts lower-case letters, digits and underscores, a letter first, at most 40"
            )
        if self.better not in ("lower", "higher"):
            raise ValueError(f"metric {self.name}: better is {self.better!r}, accepts lower or higher")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"metric {self.name}: bounds {self.low:g} and {self.high:g}, accepts a low below the high")

    @property
    def sign(self) -> int:
        """What makes more of it better: 1, or -1 where lower is better."""
        return 1 if self.better == "higher" else -1
