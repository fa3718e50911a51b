"""What the models said of single items: of the runs behind the claims, where a report is made from the study's
folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.report.findings import Findings, shared_folds
from analysis.runs import predictions
from analysis.runs.predictions import Predictions
from analysis.runs.schema import Status

ABSENT = (
    "What the models said of single items is not at hand: it lies in the study's folder and in no store. Make the "
    "report from the folder to see it."
)


class Said(NamedTuple):
    row: dict[str, Any]
    """The run's row of the cube."""
    items: Predictions


def of_dataset(findings: Findings, dataset: str, names: Sequence[str]) -> list[Said]:
    """Of every finished run that has arrays of these names; empty where the report is made from a store."""
    mine = findings.claimed[(findings.claimed["dataset"] == dataset) & (findings.claimed["status"] == Status.FINISHED)]
    study = next(one for one in findings.studies if one.plan.study == findings.plan_of(dataset).study)
    if study.folder is None:
        return []
    return [Said(*found) for found in predictions.of_rows(study.folder, mine, names)]


def one_each(findings: Findings, dataset: str, names: Sequence[str]) -> list[Said]:
    """Of one fold that all activations have, in the order of the study: the first such fold."""
    mine = findings.claimed[(findings.claimed["dataset"] == dataset) & (findings.claimed["status"] == Status.FINISHED)]
    shared = shared_folds(mine)
    rows = mine if shared.empty else shared
    study = next(one for one in findings.studies if one.plan.study == findings.plan_of(dataset).study)
    if study.folder is None or rows.empty:
        return []
    first = rows.sort_values(["repeat", "fold"], kind="stable").iloc[0]
    place = rows[(rows["repeat"] == first["repeat"]) & (rows["fold"] == first["fold"])]
    order = {label: at for at, label in enumerate(findings.plan_of(dataset).activations)}
    place = place.sort_values("activation", key=lambda labels: labels.map(order), kind="stable")
    return [Said(*found) for found in predictions.of_rows(study.folder, place, names)]


def fold_of(said: Said, *, cased: bool) -> str:
    """Which held-out part it is, in words."""
    if cased:
        return f"case {said.row['case']}, repeat {said.row['repeat']}"
    return f"repeat {said.row['repeat']}, fold {said.row['fold']}"


def missing(findings: Findings) -> bool:
    """Whether no study's folder is known, so that nothing can be shown of single items."""
    return all(study.folder is None for study in findings.studies)


def sampled(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Evenly spaced rows, ``most`` of them at most."""
    step = max(1, -(-len(frame) // most))
    return frame.iloc[::step].reset_index(drop=True)
