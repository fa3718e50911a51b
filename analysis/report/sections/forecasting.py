"""Forecasts against "no change" and against the control, step by step of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.report import items
from analysis.report.blocks import Block, Section, Tabled
from analysis.report.findings import Findings
from analysis.report.items import Said
from analysis.report.tables import Table
from analysis.statistics.forecasting import diebold_mariano

ARRAYS = ("target", "prediction", "persistence", "order", "ahead", "series")
NO_CHANGE = "no change"
METHODS = (
    "Forecasts of one held-out stretch of one series are compared by the test of Diebold and Mariano (1995) on squared "
    "errors, with a variance that is robust to autocorrelation (Newey and West 1987) and the correction for small "
    "samples of Harvey, Leybourne and Newbold (1997). It tells of the trained models at hand on that stretch, not of "
    "other seeds or other times; its p values are not corrected for their number, and no verdict rests on them.",
)


def section(findings: Findings) -> Section | None:
    """None where no run kept forecasts, or no study's folder is at hand."""
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets):
        control = findings.plan_of(dataset).declaration.control
        if rows := list(compared(items.of_dataset(findings, dataset, ARRAYS), control)):
            blocks.append(Tabled(table(dataset, control, rows, at)))
    return Section(anchor="forecasts", title="Forecasts in time", blocks=blocks, methods=METHODS) if blocks else None


def compared(said: list[Said], control: str) -> Iterator[dict[str, Any]]:
    """A row for each run, each series of its held-out part, and each of "no change" and the control."""
    base = {_place(one): one for one in said if one.row["activation"] == control}
    for one in said:
        arrays, other = one.items.arrays, base.get(_place(one))
        error = arrays["prediction"] - arrays["target"]
        rivals = {NO_CHANGE: arrays["persistence"] - arrays["target"]}
        if other is not None and other is not one and np.array_equal(other.items.indices, one.items.indices):
            rivals[control] = other.items.arrays["prediction"] - arrays["target"]
        for series in np.unique(arrays["series"]):
            mine = np.flatnonzero(arrays["series"] == series)
            mine = mine[np.argsort(arrays["order"][mine], kind="stable")]
            horizon = int((arrays["ahead"] - arrays["order"])[mine].min())
            for against, theirs in rivals.items():
                if len(mine) > max(horizon, 2):
                    yield _row(one, int(series), against, error[mine], theirs[mine], horizon)


def _place(said: Said) -> tuple[object, object]:
    return said.row["repeat"], said.row["fold"]


def _row(said: Said, series: int, against: str, error: Any, theirs: Any, horizon: int) -> dict[str, Any]:
    found, least = diebold_mariano(error, theirs, horizon=horizon), float(np.square(theirs).mean())
    return {
        "activation": said.row["activation"],
        "against": against,
        "heldout": items.fold_of(said, cased=False),
        "series": series,
        "skill": 1.0 - float(np.square(error).mean()) / least if least > 0 else np.nan,
        "statistic": found.statistic,
        "p": found.p,
        "n": found.n,
    }


def table(dataset: str, control: str, rows: list[dict[str, Any]], at: int) -> Table:
    frame = pd.DataFrame(rows)
    if frame["series"].nunique() == 1:
        frame = frame.drop(columns="series")
    return Table(
        name=f"table-29-forecasts{'' if at == 0 else f'-{at + 1}'}",
        title=f"Forecasts on {dataset}, stretch by stretch",
        caption=(
            f'Skill against "{NO_CHANGE}" and against {control}: 1 - MSE / MSE of the other, above 0 is better. '
            "Diebold-Mariano statistic of the squared errors, below 0 where the activation is better; p two-sided, "
            "uncorrected; n: steps of time."
        ),
        frame=frame,
        formats={"skill": "+.4f", "statistic": "+.2f", "p": "p", "n": "d", "series": "d"},
        heads={"heldout": "held-out part"},
        fold=len(frame) > 40,
    )
