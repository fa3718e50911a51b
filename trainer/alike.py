"""Which of a study's activations are the same function, found before anything is trained.

``python -P -m actsweep_start -m trainer.alike`` answers one question from standard input: a process of its own, because
it loads torch and what the user's modules load. :mod:`trainer.activations.distance` says what "the same" means. This
module itself loads without torch.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trainer.codec import from_plain, to_text
from trainer.spec import ActivationSpec

if TYPE_CHECKING:
    from trainer.activations.distance import Course

Kind = Literal["fixed", "default", "end", "setting"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting of a compared activation."""

    label: str
    kind: Kind
    """The one that a study fixes; of a search, what the class has by default, an end of the space, or a setting that
    will be tried."""
    spec: ActivationSpec
    training: str = ""
    """What is searched of its training, as text: settings that differ in it are no repetitions."""


@dataclass(frozen=True, kw_only=True)
class Question:
    points: tuple[Point, ...]
    epochs: int
    """Of the training over which those that follow its progress are compared."""
    within: float
    """How near is the same."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Numbers are places in the question's points."""

    same: tuple[tuple[int, int], ...] = ()
    """Pairs that are no settings, the smaller first."""
    tried: tuple[tuple[int, int], ...] = ()
    """A point of another label that is no setting, and a setting that is the same function."""
    repeated: tuple[tuple[int, int], ...] = ()
    """A setting, and the first of its label that it repeats."""
    learns: tuple[int, ...] = ()
    """Those whose parameters are trained."""
    becomes: tuple[tuple[int, int], ...] = ()
    """Fixed ones that differ: the first can learn to be the second."""
    unclear: Mapping[str, str] = field(default_factory=dict)
    """Place, as text -> why the point cannot be compared."""


def answer(question: Question) -> Answer:
    """Compares the points. A point that is no function of one number, or that raises, takes no part and is named."""
    from trainer.activations.distance import becomes, course

    courses: dict[int, Course] = {}
    unclear: dict[str, str] = {}
    known: dict[str, Course | str] = {}
    for at, point in enumerate(question.points):
        text = to_text(point.spec)
        if text not in known:
            try:
                known[text] = course(point.spec, question.epochs)
            except Exception as error:  # a user's own class may raise anything
                known[text] = str(error) or type(error).__name__
        found = known[text]
        if isinstance(found, str):
            unclear[str(at)] = found
        else:
            courses[at] = found
    points = question.points
    named = [at for at in courses if points[at].kind != "setting"]
    settings = [at for at in courses if points[at].kind == "setting"]
    same = _near(courses, named, named, question.within)
    fixed = [at for at in named if points[at].kind == "fixed"]
    learners = [at for at in fixed if courses[at].learns]
    return Answer(
        same=tuple((a, b) for a, b in same if a < b),
        tried=tuple(
            (a, b) for a, b in _near(courses, named, settings, question.within) if points[a].label != points[b].label
        ),
        repeated=tuple(_repeated(courses, points, settings, question.within)),
        learns=tuple(at for at, one in courses.items() if one.learns),
        becomes=tuple(
            (a, b)
            for a in learners
            for b in fixed
            if a != b
            and not courses[b].learns
            and (a, b) not in same
            and (b, a) not in same
            and becomes(points[a].spec, courses[b], within=question.within)
        ),
        unclear=unclear,
    )


def _near(
    courses: dict[int, Course], rows: list[int], columns: list[int], within: float
) -> dict[tuple[int, int], None]:
    from trainer.activations.distance import distances

    if not rows or not columns:
        return {}
    near = (distances([courses[at] for at in rows], [courses[at] for at in columns]) <= within).nonzero().tolist()
    return {(rows[i], columns[j]): None for i, j in near}


def _repeated(
    courses: dict[int, Course], points: tuple[Point, ...], settings: list[int], within: float
) -> list[tuple[int, int]]:
    """Each setting that is as near as ``within`` to an earlier one of its label and training that repeats none."""
    from trainer.activations.distance import distances

    groups: dict[tuple[str, str], list[int]] = {}
    for at in settings:
        groups.setdefault((points[at].label, points[at].training), []).append(at)
    found = []
    for group in groups.values():
        of_group = [courses[at] for at in group]
        near = (distances(of_group, of_group) <= within).numpy() if len(group) > 1 else None
        kept: list[int] = []
        for i, at in enumerate(group):
            first = next((k for k in kept if near is not None and near[i, k]), None)
            if first is None:
                kept.append(i)
            else:
                found.append((at, group[first]))
    return found


def main() -> None:
    """Reads a :class:`Question` as JSON from standard input; its last line of output is the :class:`Answer`."""
    found = answer(from_plain(Question, json.load(sys.stdin)))
    print(json.dumps(dataclasses.asdict(found)))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
