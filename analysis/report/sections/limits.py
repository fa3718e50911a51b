"""What the report cannot say, from what was found in its runs."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.amounts import listed
from analysis.report.blocks import Listing, Section
from analysis.report.findings import Findings
from analysis.runs.frames import REMARK
from analysis.runs.plan import CASES, FIXED, PUBLISHED, TIME
from analysis.runs.schema import SCORED, Status
from analysis.runs.wording import counted
from analysis.statistics.finding import Effect, Outcome
from analysis.statistics.units import Unit

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
LAST = "last"  # the checkpoint rule that looks at nothing
REMARKS = 12
"""That are told; the rest is counted."""


def section(findings: Findings) -> Section:
    claimed = findings.claimed
    items = [
        *designs(findings),
        f"{counted(len(findings.datasets), 'data set')}, one model each: a verdict speaks of these, trained like this.",
        seeds(findings),
        searched(findings),
        held_out(findings),
        LOOKED if findings.looks else "",
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
    said = [*filter(None, items), *remarks(findings), *doubts(findings)]
    return Section(anchor="limits", title="Limits", blocks=[Listing(said)])


LOOKED = (
    "Only the verdicts account for the looks. Every other interval and p-value is of what was there at the end, and "
    "means over all activations are of the splits that all of them have: the first repeats, where some ended early."
)
OVERLAP = (
    "Training parts of folds overlap. The corrected tests allow for it by a rule of thumb that is right on average, "
    "not for every data set."
)
BY_SCHEME = {
    TIME: "Along time: one time axis is one sample. Folds are stretches of the same history, and repeats over seeds "
    "measure the luck of training alone; nothing here says how another series, or another decade, would come out.",
    FIXED: "One held-out part, the same in every run: what is hard or easy in it is in every number, and repeats "
    "measure the luck of training alone.",
    PUBLISHED: "Published splits hold out overlapping parts, as repeats do. The correction takes n2/n1 from the sizes "
    "of the parts as the runs had them{ratio}.",
    CASES: "Cases are the unit: a verdict speaks of cases like these, each with its own training items. Their held-out "
    "parts may share items, which no test here corrects for.",
}


def designs(findings: Findings) -> list[str]:
    """What the way in which items are dealt leaves open, and the data sets of which that is so."""
    said: dict[str, list[str]] = {}
    for dataset in findings.datasets:
        table = findings.scores(dataset)
        if table.ratio:
            said.setdefault(OVERLAP, []).append(dataset)
        ratio = f", {table.ratio:.3f}" if math.isfinite(table.ratio) else ""
        scheme = findings.plan_of(dataset).scheme
        text = BY_SCHEME.get(scheme, BY_SCHEME[FIXED] if table.unit is Unit.SEED else "").format(ratio=ratio)
        if text:
            said.setdefault(text, []).append(dataset)
    every = len(findings.datasets)
    return [text if len(names) == every else f"{listed(names, 3)}: {text}" for text, names in said.items()]


def remarks(findings: Findings) -> list[str]:
    """What tasks remarked on their metrics, counted: why there is no value, or what looks wrong with it. Remarks that
    differ in their numbers alone are one, and so are those of several metrics on the same runs."""
    claimed = findings.claimed
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for column in (str(name) for name in claimed if str(name).startswith(REMARK)):
        told = claimed.loc[claimed[column].fillna("") != "", column].astype(str)
        for text, mine in told.groupby(told.str.replace(NUMBER, "#", regex=True), sort=False):
            alike.setdefault((str(text), tuple(mine.index)), []).append(column.removeprefix(REMARK))
    said = []
    for (_, runs), metrics in alike.items():
        found = claimed.loc[list(runs)]
        texts, held = found[REMARK + metrics[0]], f"heldout/{metrics[0]}"
        names = [f"{label} ({count})" for label, count in found["activation"].value_counts(sort=False).items()]
        absent = int(found[held].isna().sum()) if held in found else 0
        said.append(
            f"{listed(metrics, 4)}, {counted(len(found), 'run')}"
            + (f", {absent} of them without a value" if absent else "")
            + (": for example, " if texts.nunique() > 1 else ": ")
            + f"{str(texts.iloc[0]).rstrip('.')}. {listed(names, 4)}."
        )
    more = len(said) - REMARKS
    return [*said[:REMARKS], *([f"{counted(more, 'further remark')} in the appendix."] if more > 0 else [])]


def seeds(findings: Findings) -> str:
    if (findings.claimed["status"] == Status.IMPORTED).all():
        return "Seeds are not stated: differences between splits and between seeds cannot be told apart."
    tables = [table for name in findings.datasets if (table := findings.scores(name)).unit is not Unit.SEED]
    if not tables:
        return ""
    most = max(table.seeds for table in tables)
    can, unit = "can" if most > 1 else "cannot", tables[0].unit
    return f"{counted(most, 'seed')} a {unit}: differences between {unit}s and between seeds {can} be told apart."


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
    raced = any(plan.search_race for plan in findings.plans)
    return f"Settings were searched: {each} tried for each of {counted(len(tried), 'activation')}" + (
        ", which raced by one rule: budgets are equal in settings, not in folds." if raced else "."
    )


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
    if (claimed["n_validation"].dropna() == 0).all() and (claimed["rule"] == LAST).all():
        return "No part was kept for validation: nothing chose an epoch, and the model of the last one is scored."
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
