"""What papers claim of an activation, beside what was found here, with all that differs between the two."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd

from analysis.report.amounts import scale
from analysis.report.blocks import Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.sections.published import key
from analysis.report.tables import Table
from analysis.runs.plan import Plan
from analysis.runs.wording import counted

NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number, or a statement, that could be read in a publication."""

    paper: str
    source: str
    activation: str
    task: str
    dataset: str
    """Beginning of the data set's name."""
    model: str
    """Part of the model's name; empty: any."""
    claim: str
    value: float | None
    unit: str
    protocol: Mapping[str, Any]
    """What is known of how it came about: items, cases, model, control, epochs, runs."""


@functools.cache
def known() -> tuple[Claim, ...]:
    text = resources.files("analysis.runs").joinpath("paper_claims.json").read_text(encoding="utf-8")
    return tuple(Claim(**one) for one in json.loads(text))


def matches(claim: Claim, plan: Plan) -> bool:
    """Whether a study asks what the claim is of: its task, data set and model."""
    task, data = plan.task.split("(", 1)[0], key(plan.dataset.split("(", 1)[0])
    named = key(f"{plan.model} {plan.task}")  # a method may be an option of the task
    same_data = data.startswith(claim.dataset) and not data[len(claim.dataset) :][:1].isdigit()
    return claim.task == task and same_data and claim.model in named


def labels_of(findings: Findings, dataset: str, activation: str) -> list[str]:
    """Labels of the study whose activation it is, by its name in the catalogue."""
    rows = findings.claimed[findings.claimed["dataset"] == dataset]
    names = rows["activation_name"].fillna("") if "activation_name" in rows else rows["activation"]
    found = rows["activation"][names.where(names != "", rows["activation"]).map(key).str.startswith(activation)]
    return list(dict.fromkeys(map(str, found)))


def section(findings: Findings) -> Section | None:
    """None where no claim is of these studies."""
    rows = [
        row(findings, dataset, label, claim)
        for dataset in findings.datasets
        for claim in known()
        if matches(claim, findings.plan_of(dataset))
        for label in labels_of(findings, dataset, claim.activation)
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    papers = list(dict.fromkeys(frame["source"]))
    table = Table(
        name="table-27-claims",
        main=True,
        title="Beside what papers claim",
        caption=(
            "What was read in the paper, and what was found here on the held-out part against the control, with its "
            "interval. No row compares the two: the last column says what differs, or is not known."
        ),
        frame=frame,
        formats={"here": "+.2f", "low": "+.2f", "high": "+.2f", "n": "d"},
        heads={"dataset": "data set", "low": f"{100 * (1 - findings.alpha):g} % from", "high": "to", "word": "verdict"},
        marked={(at, name): "grey" for at in range(len(frame)) for name in ("claim", "source")},
    )
    text = (
        f"{counted(len(frame), 'claim')} could be read ({'; '.join(papers)}). They are typed from abstracts, without "
        "runs behind them: they stand here to be seen, and not as a comparison."
    )
    return Section(anchor="claims", title="What papers claim", blocks=[Text(text), Tabled(table)])


def row(findings: Findings, dataset: str, label: str, claim: Claim) -> dict[str, object]:
    metric = findings.plan_of(dataset).primary
    found = findings.verdict(dataset, label)
    # Shares and areas are claimed in hundredths.
    times = 100.0 if claim.unit and metric.low == 0 and metric.high == 1 else scale(metric)
    low, high = (found.interval if found else None) or (math.nan, math.nan)
    unit = "points of " if times == 100.0 else ""
    return {
        **{"dataset": dataset, "activation": label, "claim": claim.claim},
        "here": times * found.estimate if found else math.nan,
        **{"low": times * low, "high": times * high},
        "of": f"{unit}{metric.label}",
        "word": str(found.word) if found else "control",
        "n": found.n if found else math.nan,
        "differs": "; ".join(differences(findings, dataset, claim)) + ".",
        "source": claim.source,
    }


def differences(findings: Findings, dataset: str, claim: Claim) -> list[str]:
    """What differs between the claim's protocol and the study's, and what of the former is not known."""
    plan = findings.plan_of(dataset)
    rows = findings.claimed[findings.claimed["dataset"] == dataset]
    there = claim.protocol
    parts = []
    ours = items_of(rows)
    if "items" in there and ours and ours != there["items"]:
        parts.append(f"{ours:,} items here, {there['items']:,} there")
    cases = rows["case"].replace("", None).dropna().nunique() if "case" in rows else 0
    if "cases" in there and max(cases, 1) != there["cases"]:
        parts.append(f"{counted(max(cases, 1), 'case')} here, {there['cases']} there")
    epochs = rows.loc[rows["epochs"] > 0, "epochs"]
    trained = f"up to {int(epochs.max())}" if len(epochs) else NOT_STATED
    unit = findings.scores(dataset).unit
    n = len(findings.scores(dataset).shared)
    here = {
        "model": plan.model,
        "control": plan.declaration.control,
        "epochs": trained,
        "runs": f"{counted(n, unit)}, {counted(findings.scores(dataset).seeds, 'seed')} each",
    }
    return parts + [f"{name}: {said} here, there {there.get(name, NOT_STATED)}" for name, said in here.items()]


def items_of(rows: pd.DataFrame) -> int:
    """Items that the runs were of: the most of any run, its parts together; 0 where sizes were not recorded."""
    sizes = rows[["n_train", "n_validation", "n_heldout"]].fillna(0).sum(axis=1)
    return int(sizes.max()) if len(sizes) else 0
