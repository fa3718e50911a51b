"""What the studies' budgets paid for and what not, what all their jobs held, and the energy of an epoch."""

from __future__ import annotations

import pandas as pd

from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.account import Account
from analysis.runs.schema import ENERGY_J


def accounts(findings: Findings) -> list[tuple[str, Account]]:
    return [(study.plan.study, study.account) for study in findings.studies if study.account is not None]


def lacking(findings: Findings) -> list[str]:
    """What a budget did not pay for, a sentence a study; by name where there are several studies."""
    several = len(findings.studies) > 1
    said = [(name, account.lacking()) for name, account in accounts(findings)]
    return [f"{name}: {text}" if several else text for name, text in said if text]


def facts(findings: Findings) -> list[tuple[str, str]]:
    """For what was declared; empty where no study has a budget."""
    each = {name: account.spent() for name, account in accounts(findings) if account.cap_s is not None}
    if not each:
        return []
    lines = [text if len(each) == 1 else f"{name}: {text}" for name, text in each.items()]
    return [("Budget", "; ".join([*lines, *lacking(findings)]))]


def spent(findings: Findings) -> list[str]:
    """What the jobs held, a sentence a study; empty where that was not kept."""
    several = len(findings.studies) > 1
    return [f"{f'{name}: ' if several else ''}{account.spent()}." for name, account in accounts(findings)]


def energy(findings: Findings) -> Table | None:
    """Energy of an epoch; None where no device told it."""
    curves = findings.curves
    if ENERGY_J not in curves or not curves[ENERGY_J].notna().any():
        return None
    told = curves[curves["run_id"].isin(findings.claimed["run_id"]) & curves[ENERGY_J].notna()]
    if told.empty:
        return None
    told = told.merge(findings.claimed[["run_id", "kind"]], on="run_id")
    keys = ["dataset", "activation", "kind"]
    runs = told.groupby([*keys, "run_id"], sort=False, observed=True)[ENERGY_J].median().reset_index()
    grouped = runs.groupby(keys, sort=False, observed=True)[ENERGY_J]
    frame = pd.DataFrame({"energy_j": grouped.median(), "runs": grouped.count()}).reset_index()
    return Table(
        name="table-29-energy",
        title="Energy of an epoch",
        caption=(
            "Joules, median over runs on one kind of device of each run's median epoch, as the device counts them: of "
            "the whole device, with all else that it did meanwhile. Training and evaluation."
        ),
        frame=frame,
        formats={"energy_j": ".3g", "runs": "d"},
        heads={"dataset": "data set", "kind": "device", "energy_j": "an epoch, J"},
        fold=len(frame) > 30,
    )
