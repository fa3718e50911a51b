"""What was asked, how it was to be decided, when that was fixed, and how many runs there are."""

from __future__ import annotations

import datetime
import math

import pandas as pd

from analysis.report.blocks import Block, Facts, Section
from analysis.report.findings import Findings
from analysis.report.sections import budget
from analysis.runs.plan import Plan, Sameness
from analysis.runs.schema import SCORED, UNFINISHED, Status
from analysis.runs.wording import counted
from analysis.statistics import timing
from analysis.statistics.bayes import SHARE_OF_ERROR, SHARE_OF_REFERENCE

SHOWN = 6
"""Same functions that are told; the plan has them all."""


def section(findings: Findings) -> Section:
    imported = bool((findings.claimed["status"] == Status.IMPORTED).all())
    blocks: list[Block] = [
        Facts([*decided(findings, imported), *counts(findings, imported), *budget.facts(findings), *subjects(findings)])
    ]
    return Section(anchor="declaration", title="What was asked", blocks=blocks)


def decided(findings: Findings, imported: bool) -> list[tuple[str, str]]:
    """How the conclusion is drawn, and when that was fixed."""
    plans, metric = findings.plans, findings.metric
    published = ", as published; its rows are taken as folds, as the paper says"
    where = published if imported else " on the held-out part of each fold"
    return [
        ("Question", each({plan.study: plan.declaration.question or "none was written down" for plan in plans})),
        ("Primary metric", f"{metric.label}{where}"),
        ("Checkpoint rule", findings.plan.declaration.rule.replace("_", " ")),
        ("Control", each({plan.study: plan.declaration.control for plan in plans})),
        ("Practical equivalence", each({plan.study: rope(findings, plan.study) for plan in plans})),
        (
            "Family",
            f"{counted(findings.family, 'comparison')}, {'step by step' if findings.looks else 'Holm'}; "
            + each({plan.study: family(plan.declaration.family) for plan in plans}),
        ),
        ("Alpha", alpha(findings)),
        ("Declared", each({plan.study: when(findings, at) for at, plan in enumerate(plans)})),
        *([("Extended", each(grown))] if (grown := extended(findings)) else []),
    ]


def extended(findings: Findings) -> dict[str, str]:
    """How studies grew after they were declared, and what had been seen by then."""
    said = {
        plan.study: "; ".join(one.words().removeprefix("extended ") for one in plan.history) for plan in findings.plans
    }
    return {study: words or "never" for study, words in said.items()} if any(said.values()) else {}


def counts(findings: Findings, imported: bool) -> list[tuple[str, str]]:
    """What the claims rest on, and how much of it there is."""
    claimed = findings.claimed
    if imported:
        return [
            ("Claims rest on", "nothing: imported rows"),
            ("Runs", f"none; {counted(len(claimed), 'imported row')}"),
        ]
    status = {str(name): int(count) for name, count in claimed["status"].value_counts().items()}
    finished = sum(status.pop(name.value, 0) for name in SCORED)
    rest = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(status.items()))
    rests = {plan.study: phase(plan) for plan in findings.plans}
    return [
        ("Claims rest on", each(rests)),
        ("Runs", f"{finished} of {counted(len(claimed), 'planned run')} finished" + (f"; {rest}" if rest else "")),
        *([("Not trained again", taken(claimed))] if timing.taken(claimed).any() else []),
    ]


def taken(claimed: pd.DataFrame) -> str:
    """How many runs were taken from where the same training was finished already, and from which studies."""
    rows = claimed[timing.taken(claimed)]
    sources = rows["reused_from"].str.partition("/")[0].value_counts().sort_index()
    said = ", ".join(f"{count} from {study}" for study, count in sources.items())
    return f"{counted(len(rows), 'run')} taken from where the same specification had been trained: {said}"


def subjects(findings: Findings) -> list[tuple[str, str]]:
    """What was trained on what."""
    plans = findings.plans
    places = {plan.study: plan.places for plan in plans if plan.places}
    same = {plan.study: sameness(plan.same) for plan in plans if plan.same.within}
    return [
        ("Data set, model", each({plan.study: f"{plan.dataset}, {plan.model}" for plan in plans})),
        *([("Activations stand in", each(places))] if places else []),
        *([("Same functions", each(same))] if same else []),
        ("Splits", each({plan.study: plan.splits or "not stated" for plan in plans})),
    ]


