"""The first screen: the question, its answer with one figure, what it cost, what would decide the rest, and where it
can be attacked."""

from __future__ import annotations

import math
from typing import Any

from analysis.report import across, conclusion
from analysis.report.amounts import listed
from analysis.report.blocks import Block, Screen, Section
from analysis.report.conclusion import DECIDED
from analysis.report.figures import answer as figure
from analysis.report.figures.comparisons import ranged
from analysis.report.findings import Findings
from analysis.report.sections import budget, declaration, floors, robustness
from analysis.report.sections import power as planning
from analysis.report.spending import Spent, hours_of, spent
from analysis.runs.schema import SCORED, UNFINISHED, Status
from analysis.runs.wording import counted
from analysis.statistics.power import NextStep
from analysis.statistics.units import Unit
from analysis.statistics.verdict import Verdict

SHOWN = 3
"""Warnings on the first screen."""
METHODS = (
    "Differences are paired by split and signed so that positive is better; shares of items are said in points, which "
    "are hundredths. An interval is cut where the metric ends: no activation can score beyond it.",
    "What a design tells is the smallest true difference that it would call better or worse in four of five studies, "
    "with the observed spread and the correction for the number of comparisons.",
    "Cost is the time of every epoch, of searches too; trainings that shared a device share its time.",
)


def section(findings: Findings) -> Section:
    cost = spent(findings)
    steps = next_steps(findings)
    told = warnings(findings)
    more = len(told) - SHOWN
    facts = {
        "What to use": [conclusion.choice(findings)],
        "Across the data sets": across.facts(findings),
        "Against trivial predictors": floors.facts(findings),
        "What it cost": [cost.said],
        "What would decide the rest": decide(findings, steps, cost),
        "Where it is weak": weak(findings),
    }
    said = [*conclusion.sentences(findings), *([text] if (text := floors.unbeaten(findings)) else [])]
    screen = Screen(
        question=question(findings),
        answer=said,
        warnings=[*told[:SHOWN], *([f"{counted(more, 'further warning')} under Integrity."] if more > 0 else [])],
        plots=figure.drawn(findings),
        facts=[(term, lines) for term, text in facts.items() if (lines := [line for line in text if line])],
        record={
            "question": question(findings),
            "sentence": " ".join(said),
            "comparisons": [comparison(findings, found) for found in findings.verdicts],
            "warnings": told,
            "cost": {"trainings": cost.trainings, "device_hours": plain(cost.hours)},
            "next": [step_record(step) for step in steps],
        },
    )
    blocks: list[Block] = [screen]
    return Section(anchor="answer", title="Answer", blocks=blocks, methods=METHODS if findings.verdicts else ())


def question(findings: Findings) -> str:
    asked = list(dict.fromkeys(plan.declaration.question for plan in findings.plans if plan.declaration.question))
    if not asked:
        return "Which activation is better? No question was written down"
    more = f" And {counted(len(asked) - 1, 'further question')} under What was asked." if len(asked) > 1 else ""
    return asked[0] + more


def plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def comparison(findings: Findings, found: Verdict) -> dict[str, object]:
    """One comparison as plain values, in the metric's own units; the interval as the t gives it."""
    low, high = found.interval or (math.nan, math.nan)
    extras = {name: float(found.extras.get(name, math.nan)) for name in ("rope", "detectable", "power")}
    return {
        "dataset": found.dataset,
        "activation": found.activation,
        "control": found.control,
        "word": str(found.word),
        "difference": plain(found.estimate),
        "low": plain(low),
        "high": plain(high),
        "level": found.level,
        "p": found.p_adjusted,
        "n": found.n,
        **{name: plain(value) for name, value in extras.items()},
        "note": found.note,
        "doubts": list(found.doubts),
    }


def step_record(step: NextStep) -> dict[str, Any]:
    return {
        **{"dataset": step.dataset, "activation": step.activation, "control": step.control, "aim": step.aim},
        **{"reachable": step.reachable, "folds": step.folds, "repeats": step.repeats, "trainings": step.trainings},
        **{"device_hours": plain(step.hours), "sentence": step.sentence},
    }


def next_steps(findings: Findings) -> list[NextStep]:
    """What would decide each open comparison: those ahead of the control first, the cheapest of them first, and last
    those out of reach."""
    pairs = zip(planning.open_(findings), planning.next_steps(findings), strict=True)
    ranked = sorted(pairs, key=lambda one: (not one[1].reachable, one[0].estimate <= 0, planning.price(one[1])))
    return [step for _, step in ranked]


def decide(findings: Findings, steps: list[NextStep], cost: Spent) -> list[str]:
    """What would decide the rest, in folds and hours, or that no number of repeats would."""
    if not findings.verdicts:
        return []
    if all(found.word in DECIDED for found in findings.verdicts):
        return ["Nothing is open. A verdict speaks of its data set and model: further hours tell more on others."]
    if not steps and (over_cases := planning.cases(findings)):
        rest = len(over_cases) - 1
        return [
            over_cases[0],
            *([f"{counted(rest, 'more comparison')} under Power and the next step."] if rest else []),
        ]
    if not steps:
        return ["Nothing can be planned from these numbers: a spread over paired splits of one's own runs is missing."]
    several = len(findings.datasets) > 1
    within = [step for step in steps if step.reachable]
    beyond = [step.activation + (f" on {step.dataset}" if several else "") for step in steps if not step.reachable]
    said = [
        f"{step.activation}{f' on {step.dataset}' if several else ''}: {design_of(findings, step)}, "
        f"{step.trainings} trainings{hours_of(step.hours, cost.device, ', about ')}"
        f"{' (to show it equivalent)' if step.aim == 'equivalence' else ''}."
        for step in within[:2]
    ]
    if len(within) > 2:
        dearest = max(within[2:], key=lambda step: step.trainings)
        said.append(
            f"{len(within) - 2} more: up to {dearest.trainings} trainings"
            f"{hours_of(dearest.hours, cost.device, ', about ')} each."
        )
    if beyond and not within:
        which = "any of them" if len(beyond) > 1 else beyond[0]
        said.append(f"No number of repeats would decide {which}: hours tell more on other data sets, or larger ones.")
    elif beyond:
        said.append(f"{listed(beyond, 3)}: no number of repeats.")
    return said


