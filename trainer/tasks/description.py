"""What is known of a task without building it: its metrics, which of them is the primary one, whether it stratifies.

Of the tasks that come with the package the descriptions stand here, so that a study is checked without torch. One of
the user's own is described by its class, in a process of its own: :mod:`trainer.tasks.describe`.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from trainer import catalogue
from trainer.errors import UnknownName
from trainer.tasks.metric import LOSS, Metric

LAST = "last"
"""The checkpoint rule that looks at nothing."""
RULE_PREFIX = "validation_"


@dataclass(frozen=True, kw_only=True)
class Description:
    """A task by its name in a study file."""

    name: str
    metrics: tuple[Metric, ...]
    """In the order in which they are shown; the loss is among them."""
    primary: str
    """The metric that a study reports unless it names another."""
    stratifies: bool
    """Whether the task can say strata, so that every part of a split gets its share of each."""

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        where = f"task {self.name!r}"
        if LOSS not in names or self.metric(LOSS).better != "lower":
            raise ValueError(f"{where}: has the metrics {', '.join(names)}; one named loss, lower is better, is needed")
        if len(set(names)) < len(names):
            raise ValueError(f"{where}: names a metric twice ({', '.join(names)})")
        if self.primary not in names:
            raise ValueError(f"{where}: its primary metric is {self.primary!r}; accepts one of {', '.join(names)}")

    def metric(self, name: str) -> Metric:
        """By its name, with or without a part before it (``validation/loss``)."""
        return next(metric for metric in self.metrics if metric.name == name.rpartition("/")[2])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in self.metrics)

    @property
    def rules(self) -> tuple[str, ...]:
        """Checkpoint rules that a study may declare."""
        return (*(RULE_PREFIX + name for name in self.names), LAST)

    def tracked(self, declared: str) -> tuple[str, ...]:
        """Checkpoint rules whose outcome every fold measures: by the loss, by the primary metric, the declared one."""
        return tuple(dict.fromkeys((RULE_PREFIX + LOSS, RULE_PREFIX + self.primary, declared)))


DESCRIPTIONS: dict[str, Description] = {
    "classification": Description(
        name="classification",
        metrics=(
            Metric(name=LOSS, better="lower", low=0.0),
            Metric(name="accuracy", better="higher", low=0.0, high=1.0, share_of_items=True),
            Metric(name="f1_weighted", better="higher", low=0.0, high=1.0),
            Metric(name="f1_macro", better="higher", low=0.0, high=1.0),
            Metric(name="auc", better="higher", low=0.0, high=1.0, reference=0.5),
        ),
        primary="accuracy",
        stratifies=True,
    ),
}


@functools.cache
def describe(name: str) -> Description:
    """Of a catalogue name or import path. Raises :class:`UnknownName`, with why a task of one's own is none."""
    catalogue.check("task", name, catalogue.TASKS)
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    run = subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", "-m", "trainer.tasks.describe", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        words = (run.stderr.strip().splitlines() or ["cannot be described"])[-1]
        raise UnknownName(words if name in words else f"task {name!r}: {words}")
    return from_plain(json.loads(run.stdout.splitlines()[-1]))


def from_plain(raw: dict[str, Any]) -> Description:
    """The inverse of ``dataclasses.asdict``."""
    return Description(**{**raw, "metrics": tuple(Metric(**metric) for metric in raw["metrics"])})
