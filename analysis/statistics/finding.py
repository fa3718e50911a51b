"""What a check of the data comes to, whom it concerns, and what it does to their word.

A check is a row of a table (:data:`analysis.statistics.integrity.CHECKS`): a function that looks at a study's runs on
one data set, and what follows where it fails or warns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import pandas as pd

from analysis.runs.metric import Metric, counting
from analysis.runs.plan import Plan
from analysis.statistics.course import Course

COLUMNS = ["check", "dataset", "status", "note", "activations", "effect", "consequence"]


class Outcome(StrEnum):
    """What a check came to. Frames hold the plain text."""

    PASS = "pass"  # noqa: S105  # no password
    WARN = "warn"
    FAIL = "fail"


class Effect(StrEnum):
    """What a finding does to the word of a comparison that it concerns."""

    WITHDRAWS = "takes the word away"
    QUALIFIES = "qualifies the word"
    NOTHING = "nothing"


class Consequence(NamedTuple):
    """What follows from a finding, and a sentence that says why; empty where nothing follows."""

    effect: Effect = Effect.NOTHING
    sentence: str = ""


NOTHING = Consequence()


class Observation(NamedTuple):
    """What a check saw."""

    outcome: Outcome
    note: str
    labels: frozenset[str] = frozenset()
    """Activations whose runs it was seen in; empty: it concerns them all."""
    groups: Mapping[str, str] | None = None
    """Where it is a difference between activations: what each has. Those that have the same are not concerned."""
    together: bool = False
    """It concerns only comparisons of ``labels`` with one another."""


Seen = list[Observation]


def passed(note: str) -> Observation:
    return Observation(Outcome.PASS, note)


def warn(
    note: str,
    labels: frozenset[str] = frozenset(),
    groups: Mapping[str, str] | None = None,
    *,
    together: bool = False,
) -> Observation:
    return Observation(Outcome.WARN, note, labels, groups, together)


def fail(note: str, labels: frozenset[str] = frozenset(), groups: Mapping[str, str] | None = None) -> Observation:
    return Observation(Outcome.FAIL, note, labels, groups)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What a check looks at: the runs of one study on one data set."""

    rows: pd.DataFrame
    """Those that the claims rest on."""
    every: pd.DataFrame
    """With those of a search, where the caller has them."""
    plan: Plan
    course: Course | None = None
    """Of a study that repeats until its comparisons are decided."""

    @property
    def looked(self) -> Metric:
        """The metric of checks of single items: the one that is a share of items, where there is one."""
        return counting(self.plan.metrics, self.plan.declaration.metric)


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    look: Callable[[Runs], Seen]
    """What there is to say; nothing where all is well."""
    fails: Consequence = NOTHING
    """Of an observation that fails it."""
    warns: Consequence = NOTHING
    of_course: bool = False
    """Asked only of studies that repeat until their comparisons are decided."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check came to on one data set, and what follows."""

    check: str
    dataset: str
    seen: Observation
    consequence: Consequence

    @property
    def sentence(self) -> str:
        """What was found and what follows."""
        return f"{self.seen.note} {self.consequence.sentence}".strip()

    def concerns(self, dataset: str, activation: str, control: str) -> bool:
        """Whether a comparison of these two suffers from it."""
        if dataset != self.dataset:
            return False
        if self.seen.groups is not None:
            return self.seen.groups.get(activation) != self.seen.groups.get(control)
        if self.seen.together:
            return {activation, control} <= self.seen.labels
        return not self.seen.labels or bool(self.seen.labels & {activation, control})


def to_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding; ``COLUMNS``: status pass, warn or fail, activations concerned (a tuple; empty: all),
    effect and consequence as plain text."""
    rows = [
        {
            "check": one.check,
            "dataset": one.dataset,
            "status": one.seen.outcome.value,
            "note": one.seen.note,
            "activations": tuple(sorted(one.seen.groups or one.seen.labels)),
            "effect": one.consequence.effect.value,
            "consequence": one.consequence.sentence,
        }
        for one in findings
    ]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))
