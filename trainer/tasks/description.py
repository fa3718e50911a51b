"""What is known of a task without building it: its metrics, which of them is the primary one, whether it stratifies.

Tasks that come with the package are described by a light function, so that a study is checked without torch. One of
the user's own is described by its class, in a process of its own: :mod:`trainer.tasks.describe`.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer import catalogue
from trainer.errors import SpecError, UnknownName
from trainer.spec import Options
from trainer.tasks.metric import LOSS, Metric

LAST = "last"
"""The checkpoint rule that looks at nothing."""
RULE_PREFIX = "validation_"


@dataclass(frozen=True, kw_only=True)
class Description:
    """A task by its name in a study file, with its options."""

    name: str
    metrics: tuple[Metric, ...]
    """In the order in which they are shown; the loss is among them."""
    primary: str
    """The metric that a study reports unless it names another."""
    stratifies: bool
    """Whether the task can say strata, so that every part of a split gets its share of each."""
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a study does where it says nothing else: section -> key -> value."""

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        where = f"task {self.name!r}"
        if LOSS not in names or self.metric(LOSS).better != "lower":
            raise ValueError(f"{where}: has the metrics {', '.join(names)}; one named loss, lower is better, is needed")
        if self.metric(LOSS).heldout_only:
            raise ValueError(f"{where}: its loss is heldout_only; accepts one that is measured of every part")
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
    def validated(self) -> tuple[str, ...]:
        """Names of the metrics that are measured of a validation part, too."""
        return tuple(metric.name for metric in self.metrics if not metric.heldout_only)

    @property
    def rules(self) -> tuple[str, ...]:
        """Checkpoint rules that a study may declare."""
        return (*(RULE_PREFIX + name for name in self.validated), LAST)

    def tracked(self, declared: str) -> tuple[str, ...]:
        """Checkpoint rules whose outcome every fold measures: by the loss, by the primary metric where a validation
        part has it, the declared one."""
        by_primary = (RULE_PREFIX + self.primary,) if self.primary in self.validated else ()
        return tuple(dict.fromkeys((RULE_PREFIX + LOSS, *by_primary, declared)))


def refuse_unknown(task: str, options: Options, known: Iterable[str]) -> None:
    """Raises :class:`SpecError` for an option that is not among the ``known``, naming the nearest."""
    names = list(known)
    for option in options:
        if option not in names:
            near = difflib.get_close_matches(option, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SpecError(f"task {task}: unknown option {option!r}; accepts {', '.join(names)}{hint}")


def describe(name: str, options: Options | None = None) -> Description:
    """Of a catalogue name or import path. Raises :class:`UnknownName`, with why a task of one's own is none."""
    return described(name, json.dumps(dict(options or {}), sort_keys=True))


@functools.cache
def described(name: str, options: str) -> Description:
    catalogue.check("task", name, catalogue.TASKS)
    if name in catalogue.DESCRIPTIONS:
        found: Description = catalogue.resolve("task", name, catalogue.DESCRIPTIONS)(json.loads(options))
        return found
    run = subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", "-m", "trainer.tasks.describe", name, options],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    if run.returncode != 0:
        words = (run.stderr.strip().splitlines() or ["cannot be described"])[-1]
        raise UnknownName(words if name in words else f"task {name!r}: {words}")
    return from_plain(json.loads(run.stdout.splitlines()[-1]))


def from_plain(raw: dict[str, Any]) -> Description:
    """The inverse of ``dataclasses.asdict``."""
    return Description(**{**raw, "metrics": tuple(Metric(**metric) for metric in raw["metrics"])})