def design_of(findings: Findings, step: NextStep) -> str:
    if findings.scores(step.dataset).unit is Unit.SEED:
        return counted(step.repeats, "seed")
    return f"{counted(step.repeats, 'repeat')} of {counted(step.folds, 'fold')}"


def warnings(findings: Findings) -> list[str]:
    """What changes the reading, and that alone."""
    claimed = findings.claimed
    told: list[str] = []
    if not bool(claimed["verifiable"].all()):
        told.append("Numbers were imported without runs behind them: they are not verifiable, and nothing is claimed.")
    if any(plan.claims_phase == "search" and any(plan.search_trials.values()) for plan in findings.plans):
        told.append("Settings were chosen and scored on the same splits: exploratory, not confirmed.")
    late = [plan.study for at, plan in enumerate(findings.plans) if "AFTER" in declaration.when(findings, at)]
    if late:
        told.append(f"Declared after the first epoch of a run: {listed(late, 3)}.")
    told += budget.lacking(findings)
    open_ = int(claimed["status"].isin(UNFINISHED).sum())
    if open_:
        told.append(f"Interim: {len(claimed) - open_} of {counted(len(claimed), 'planned training')} have a result.")
    doubts = dict.fromkeys(doubt for found in findings.verdicts for doubt in found.doubts)
    return [*told, *(doubt for doubt in doubts if doubt not in told)]


def weak(findings: Findings) -> list[str]:
    """Where the answer can be attacked, by what was found in the runs."""
    if not findings.verdicts:
        return []
    counts = [found.n for found in findings.verdicts]
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    seeds = max((table.seeds for table in tables if table.unit is not Unit.SEED), default=0)
    splits = ranged(set(counts), f"paired {findings.unit}")
    sets = len(findings.datasets)
    points = [f"{splits} on {'1 data set' if sets == 1 else f'each of {sets} data sets'}, {across.models(findings)}."]
    if seeds == 1 and not bool((findings.claimed["status"] == Status.IMPORTED).all()):
        points.append(f"One seed a {findings.unit}: the luck of a seed is in every difference.")
    if all(table.unit is Unit.SEED for table in tables):
        points.append("One split, the same in every run: what is hard or easy in it is in every number.")
    return points + [line for line in (turned(findings), tuned(findings), lost(findings), zone(findings)) if line]


def turned(findings: Findings) -> str:
    """How many verdicts another choice would change; empty where none."""
    others = findings.once("alternatives", robustness.alternatives)
    flips = robustness.flipped(findings.verdicts, others)
    flips.pop(robustness.PLAIN, None)
    changed = set().union(*flips.values())
    by = [name for name, found in flips.items() if found]
    if not changed:
        return ""
    verb = "changes" if len(changed) == 1 else "change"
    return (
        f"{len(changed)} of {counted(len(findings.verdicts), 'verdict')} {verb} under another choice ({listed(by, 3)})."
    )


def tuned(findings: Findings) -> str:
    """How many settings each activation was given, counted in the runs."""
    if bool((findings.claimed["status"] == Status.IMPORTED).all()):
        return "How the settings were chosen is not known."
    searched = findings.cube[findings.cube["phase"] == "search"]
    if searched.empty:
        return "Nothing was tuned: each activation ran with the settings of the study file."
    counts = searched.groupby("activation", sort=False)["trial"].nunique()
    tried = {label: int(counts.get(label, 0)) for label in findings.labels}
    if len(set(tried.values())) == 1:
        return ""
    without = [label for label, count in tried.items() if count <= 1]
    rest = sorted({count for count in tried.values() if count > 1})
    if not without:
        return f"Settings tried differ: {rest[0]} to {rest[-1]} for each activation."
    return f"{listed(without, 3)} had one setting, the others {' to '.join(map(str, rest))} to choose from."


def lost(findings: Findings) -> str:
    rows = findings.claimed[findings.claimed["status"] == Status.DIVERGED]
    if rows.empty:
        return ""
    names = [f"{label} ({count})" for label, count in rows["activation"].value_counts(sort=False).items()]
    scored = int(findings.claimed["status"].isin([*SCORED, Status.DIVERGED]).sum())
    return f"{len(rows)} of {counted(scored, 'training')} diverged, counted as knowing nothing: {listed(names, 3)}."


def zone(findings: Findings) -> str:
    """Of practical equivalence, where none was declared."""
    if all(plan.declaration.rope is not None for plan in findings.plans):
        return ""
    widths = [float(found.extras.get("rope", math.nan)) for found in findings.verdicts]
    known = [width for width in widths if math.isfinite(width)]
    if not known:
        return "No zone of equivalence was declared, so nothing can be called equivalent."
    return f"No zone of equivalence was declared; {across.default_zone(findings, known)}."
