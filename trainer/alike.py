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

from trainer.codec import from_plain
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
    """Compares the points. A point that is no function of one number, or that raises, takes no part and is named. The
    settings of one label are held at a time."""
    from trainer.activations.distance import becomes

    points, within = question.points, question.within
    unclear: dict[str, str] = {}
    named = _courses(question, [at for at, one in enumerate(points) if one.kind != "setting"], unclear)
    tried: list[tuple[int, int]] = []
    repeated: list[tuple[int, int]] = []
    for label in dict.fromkeys(one.label for one in points if one.kind == "setting"):
        mine = [at for at, one in enumerate(points) if one.kind == "setting" and one.label == label]
        settings = _courses(question, mine, unclear)
        others = {at: one for at, one in named.items() if points[at].label != label}
        tried += _near(others, settings, within)
        repeated += _repeated(settings, points, within)
    same = [(a, b) for a, b in _near(named, named, within) if a < b]
    fixed = [at for at in named if points[at].kind == "fixed"]
    return Answer(
        same=tuple(same),
        tried=tuple(sorted(tried)),
        repeated=tuple(repeated),
        learns=tuple(at for at, one in named.items() if one.learns),
        becomes=tuple(
            (a, b)
            for a in fixed
            for b in fixed
            if named[a].learns
            and not named[b].learns
            and (min(a, b), max(a, b)) not in same
            and becomes(points[a].spec, named[b], within=within)
        ),
        unclear=unclear,
    )


def _courses(question: Question, places: list[int], unclear: dict[str, str]) -> dict[int, Course]:
    """Of the points at ``places``, those that can be compared; why another cannot is added to ``unclear``."""
    from trainer.activations.distance import course

    courses: dict[int, Course] = {}
    for at in places:
        try:
            courses[at] = course(question.points[at].spec, question.epochs)
        except Exception as error:  # a user's own class may raise anything
            unclear[str(at)] = str(error) or type(error).__name__
    return courses


def _near(rows: dict[int, Course], columns: dict[int, Course], within: float) -> list[tuple[int, int]]:
    from trainer.activations.distance import distances

    if not rows or not columns:
        return []
    near = (distances(list(rows.values()), list(columns.values())) <= within).nonzero().tolist()
    of_rows, of_columns = list(rows), list(columns)
    return [(of_rows[i], of_columns[j]) for i, j in near]


def _repeated(settings: dict[int, Course], points: tuple[Point, ...], within: float) -> list[tuple[int, int]]:
    """Each setting that is as near as ``within`` to an earlier one of its training that repeats none."""
    from trainer.activations.distance import distances

    groups: dict[str, list[int]] = {}
    for at in settings:
        groups.setdefault(points[at].training, []).append(at)
    found = []
    for group in groups.values():
        if len(group) < 2:
            continue
        of_group = [settings[at] for at in group]
        near = (distances(of_group, of_group) <= within).numpy()
        kept: list[int] = []
        for i, at in enumerate(group):
            first = next((k for k in kept if near[i, k]), None)
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
