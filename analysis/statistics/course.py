"""How the comparisons of a study that repeats until they are decided stand after each look: the driver decides by it
which get another repeat, and the report says by it what came out. Pure; the same runs give the same words.

A look takes all repeats so far as one sample: the corrected t on them, its p held against the look's limit
(:class:`analysis.runs.boundaries.Boundaries`), by Holm's steps among the comparisons that are still open, and the word
by the rule of :mod:`analysis.statistics.rule`, of which the posterior's demand is the same at every look. A comparison
that got its word keeps it, with the numbers of that look: repeats that others needed later are not looked at again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.runs.boundaries import Boundaries, Kind
from analysis.runs.metric import Metric
from analysis.runs.plan import Plan
from analysis.runs.schema import Status
from analysis.statistics.scores import Scores
from analysis.statistics.verdict import Extra, Interval, Verdict, Word

Pair = tuple[str, str]
"""Activation and control of a comparison."""
DECIDED = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)
KINDS: tuple[Kind, ...] = ("difference", "equivalence")
NOT_DUE = "Its first look is not due yet: folds of the first repeats have no end."

Compared = Callable[[Scores, str, str], Verdict]
Decide = Callable[[Verdict], Verdict]


def named(pair: Pair) -> str:
    """A comparison as the ledger names it."""
    return f"{pair[0]} against {pair[1]}"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look came to."""

    number: int
    """From 0."""
    repeats: int
    looked: tuple[Pair, ...]
    """Comparisons that were open and had their repeats."""
    words: Mapping[Pair, Word]
    """Of those that it decided."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One comparison after its last look."""

    look: int | None
    """From 0; None before its first."""
    repeats: int
    """That its numbers are of; 0 before its first look."""
    trained: int
    """Whole repeats that both of its labels have."""
    verdict: Verdict

    @property
    def decided(self) -> bool:
        return self.look is not None and self.verdict.word in DECIDED


@dataclass(frozen=True, kw_only=True)
class Course:
    standings: Mapping[Pair, Standing]
    """In the plan's order."""
    looks: tuple[Look, ...]

    @property
    def open(self) -> tuple[Pair, ...]:
        return tuple(pair for pair, standing in self.standings.items() if not standing.decided)


def follow(
    rows: pd.DataFrame,
    plan: Plan,
    comparisons: Sequence[Pair],
    tabled: Callable[[pd.DataFrame], Scores],
    compared: Compared,
    decide: Decide,
) -> Course:
    """The course of a study by its claimed ``rows`` on one data set.

    ``tabled`` makes the scores of rows, ``compared`` the verdict of a comparison by a single look, ``decide`` its word
    from the p-values that hold for the study. A look is due for a comparison when every fold of its repeats has an end.
    """
    rule = ruled(plan)
    whole = {label: ended(rows, plan, label) for label in plan.activations}
    trained = {pair: min(whole[pair[0]], whole[pair[1]]) for pair in comparisons}
    standings: dict[Pair, Standing] = {}
    looks: list[Look] = []
    for number, repeats in enumerate(rule.looks):
        due = [
            pair
            for pair in comparisons
            if trained[pair] >= repeats and not (pair in standings and standings[pair].decided)
        ]
        if not due:
            continue
        table = tabled(until(rows, plan, repeats))
        told = [one.verdict for one in standings.values() if one.decided]
        found = [compared(table, *pair) for pair in due]
        for pair, verdict in zip(due, at_look(found, told, rule, number), strict=True):
            final = decide(looked(verdict, rule, number, table.metric))
            standings[pair] = Standing(look=number, repeats=repeats, trained=trained[pair], verdict=final)
        words = {pair: standings[pair].verdict.word for pair in due if standings[pair].decided}
        looks.append(Look(number=number, repeats=repeats, looked=tuple(due), words=words))
    if len(standings) < len(comparisons):
        table = tabled(until(rows, plan, rule.looks[0]))
        for pair in comparisons:
            if pair not in standings:
                verdict = waiting(compared(table, *pair), rule)
                standings[pair] = Standing(look=None, repeats=0, trained=trained[pair], verdict=verdict)
    return Course(standings={pair: standings[pair] for pair in comparisons}, looks=tuple(looks))


def ruled(plan: Plan) -> Boundaries:
    assert plan.until_decided is not None
    return plan.until_decided


def until(rows: pd.DataFrame, plan: Plan, repeats: int) -> pd.DataFrame:
    """Those of the first ``repeats`` of the plan."""
    return rows[rows["repeat"].isin(plan.repeats[:repeats])]


def ended(rows: pd.DataFrame, plan: Plan, label: str) -> int:
    """Whole repeats of a label, from the plan's first on, of which every fold has an end, whichever."""
    mine = rows[(rows["activation"] == label) & ~rows["status"].isin((Status.MISSING, Status.RUNNING))]
    folds = mine.groupby("repeat")["fold"].nunique()
    whole = 0
    for repeat in plan.repeats:
        if int(folds.get(repeat, 0)) < plan.folds:
            break
        whole += 1
    return whole


