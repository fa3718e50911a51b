"""What several data sets together say of a question, and what they cannot: for the first screen."""

from __future__ import annotations

import math

from analysis.report import conclusion
from analysis.report.amounts import amount, listed, number, scale
from analysis.report.findings import Findings
from analysis.runs.wording import counted
from analysis.statistics.ranks import LEAST_DATASETS

NAMED = 3


def repeated(findings: Findings) -> list[str]:
    """Data sets that stand behind several studies, with other models, samples or ways to train: what one of them
    favours, the others do, so that they are no independent trials."""
    names = [plan.dataset.partition("(")[0].strip() for plan in findings.plans]
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def facts(findings: Findings) -> list[str]:
    """How often each activation is ahead of the control, and whether that says something of other data sets. None of
    one data set."""
    sets = len(findings.datasets)
    if sets < 2 or not findings.verdicts:
        return []
    counts = dict.fromkeys([label for label in findings.labels if label != findings.control], 0)
    for found in findings.verdicts:
        known = found.control == findings.control and math.isfinite(found.estimate)
        if known and found.estimate > 0 and not conclusion.level_on_average(findings, found):
            counts[found.activation] += 1
    everywhere = [label for label, count in counts.items() if count == sets]
    ranked = sorted((label for label in counts if 0 < counts[label] < sets), key=lambda label: -counts[label])
    some = listed([f"{label} on {counts[label]}" for label in ranked], NAMED)
    if everywhere:
        said = f"On average ahead of {findings.control} on all {sets}: {listed(everywhere, NAMED)}"
        said += f"; on some: {some}." if some else "."
    else:
        said = f"On average nothing is ahead of {findings.control} on all {sets}" + (f": {some}." if some else ".")
    return [said, why_no_more(findings)]


def why_no_more(findings: Findings) -> str:
    """What keeps a test over the data sets from being made, or where it stands."""
    sets = counted(len(findings.datasets), "data set")
    if same := repeated(findings):
        return (
            f"No test over them: {listed(same, NAMED)} {'is' if len(same) == 1 else 'are'} among them more than once, "
            "and a test takes each for a trial of its own."
        )
    if len(findings.datasets) < LEAST_DATASETS:
        return f"{sets} are too few to conclude for others ({LEAST_DATASETS} are needed): each verdict is its own."
    return f"A test over all {sets} stands under Across data sets."


def default_zone(findings: Findings, widths: list[float]) -> str:
    """The widths of practical equivalence that nobody declared: of one data set one, of several from the least to the
    greatest."""
    least, most = min(widths), max(widths)
    if math.isclose(least, most, rel_tol=1e-9):
        return f"the default is ± {amount(most, findings.metric)}"
    ends = f"{number(scale(findings.metric) * least)} to {amount(most, findings.metric)}"
    return f"the defaults are ± {ends}, by data set"


def models(findings: Findings) -> str:
    """``one model``, or how many there are."""
    names = len(dict.fromkeys(plan.model for plan in findings.plans))
    return "one model" if names == 1 else f"{names} models in all"
