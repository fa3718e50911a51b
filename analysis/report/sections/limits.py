"""What the report cannot say, from what was found in its runs."""

from __future__ import annotations

import pandas as pd

from analysis.report.blocks import Listing, Section
from analysis.report.findings import Findings
from analysis.runs.schema import SCORED, Status
from analysis.runs.wording import counted
from analysis.statistics.finding import Effect, Outcome


def section(findings: Findings) -> Section:
    claimed = findings.claimed
    items = [
        "Training parts of folds overlap. The corrected tests allow for it by a rule of thumb that is right on "
        "average, not for every data set.",
        f"{counted(len(findings.datasets), 'data set')}, one model each: a verdict speaks of these, trained like this.",
        seeds(findings),
        searched(findings),
        held_out(findings),
        "Wherever a leader or runner-up is named, it was found in these numbers, not declared before them.",
    ]
    if (claimed["phase"] == "search").any() and tries(findings).gt(1).any():
        items.append("Claims rest on the search phase: exploratory until confirmed on fresh splits.")
    lost = int((~claimed["status"].isin(SCORED)).sum())
    if lost:
        items.append(
            f"{lost} of {counted(len(claimed), 'planned run')} without a score that counts as measured: "
            "the section on integrity lists them."
        )
    return Section(anchor="limits", title="Limits", blocks=[Listing([*filter(None, items), *doubts(findings)])])


def seeds(findings: Findings) -> str:
    if (findings.claimed["status"] == Status.IMPORTED).all():
        return "Seeds are not stated: differences between splits and between seeds cannot be told apart."
    most = max((findings.scores(dataset).seeds for dataset in findings.datasets), default=1)
    can = "can" if most > 1 else "cannot"
    return f"{counted(most, 'seed')} a split: differences between splits and between seeds {can} be told apart."


def searched(findings: Findings) -> str:
    """How the settings came about; that budgets were unequal is a finding of the checks."""
    if (findings.claimed["status"] == Status.IMPORTED).all():
        return "How the settings were chosen, and with how many tries for each activation, is not known."
    tried = tries(findings)
    if tried.empty:
        return (
            "No runs of a search are there: every activation ran with the settings of the study file, which may suit "
            "some better than others."
        )
    least, most = int(tried.min()), int(tried.max())
    each = str(least) if least == most else f"{least} to {most}"
    return f"Settings were searched: {each} tried for each of {counted(len(tried), 'activation')}."


def tries(findings: Findings) -> pd.Series:
    """Settings tried in a search, by study and activation; empty where there was none."""
    rows = findings.cube[findings.cube["phase"] == "search"]
    return rows.groupby(["study", "activation"], sort=False)["trial"].nunique()


def held_out(findings: Findings) -> str:
    """What chose and what was scored; empty where the checks found that the two were one."""
    claimed, checks = findings.claimed, findings.checks
    if ((checks["check"] == "parts differ") & (checks["status"] == Outcome.FAIL)).any():
        return ""
    if not claimed["verifiable"].astype(bool).all():
        return "Imported numbers: what was held out, and from what, cannot be checked."
    if not (claimed["n_validation"].fillna(0) > 0).any():
        return "The runs record no validation part, so what early stopping and the checkpoint looked at is not known."
    return (
        "Each fold has a validation part for early stopping and the checkpoint, and no check found that the held-out "
        "part served for it."
    )


def doubts(findings: Findings) -> list[str]:
    """What the checks found that touches a word, data set by data set."""
    rows = findings.checks[findings.checks["effect"] != Effect.NOTHING]
    several = len(findings.datasets) > 1
    return [
        (f"{row['dataset']}: " if several else "") + f"{row['note']} {row['consequence']}"
        for row in rows.to_dict(orient="records")
    ]
