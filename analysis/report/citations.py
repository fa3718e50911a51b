"""A methods paragraph and references to paste into a paper, of what a report found and did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from analysis.report.amounts import amount, listed
from analysis.report.blocks import Section
from analysis.report.findings import Findings
from analysis.runs.plan import Plan
from analysis.runs.published import parts_of
from analysis.runs.schema import Status
from analysis.runs.wording import counted

COMPARED = ("nadeau2003inference", "bouckaert2004evaluating", "benavoli2017time")
BY_TABLE = {
    "table-9-hierarchy": "corani2017statistical",
    "table-10-normalised": "agarwal2021deep",
    "table-21-knobs": "breiman2001random",
}
BY_ACTIVATION = {
    "dsrelu": "chakraborti2024dsrelu",
    "apalu": "subramanian2024apalu",
    "lelu": "bigarella2025lelu",
    "alrelu": "mastromichalakis2020alrelu",
}
BY_PACKAGE = {"torch": "paszke2019pytorch", "ray": "liaw2018tune"}


def used(findings: Findings, sections: Sequence[Section]) -> list[str]:
    """Keys of what the report's numbers rest on, methods first."""
    tables = {table.name for section in sections for table in section.tables()}
    tested = [found for found in findings.verdicts if found.p is not None]
    keys = list(COMPARED) if tested else []
    keys += ["holm1979simple"] if tested and (not findings.looks or len(findings.plans) > 1) else []
    keys += ["tang1999closed", "jennison1989interim"] if tested and findings.looks else []
    keys += ["schuirmann1987comparison"] if any("p_equivalence" in found.extras for found in tested) else []
    keys += ["demsar2006statistical"] if len(findings.datasets) > 1 else []
    keys += [key for table, key in BY_TABLE.items() if table in tables]
    labels = {re.split(r"\W", label.lower().replace("_", ""))[0] for label in findings.labels}
    keys += [key for name, key in BY_ACTIVATION.items() if name in labels]
    packages = {name for study in findings.studies for name in dict(study.environment)}
    return [*keys, *(key for name, key in BY_PACKAGE.items() if name in packages), "virtanen2020scipy"]


def bibtex(keys: Sequence[str]) -> str:
    """The entries of those keys, in that order."""
    text = resources.files("analysis.report").joinpath("templates/references.bib").read_text(encoding="utf-8")
    entries = {re.split(r"[{,]", entry)[1]: entry.strip() for entry in re.split(r"\n(?=@)", text)}
    return "\n\n".join(entries[key] for key in keys) + "\n"


def paragraph(findings: Findings, sections: Sequence[Section]) -> str:
    """Design, tests and software in LaTeX's words, for the methods part of a paper."""
    metric, plan = findings.metric, findings.plan
    imported = bool((findings.claimed["status"] == Status.IMPORTED).all())
    said = [
        f"We compared {counted(len(findings.labels), 'activation function')} ({listed(findings.labels, 30)}) on "
        f"{listed(findings.datasets, 30)}."
    ]
    if not imported:
        said += [trained(findings), tuned(findings)]
    part = parts_of(findings.claimed, metric.name)
    said.append(f"The primary measure is {part} {metric.name}" + ("." if imported else f", {scored(findings)}."))
    tested = [found for found in findings.verdicts if found.p is not None]
    if tested:
        said.append(
            f"Each activation was compared with {plan.declaration.control} on the same {findings.unit}s by the "
            "corrected resampled $t$ test~\\cite{nadeau2003inference,bouckaert2004evaluating} and the Bayesian "
            f"correlated $t$ test~\\cite{{benavoli2017time}}, {corrected(findings)} "
            f"{counted(findings.family, 'comparison')} at $\\alpha = {findings.alpha:g}$ (two-sided)."
        )
        rope = plan.declaration.rope
        if rope is not None:
            said.append(f"Differences within $\\pm$ {amount(rope, metric)} count as practically equivalent.")
    cited = [key for key in used(findings, sections) if f"{key}" not in " ".join(said)]
    if cited:
        said.append(f"See also~\\cite{{{','.join(cited)}}}.")
    return " ".join(filter(None, said)).replace("_", r"\_").replace("%", r"\%") + "\n"


def trained(findings: Findings) -> str:
    each = {f"{repeats(plan)} of {counted(plan.folds, 'fold')} of {plan.model}" for plan in findings.plans}
    return (
        f"We trained {listed(sorted(each), 9)} for each; splits, initial weights and the order of batches are the same "
        "for every activation."
    )


def repeats(plan: Plan) -> str:
    rule = plan.until_decided
    if rule is None:
        return counted(len(plan.repeats), "repeat")
    return f"{rule.looks[0]} to {counted(rule.looks[-1], 'repeat')} (until each comparison was decided)"


def corrected(findings: Findings) -> str:
    """What the p-values account for, before the number of comparisons."""
    if not findings.looks:
        return "with Holm's correction~\\cite{holm1979simple} over"
    return (
        "looked at after each repeat against limits calibrated by simulation under the correlation that the corrected "
        "test assumes, so that the family-wise error holds over all looks and"
    )


def tuned(findings: Findings) -> str:
    """What was searched, by what the runs show."""
    rows = findings.cube[findings.cube["phase"] == "search"]
    if rows.empty:
        return "No setting was searched."
    counts = rows.groupby("activation", sort=False)["trial"].nunique()
    fresh = all(plan.claims_phase == "confirm" for plan in findings.plans)
    return (
        f"Settings were searched on {' and '.join(sorted({plan.search_selects_on for plan in findings.plans} - {''}))} "
        f"({', '.join(f'{label}: {int(count)}' for label, count in counts.items())}), "
        + ("and the winners trained anew on other splits." if fresh else "and scored on the same splits.")
    )


def scored(findings: Findings) -> str:
    return f"at the epoch of the rule ``{findings.plan.declaration.rule.replace('_', ' ')}''"
