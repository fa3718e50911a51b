"""Checks of the data that run before every report, are shown in it, and say what they do to its conclusions.

They ask whether the numbers can be what they are said to be: whole numbers of items, folds in no order, the same splits
and budget for everyone, no run counted twice, scores above what knowing nothing scores, and a run behind every number.
A check is a row of ``CHECKS``: what looks (:mod:`analysis.statistics.looks`), and what follows where it fails or warns.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.runs.plan import Plan
from analysis.statistics import grown, looks, same_functions
from analysis.statistics.course import Course
from analysis.statistics.finding import Check, Consequence, Effect, Finding, Outcome, Runs, passed, to_frame

CHECKS: tuple[Check, ...] = (
    # What is missing counts in each comparison's n and note.
    Check(name="complete", look=looks.complete),
    Check(
        name="declared before results",
        look=grown.declared_before_results,
        warns=Consequence(
            Effect.QUALIFIES,
            "So going on could depend on what had been seen: intervals and p values do not account for that look.",
        ),
    ),
    Check(
        name="repeats by the rule",
        look=looks.by_rule,
        of_course=True,
        warns=Consequence(Effect.QUALIFIES, "The words take the repeats up to each decision, and no others."),
    ),
    Check(
        name="granularity",
        look=looks.granularity,
        fails=Consequence(Effect.WITHDRAWS, "So these are not the scores of the items that are said to be held out."),
    ),
    Check(
        name="order",
        look=looks.order,
        fails=Consequence(
            Effect.WITHDRAWS,
            "Folds come in no order: rows like these are no folds, and no test may take them so.",
        ),
    ),
    Check(
        name="equal splits",
        look=looks.equal_splits,
        fails=Consequence(Effect.QUALIFIES, "Only folds that both sides have are compared."),
        warns=Consequence(Effect.QUALIFIES, "So nothing shows that both sides were scored on the same items."),
    ),
    Check(
        name="kept from the search",
        look=looks.kept_from_search,
        warns=Consequence(Effect.QUALIFIES, "So the luck that chose them may come back: the gain may be too high."),
    ),
    Check(
        name="equal budget",
        look=looks.equal_budget,
        warns=Consequence(Effect.QUALIFIES, "So a difference may come from this and not from the activation."),
    ),
    Check(
        name="duplicates",
        look=looks.duplicates,
        warns=Consequence(Effect.QUALIFIES, "If they are one run, n is less than it says."),
    ),
    Check(
        name="better than knowing nothing",
        look=looks.above_reference,
        warns=Consequence(Effect.QUALIFIES, "So what is compared may be whether it learns anything like this."),
    ),
    Check(
        name="parts differ",
        look=looks.parts_differ,
        # A validation part above the training part says nothing of the held-out part, which the claims rest on.
        fails=Consequence(Effect.WITHDRAWS, "What chose the epoch also scored it, so nothing was held out."),
    ),
    # What follows stands in the finding: it depends on what is learned.
    Check(name="different functions", look=same_functions.look, warns=Consequence(Effect.QUALIFIES)),
    Check(
        name="verifiable",
        look=looks.verifiable,
        warns=Consequence(Effect.WITHDRAWS, "What nobody can look up proves nothing."),
    ),
)
"""Every check, in the order of the report."""


def found(
    cube: pd.DataFrame,
    plan: Plan,
    every: pd.DataFrame | None = None,
    course_of: Callable[[pd.DataFrame, Plan], Course] | None = None,
) -> list[Finding]:
    """What every check of ``CHECKS`` came to on every data set; one finding at least from each.

    ``cube`` holds the rows the claims rest on, ``every`` all of the study's (default: those); ``course_of`` follows a
    study that repeats until its comparisons are decided.
    """
    whole = cube if every is None else every
    result: list[Finding] = []
    for dataset, of_set in cube.groupby("dataset", sort=False):
        course = course_of(of_set, plan) if course_of is not None and plan.until_decided is not None else None
        runs = Runs(rows=of_set, every=whole[whole["dataset"] == dataset], plan=plan, course=course)
        for check in (one for one in CHECKS if course is not None or not one.of_course):
            follows = {Outcome.FAIL: check.fails, Outcome.WARN: check.warns, Outcome.PASS: Consequence()}
            result += [
                Finding(check=check.name, dataset=str(dataset), seen=seen, consequence=follows[seen.outcome])
                for seen in check.look(runs) or [passed("")]
            ]
    return result


def checks(cube: pd.DataFrame, plan: Plan, every: pd.DataFrame | None = None) -> pd.DataFrame:
    """:func:`found` as a frame."""
    return to_frame(found(cube, plan, every))
