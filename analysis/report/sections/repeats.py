"""Of studies that repeat until decided: the looks, when each comparison ended, and what stayed open."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from analysis.report.amounts import listed
from analysis.report.blocks import Block, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.sections.power import rope_of
from analysis.report.tables import Table, decimals
from analysis.runs.plan import Plan
from analysis.runs.wording import counted
from analysis.statistics import course, power
from analysis.statistics.course import Course
from analysis.statistics.verdict import Verdict

NAMED = 6
METHODS = (
    "Repeated until decided: after each repeat the corrected t on all repeats so far is held against a limit that was "
    "fixed before the first fold. The limits come from simulated studies in which all differences of a comparison "
    "correlate by n2/(n1+n2), since repeats on the same data are no independent samples, and comparisons with one "
    "control by 1/2; with them the probability of any false better or worse, over all looks and comparisons, is alpha, "
    "and so is that of any false equivalent. By step-down closed testing (Marcus, Peritz and Gabriel 1976; Tang and "
    "Geller 1999), a comparison that is decided leaves wider limits to the rest.",
    "A comparison that is decided keeps its word and its numbers: repeats that others needed later take no part in it. "
    "Its p-value holds over the looks and the family, its interval over the looks (a repeated confidence interval, "
    "Jennison and Turnbull 1989); an estimate that ended a comparison early tends to be too large.",
)


def section(findings: Findings) -> Section | None:
    mine = {name: found for name in findings.datasets if (found := findings.followed(name)) is not None}
    if not mine:
        return None
    blocks: list[Block] = [Text(line) for name, found in mine.items() for line in told(findings, name, found)]
    blocks += [Tabled(ends(findings, mine)), Tabled(limits(findings, mine))]
    return Section(
        anchor="looks",
        title="Looks until decided",
        blocks=blocks,
        methods=METHODS,
        record={"until_decided": [record(findings, name, found) for name, found in mine.items()]},
    )


def told(findings: Findings, dataset: str, found: Course) -> list[str]:
    """How many looks there were, what each decided, and what stayed open."""
    plan = findings.plan_of(dataset)
    rule, on = course.ruled(plan), f"{dataset}: " if len(findings.datasets) > 1 else ""
    taken = sorted({look.repeats for look in found.looks})
    looked = f"after {ranged(taken)}" if taken else "so far"
    said = [
        f"{on}{counted(len(taken), 'look')} of at most {len(rule.looks)} {'was' if len(taken) == 1 else 'were'} taken, "
        f"{looked}; {trained(findings, plan)}."
    ]
    for look in found.looks:
        if look.words:
            names = [f"{activation} ({word})" for (activation, _), word in look.words.items()]
            said.append(f"Decided after {counted(look.repeats, 'repeat')}: {listed(names, NAMED)}.")
    return [*said, *still_open(found, rule.looks[-1])]


def ranged(repeats: list[int]) -> str:
    whole = len(repeats) > 2 and repeats == list(range(repeats[0], repeats[-1] + 1))
    text = f"{repeats[0]} to {repeats[-1]}" if whole else listed(list(map(str, repeats)), NAMED)
    return f"{text} repeat{'' if repeats == [1] else 's'}"


def trained(findings: Findings, plan: Plan) -> str:
    rows = findings.claimed[(findings.claimed["study"] == plan.study) & (findings.claimed["run_id"] != "")]
    most = len(plan.activations) * len(plan.repeats) * plan.folds
    return f"{len(rows)} of at most {counted(most, 'training')} were made"


def still_open(found: Course, most: int) -> list[str]:
    """What was not decided, by the repeats that it has."""
    by: dict[int, list[str]] = {}
    for pair in found.open:
        by.setdefault(found.standings[pair].trained, []).append(pair[0])
    return [
        f"Undecided after {f'all {most} repeats' if repeats >= most else f'{repeats} of at most {most} repeats'}: "
        f"{listed(names, NAMED)}."
        for repeats, names in sorted(by.items(), reverse=True)
    ]


def ends(findings: Findings, mine: dict[str, Course]) -> Table:
    rows = [
        {
            "dataset": name,
            "activation": pair[0],
            "control": pair[1],
            "word": str(standing.verdict.word),
            "repeats": standing.repeats or math.nan,
            "look": standing.look + 1 if standing.look is not None else math.nan,
            "n": standing.verdict.n,
            "p_look": number(standing.verdict, "p_of_look"),
            "limit": number(standing.verdict, "level_of_look"),
            "p": math.nan if standing.verdict.p_adjusted is None else standing.verdict.p_adjusted,
            "p_equivalence": number(standing.verdict, "p_equivalence_adjusted"),
            "at_most": at_most(findings.plan_of(name), standing.verdict),
        }
        for name, found in mine.items()
        for pair, standing in found.standings.items()
    ]
    frame = pd.DataFrame(rows)
    return Table(
        name="table-1-looks",
        title="When each comparison ended",
        caption=(
            "p at its last look alone, and the limit there while all comparisons are open; p and p of no equivalence "
            "as they hold over all looks and the family. Told at most: the smallest true difference that all repeats "
            "would tell with 80 % power at the last look, with the spread that was seen. Words before checks of the "
            "data."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("repeats", "look", "n"), "d"),
            **dict.fromkeys(("p_look", "limit", "p", "p_equivalence"), "p"),
            "at_most": f".{max(4, decimals(frame['at_most']))}f",
        },
        heads={
            "dataset": "data set",
            "word": "word there",
            "p_look": "p of the look",
            "p_equivalence": "p of no equivalence",
            "at_most": "told at most",
        },
    )


def at_most(plan: Plan, found: Verdict) -> float:
    """What all repeats would tell, by the spread of the differences as they were seen; nan where nothing was tested."""
    if "sd" not in found.extras:
        return math.nan
    rule = course.ruled(plan)
    level = rule.limit("difference", len(rule.looks) - 1, rule.comparisons)
    goal = power.Goal(size=0.0, rope=rope_of(found), alpha=rule.alpha, m=rule.comparisons, level=level)
    n = rule.units * rule.looks[-1]
    return goal.detectable(float(found.extras["sd"]), n, float(found.extras["ratio"]), target=0.8)


def number(found: Verdict, name: str) -> float:
    return float(found.extras.get(name, math.nan))


def limits(findings: Findings, mine: dict[str, Course]) -> Table:
    rows = []
    for name in mine:
        rule = course.ruled(findings.plan_of(name))
        for look, repeats in enumerate(rule.looks):
            row: dict[str, object] = {"dataset": name, "look": look + 1, "repeats": repeats, "n": repeats * rule.units}
            for kind in course.KINDS:
                row |= {f"{kind}_{j}": rule.limit(kind, look, j) for j in (rule.comparisons, 1)}
            rows.append(row)
    frame = pd.DataFrame(rows)
    most = max(course.ruled(findings.plan_of(name)).comparisons for name in mine)
    return Table(
        name="table-1-boundaries",
        title="Limits of the looks",
        caption=(
            "Largest p of one look, of no difference and of no equivalence, at which a comparison is decided: where "
            "all comparisons are open, and where one is left."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("look", "repeats", "n"), "d"),
            **{str(name): "p" for name in frame.columns if "_" in str(name)},
        },
        heads={
            "dataset": "data set",
            f"difference_{most}": f"difference, {most} open",
            "difference_1": "difference, 1 open",
            f"equivalence_{most}": f"equivalence, {most} open",
            "equivalence_1": "equivalence, 1 open",
        },
        fold=True,
    )


def record(findings: Findings, dataset: str, found: Course) -> dict[str, Any]:
    """For ``numbers.json``."""
    rule = course.ruled(findings.plan_of(dataset))
    return {
        "dataset": dataset,
        "alpha": rule.alpha,
        "looks_at_most": len(rule.looks),
        "looks": [
            {
                "repeats": look.repeats,
                "looked": [course.named(pair) for pair in look.looked],
                "decided": {course.named(pair): str(word) for pair, word in look.words.items()},
            }
            for look in found.looks
        ],
        "open": [course.named(pair) for pair in found.open],
        "boundaries": {
            "repeats": list(rule.looks),
            **{
                f"{kind}_{j}_open": [rule.limit(kind, look, j) for look in range(len(rule.looks))]
                for kind in course.KINDS
                for j in sorted({rule.comparisons, 1}, reverse=True)
            },
        },
    }
