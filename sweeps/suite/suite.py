"""A suite: studies that ask one question of several data sets, models or ways to train.

:func:`sweeps.suite.reading.load` reads a file; what is wrong with it, in the suite or in any of its studies, comes back
as one :class:`sweeps.errors.StudyError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from slurm.messages import show
from sweeps.study import shipped
from sweeps.study.running import Notify
from sweeps.study.sections import Budget
from sweeps.study.study import Study

MEMBER = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}\Z")
RESERVED = frozenset(
    {"jobs", "mlartifacts", "mlflow.db", "mlflow-ui.log", "notices.jsonl", "report", "suite.yaml", "trials"}
)
"""Names in a suite's folder that are no study's."""
ONE_QUESTION: Mapping[str, Callable[[Study], object]] = {
    "activations": lambda study: [item.model_dump(mode="json", exclude={"training"}) for item in study.activations],
    "control": lambda study: study.control,
    "report.metric": lambda study: study.report.metric,
    "report.family": lambda study: study.report.family,
    "training.checkpoint_rule": lambda study: study.training.checkpoint_rule,
    "task": lambda study: repr(study.description.metric(study.report.metric)),
}
"""What makes the question, and is therefore the same in all studies of a suite."""
ONE_DRIVER: Mapping[str, Callable[[Study], object]] = {
    "cluster.profile": lambda study: study.cluster.profile,
    "tracking.uri": lambda study: study.tracking.uri,
}
"""What the one driver of a suite has one of."""
STORE = "sqlite:///../mlflow.db"
"""The suite's MLflow store as a study below it names it: relative, so that the folder can be moved."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    name: str
    question: str
    budget: Budget | None
    notify: Notify | None = None
    """Who is told, once, when all of its studies have ended."""
    studies: Mapping[str, Study]
    """By the member's name, in the file's order. The study itself is called ``<suite>-<member>``."""

    @property
    def first(self) -> Study:
        return next(iter(self.studies.values()))


def study_name(suite: str, member: str) -> str:
    return f"{suite}-{member}"


def on_profile(suite: Suite, profile: str) -> Suite:
    """The suite, to be run elsewhere; the identity of its studies is unchanged."""
    moved = {member: shipped.on_profile(study, profile) for member, study in suite.studies.items()}
    return replace(suite, studies=moved)


def folder_of(path: Path, member: str) -> Path:
    """The study folder of a member in the suite's folder."""
    return path / member


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A member that asks another question than the first, or wants another driver."""

    member: str
    first: str
    key: str
    got: str
    expected: str
    why: str


def differing(studies: Mapping[str, Study]) -> Iterator[Differing]:
    """Where members differ in what a suite has one of."""
    first = next(iter(studies))
    for key, of in {**ONE_QUESTION, **ONE_DRIVER}.items():
        why = "a suite asks one question" if key in ONE_QUESTION else "a suite has one driver"
        expected = of(studies[first])
        for member, study in studies.items():
            if (got := of(study)) != expected:
                said = _apart(got, expected) if key == "activations" else (show(got), show(expected))
                yield Differing(member=member, first=first, key=key, got=said[0], expected=said[1], why=why)


def _apart(got: object, expected: object) -> tuple[str, str]:
    """The first activation in which two lists differ; the labels where that is what differs."""
    assert isinstance(got, list)
    assert isinstance(expected, list)
    labels = [[item["label"] for item in items] for items in (got, expected)]
    if labels[0] != labels[1]:
        return ", ".join(labels[0]), ", ".join(labels[1])
    return next((show(one), show(other)) for one, other in zip(got, expected, strict=True) if one != other)
