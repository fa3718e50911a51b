"""What the report cannot say."""

from __future__ import annotations

from analysis.report.blocks import Listing, Section
from analysis.report.findings import Findings
from analysis.runs.schema import SCORED, Status
from analysis.runs.wording import counted


def section(findings: Findings) -> Section:
    claimed, plans = findings.claimed, findings.plans
    searched = [plan for plan in plans if any(plan.search_trials.values())]
    budgets = {count for plan in searched for count in plan.search_trials.values()}
    seeds = max((findings.scores(dataset).seeds for dataset in findings.datasets), default=1)
    imported = bool((claimed["status"] == Status.IMPORTED).all())
    items = [
        "Training parts of folds overlap. The corrected tests allow for it by a rule of thumb that is right on "
        "average, not for every data set.",
        f"{counted(len(findings.datasets), 'data set')}, one model each: a verdict speaks of these, trained like this.",
        "Seeds are not stated: differences between splits and between seeds cannot be told apart."
        if imported
        else f"{counted(seeds, 'seed')} a split: differences between splits and between seeds "
        + ("can be told apart." if seeds > 1 else "cannot be told apart."),
        (
            f"Settings were searched: {', '.join(map(str, sorted(budgets)))} tried per activation"
            + ("; the budgets are not equal." if len(budgets) > 1 else ", the same for each.")
            if searched
            else "How the settings were chosen, and with how many tries for each activation, is not known."
            if imported
            else "No settings were searched: every activation ran with the settings of the study file, which may suit "
            "some better than others."
        ),
        "Early stopping and the checkpoint looked at the validation part of each fold; the held-out part was used for "
        "the report alone."
        if bool(claimed["verifiable"].all())
        else "Imported numbers: what was held out, and from what, cannot be checked.",
        "Wherever a leader or runner-up is named, it was found in these numbers, not declared before them.",
    ]
    if any(plan.claims_phase == "search" for plan in plans):
        items.append("Claims rest on the search phase: exploratory until confirmed on fresh splits.")
    lost = int((~claimed["status"].isin(SCORED)).sum())
    if lost:
        items.append(
            f"{lost} of {counted(len(claimed), 'planned run')} without a score that counts as measured; "
            "section 3 lists them."
        )
    return Section(anchor="limits", title="Limits", blocks=[Listing(items)])