def sameness(same: Sameness) -> str:
    """What was found before anything was trained, in a line."""
    shown = "; ".join(same.said[:SHOWN])
    more = f"; and {len(same.said) - SHOWN} more, in plan.json" if len(same.said) > SHOWN else ""
    return f"to within {same.within:g}, before the first epoch: {shown or 'none'}{more}"


def alpha(findings: Findings) -> str:
    text = f"{findings.alpha:g}, two-sided"
    declared = {plan.declaration.alpha for plan in findings.plans}
    if len(declared) > 1:
        text += f", the strictest of the studies' ({', '.join(f'{value:g}' for value in sorted(declared))})"
    status = findings.claimed["status"]
    if (status == Status.IMPORTED).all():
        return text
    open_ = int(status.isin(UNFINISHED).sum())
    looks = "over all looks, by the limits of the plan" if findings.looks else "interim analyses are not tracked"
    return f"{text}; {looks}" + (f"; interim: {len(status) - open_} of {counted(len(status), 'fold')}" if open_ else "")


def each(values: dict[str, str]) -> str:
    """One value where all studies agree, else each with its study's name."""
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return "; ".join(f"{study}: {value}" for study, value in values.items())


def family(name: str) -> str:
    return "each activation against the control" if name == "control" else "all pairs"


def phase(plan: Plan) -> str:
    what = "the confirm phase" if plan.claims_phase == "confirm" else "the search phase (exploratory)"
    rule, folds = plan.until_decided, counted(plan.folds, "fold")
    if rule is None:
        return f"{what}: {len(plan.repeats)} x {folds}"
    return f"{what}: {rule.looks[0]} to at most {rule.looks[-1]} x {folds}, until each comparison is decided"


def rope(findings: Findings, study: str) -> str:
    plan = next(plan for plan in findings.plans if plan.study == study)
    name = plan.declaration.metric
    if plan.declaration.rope is not None:
        return f"± {plan.declaration.rope:g} {name}, declared"
    datasets = set(findings.claimed.loc[findings.claimed["study"] == study, "dataset"])
    widths = [float(v.extras["rope"]) for v in findings.verdicts if v.dataset in datasets and "rope" in v.extras]
    used = sorted({width for width in widths if math.isfinite(width)})
    if not used:
        return "none: none was declared, and neither seeds, items nor knowing nothing give one"
    text = ", ".join(f"± {value:.4g}" for value in used)
    return f"{text} {name}, by default (none was declared): {default_zone(findings, datasets)}"


def default_zone(findings: Findings, datasets: set[str]) -> str:
    """What a zone that was not declared is made of, of what is known of the data sets' scores."""
    tables = [findings.scores(dataset) for dataset in findings.datasets if dataset in datasets]
    metric = tables[0].metric
    error = metric.better == "lower" and metric.high is None and any(table.reference > 0 for table in tables)
    parts = [
        "0.1 seed sd" if any(table.seed_sd > 0 for table in tables) else "",
        "one held-out item" if metric.share_of_items else "",
        f"{100 * SHARE_OF_REFERENCE:g} % of what knowing nothing scores, but no more than {100 * SHARE_OF_ERROR:g} % "
        "of the control's error"
        if error
        else "",
    ]
    known = [part for part in parts if part]
    return f"the widest of {' and '.join(known)}" if len(known) > 1 else "".join(known)


def when(findings: Findings, at: int) -> str:
    study = findings.studies[at]
    text = study.plan.declaration.declared_at
    first = study.curves["time"].min() if len(study.curves) else float("nan")
    if first != first:
        return text if text == "not declared" else f"{text} (no run's time is known)"
    try:
        declared = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return f"{text or 'not recorded'} (not a time that can be compared with the runs')"
    if declared.tzinfo is None:
        declared = declared.replace(tzinfo=datetime.UTC)
    return f"{text}, " + ("before" if declared.timestamp() <= first else "AFTER") + " the first epoch of any run"