def at_its_ends(
    rows: pd.DataFrame, plan: Plan, course: Course, tabled: Callable[[pd.DataFrame], Scores], compared: Compared
) -> list[Verdict]:
    """The verdicts by the scores of ``tabled``, each at the look at which its comparison ended in the ``course``, with
    p-values and intervals that hold over the looks: whatever ended it, they hold at all of them."""
    rule = ruled(plan)
    tables: dict[int, Scores] = {}
    at: dict[Pair, int] = {}
    found: dict[Pair, Verdict] = {}
    for pair, standing in course.standings.items():
        repeats = standing.repeats or rule.looks[0]
        if repeats not in tables:
            tables[repeats] = tabled(until(rows, plan, repeats))
        found[pair] = compared(tables[repeats], *pair)
        if standing.look is None:
            found[pair] = waiting(found[pair], rule)
        else:
            at[pair] = standing.look
    order = sorted(at, key=lambda pair: at[pair])
    told: list[Verdict] = []
    for look in sorted(set(at.values())):
        mine = [pair for pair in order if at[pair] == look]
        for pair, verdict in zip(mine, at_look([found[one] for one in mine], told, rule, look), strict=True):
            found[pair] = looked(verdict, rule, look, tables[rule.looks[look]].metric)
        told += [standing.verdict for pair in mine if (standing := course.standings[pair]).decided]
    return [found[pair] for pair in course.standings]


def at_look(verdicts: Sequence[Verdict], told: Sequence[Verdict], rule: Boundaries, look: int) -> list[Verdict]:
    """The verdicts of one look with the p-values that hold over all looks and in the family, of either kind apart;
    ``told``: those that were decided before."""
    found = list(verdicts)
    for kind in KINDS:
        words = (Word.EQUIVALENT,) if kind == "equivalence" else (Word.BETTER, Word.WORSE)
        left = rule.comparisons - sum(one.word in words for one in told)
        nominal = {at: p for at, one in enumerate(found) if (p := nominal_p(one, kind)) is not None}
        stepped = 0.0
        for step, at in enumerate(sorted(nominal, key=lambda at: (nominal[at], at))):
            stepped = max(stepped, rule.p(kind, look, left - step, nominal[at]))
            found[at] = _with(found[at], kind, rule, look, nominal[at], stepped)
    return found


def nominal_p(verdict: Verdict, kind: Kind) -> float | None:
    p = verdict.p if kind == "difference" else verdict.extras.get("p_equivalence")
    return None if p is None or np.isnan(float(p)) else float(p)


def _with(verdict: Verdict, kind: Kind, rule: Boundaries, look: int, nominal: float, adjusted: float) -> Verdict:
    alone = rule.p(kind, look, 1, nominal)
    if kind == "equivalence":
        own = {"p_equivalence": alone, "p_equivalence_adjusted": adjusted, "p_equivalence_of_look": nominal}
        return dataclasses.replace(verdict, extras={**verdict.extras, **own})
    extras = {**verdict.extras, "p_of_look": nominal}
    return dataclasses.replace(verdict, p=alone, p_adjusted=adjusted, extras=extras)


def looked(verdict: Verdict, rule: Boundaries, look: int, metric: Metric) -> Verdict:
    """The verdict with an interval that holds at every look (Jennison and Turnbull 1989), and what its look was."""
    extras: dict[str, Extra] = {**verdict.extras, "family": rule.comparisons}
    extras |= {"look": look + 1, "looks": len(rule.looks), "repeats": rule.looks[look]}
    extras |= {"level_of_look": rule.limit("difference", look, rule.comparisons), "family_of_look": rule.comparisons}
    interval = None
    if verdict.interval is not None:
        limit = rule.limit("difference", look, 1, 1 - verdict.level)
        half = float(stats.t.isf(limit / 2, float(extras["df"]))) * float(extras["se"])
        interval = Interval(*metric.within(verdict.estimate - half, verdict.estimate + half))
    return dataclasses.replace(verdict, interval=interval, extras=extras)


def waiting(verdict: Verdict, rule: Boundaries) -> Verdict:
    """Of a comparison before its first look: nothing is tested."""
    extras = {name: value for name, value in verdict.extras.items() if not name.startswith("p_equivalence")}
    extras |= {"family": rule.comparisons, "looks": len(rule.looks)}
    word = Word.UNDECIDED if verdict.word in DECIDED else verdict.word
    note = f"{verdict.note} {NOT_DUE}".strip()
    return dataclasses.replace(verdict, p=None, interval=None, word=word, note=note, extras=extras)
