"""Folds that are cases, each on its own: a row a case, a column an activation, and the means over cases below."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.report import floors
from analysis.report.blocks import Block, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import case_rows
from analysis.statistics.floors import Floor
from analysis.statistics.scores import Scores
from analysis.statistics.units import Unit

MEAN = "mean over cases"
FLOORS = 2
"""That stand beside the activations, the best first."""
METHODS = (
    "By case: mean and standard deviation over the seeds of a case. A difference there is over seeds alone, with the "
    "plain paired t, and a best one is marked only where its interval to every other one excludes 0. The verdicts are "
    "over the cases.",
)


def section(findings: Findings) -> Section | None:
    """None where folds are no cases."""
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets):
        table = findings.scores(dataset)
        if table.unit is not Unit.CASE:
            continue
        control = findings.plan_of(dataset).declaration.control
        found = case_rows.rows(table, control, alpha=findings.alpha)
        number = "" if at == 0 else f"-{at + 1}"
        blocks += [
            Text(summary(found, dataset, control)),
            Tabled(wide(table, found, floors.primary(findings).get(dataset, []), f"table-23-cases{number}")),
            Tabled(differences(found, dataset, control, f"table-23-differences{number}", findings.alpha)),
        ]
    return Section(anchor="cases", title="By case", blocks=blocks, methods=METHODS) if blocks else None


def summary(found: pd.DataFrame, dataset: str, control: str) -> str:
    """In how many cases the best is told from all others, and the control from each."""
    cases, marked = found["case"].nunique(), found[found["best"]]
    head = f"{dataset}, {counted(cases, 'case')}: "
    best = (
        "in none is the best told from all others by its seeds"
        if marked.empty
        else f"in {len(marked)} the best is told from all others by its seeds ("
        + ", ".join(f"{label} in {count}" for label, count in marked["activation"].value_counts(sort=False).items())
        + ")"
    )
    rivals = found[found["activation"] != control].groupby("activation", sort=False)
    sides = [
        f"{label} better in {int((one['low'] > 0).sum())}, worse in {int((one['high'] < 0).sum())}"
        for label, one in rivals
    ]
    return f"{head}{best}. Against {control}, case by case: {'; '.join(sides)}."


def wide(table: Scores, found: pd.DataFrame, floors: Sequence[Floor], name: str) -> Table:
    """Means and deviations side by side as text; the numbers stand in the table of differences."""
    labels = [str(label) for label in table.values.columns if (found["activation"] == label).any()]
    digits = decimals(found["mean"])
    beside = {f"floor: {floor.predictor}": floor.values for floor in floors[:FLOORS]}
    rows: list[dict[str, str]] = []
    boxed: dict[tuple[int, str], str] = {}
    for at, (case, of_case) in enumerate(found.groupby("case", sort=False)):
        each = of_case.set_index("activation")
        row = {"case": str(case)} | {label: cell(each["mean"][label], each["sd"][label], digits) for label in labels}
        rows.append(row | {head: cell(float(values[case]), math.nan, digits) for head, values in beside.items()})
        boxed |= {(at, str(label)): "better" for label in each.index[each["best"]]}
    seeds, shared = case_rows.over_seeds(table), table.shared.mean()
    last = {label: cell(float(shared.get(label, math.nan)), spread(seeds, label), digits) for label in labels}
    last |= {head: cell(float(values.mean()), math.nan, digits) for head, values in beside.items()}
    grey = {(row, head): "grey" for row in range(len(rows) + 1) for head in beside}
    return Table(
        name=name,
        main=True,
        title=f"{table.metric.label} by case on {table.dataset}",
        caption=(
            "Mean ± standard deviation over the seeds of a case; last row: mean over the cases that all have, ± its "
            "standard deviation over seeds. In colour: the best, where it is told from all others. "
            + ("In grey: predictors without a network. " if beside else "")
            + "No test."
        ),
        frame=pd.DataFrame([*rows, {"case": MEAN} | last]),
        formats=dict.fromkeys([*labels, *beside], "text"),
        marked={**grey, **boxed},
    )


def spread(seeds: pd.DataFrame, label: str) -> float:
    values = seeds[label].dropna().to_numpy(dtype=float) if label in seeds else np.empty(0)
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def cell(mean: float, sd: float, digits: int) -> str:
    if not math.isfinite(mean):
        return "–"
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if math.isfinite(sd) else "")


def differences(found: pd.DataFrame, dataset: str, control: str, name: str, alpha: float) -> Table:
    frame = found.drop(columns=["dataset", "best"]).reset_index(drop=True)
    digits = max(3, decimals(frame["difference"]))
    level = f"{100 * (1 - alpha):g} %"
    signed = {(row, "difference"): mark for row, mark in enumerate(map(told, frame["low"], frame["high"])) if mark}
    return Table(
        name=name,
        title=f"Difference to {control} by case on {dataset}",
        caption=(
            f"Over the pairs of seeds of a case, positive is better, with the {level} t interval over them: the luck "
            "of a seed in this case, corrected for nothing else."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("mean", "sd"), f".{digits}f"),
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("seeds", "pairs"), "d"),
        },
        heads={"low": f"{level} from", "high": "to"},
        marked=signed,
        fold=len(frame) > 12,
    )


def told(low: float, high: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else ""
