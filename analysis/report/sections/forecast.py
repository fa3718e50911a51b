"""Forecasts of a series: each activation against the control, and against saying that nothing changes, step by step on
the same stretch of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.report import items
from analysis.report.blocks import Block, Notice, Section, Tabled, Text
from analysis.report.findings import Findings, measured
from analysis.report.tables import Table
from analysis.runs.wording import counted
from analysis.statistics.forecasting import diebold_mariano

ARRAYS = ("order", "ahead", "series", "target", "prediction", "persistence")
SKILL = "skill"
NO_CHANGE = "no change"
LEAST = 20
"""Fewest steps of a stretch that is tested."""
METHODS = (
    "Skill is 1 less the mean square error over that of saying that nothing changes: 0 is no better than the last "
    "known value, whatever the share of variance that a level explains.",
    "Diebold and Mariano's test (1995) of equal squared errors, with Newey and West's variance and the small-sample "
    "correction of Harvey, Leybourne and Newbold (1997), on each stretch of held-out time: one series of one fold and "
    "seed. It tells of two trained models on that stretch, is not corrected for the number of stretches, and stretches "
    "of one history are not independent: read the counts, not the best of them.",
)


class Stretch(NamedTuple):
    """Errors of one model on one series of one held-out part, in the order of time."""

    place: tuple[int, int, str]
    """Repeat, fold, series."""
    errors: npt.NDArray[np.float64]
    unchanged: npt.NDArray[np.float64]
    """Of saying that nothing changes."""
    ahead: int
    """Steps between what is known and what is predicted."""


def section(findings: Findings) -> Section | None:
    """None where no skill was measured."""
    if not measured(findings.claimed, SKILL):
        return None
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets):
        control = findings.plan_of(dataset).declaration.control
        frame = tests(findings, dataset, control)
        if not frame.empty:
            blocks += [Text(line) for line in sentences(frame, dataset, control, findings.alpha)]
            blocks.append(Tabled(table(frame, dataset, findings.alpha, at)))
    if not blocks and items.missing(findings):
        blocks.append(Notice(items.ABSENT, tone="note"))
    return (
        Section(anchor="forecast", title="Forecasts, step by step", blocks=blocks, methods=METHODS) if blocks else None
    )


def stretches(said: items.Said) -> Iterator[Stretch]:
    arrays = said.items.arrays
    target = np.asarray(arrays["target"], dtype=float).reshape(len(said.items.indices), -1)[:, 0]
    for series in np.unique(arrays["series"]):
        mine = np.flatnonzero(arrays["series"] == series)
        mine = mine[np.argsort(arrays["ahead"][mine], kind="stable")]
        ahead = np.asarray(arrays["ahead"][mine]) - np.asarray(arrays["order"][mine])
        errors = {
            name: np.asarray(arrays[name], dtype=float).reshape(len(target), -1)[mine, 0] - target[mine]
            for name in ("prediction", "persistence")
        }
        place = int(said.row["repeat"]), int(said.row["fold"]), str(series)
        yield Stretch(place, errors["prediction"], errors["persistence"], max(1, int(ahead.max(initial=1))))


def tests(findings: Findings, dataset: str, control: str) -> pd.DataFrame:
    """A row a stretch, activation and rival (the control, or no change): ``change`` of the mean square error in per
    cent of the rival's, and the test's p."""
    known: dict[str, dict[tuple[int, int, str], Stretch]] = {}
    for said in items.of_dataset(findings, dataset, ARRAYS):
        label = str(said.row["activation"])
        known.setdefault(label, {}).update({one.place: one for one in stretches(said)})
    rows = []
    for label in (name for name in findings.plan_of(dataset).activations if name in known):
        for place, mine in known[label].items():
            rivals = {NO_CHANGE: mine.unchanged}
            theirs = known.get(control, {}).get(place)
            if label != control and theirs is not None and len(theirs.errors) == len(mine.errors):
                rivals[control] = theirs.errors
            rows += [row(label, rival, place, mine, errors) for rival, errors in rivals.items()]
    return pd.DataFrame(rows)


def row(
    label: str, rival: str, place: tuple[int, int, str], mine: Stretch, errors: npt.NDArray[np.float64]
) -> dict[str, Any]:
    both = np.isfinite(mine.errors) & np.isfinite(errors)
    p = math.nan
    if both.sum() >= max(LEAST, mine.ahead + 1):
        p = diebold_mariano(mine.errors[both], errors[both], horizon=mine.ahead).p
    own, theirs = float((mine.errors[both] ** 2).mean()), float((errors[both] ** 2).mean())
    return {
        **{"activation": label, "against": rival, "repeat": place[0], "fold": place[1], "series": place[2]},
        **{"change": 100 * (own / theirs - 1) if theirs > 0 else math.nan, "p": p, "steps": int(both.sum())},
    }


def summed(frame: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """By activation and rival: stretches, how many are better or worse by the test, the median change."""
    rows = []
    for (label, rival), mine in frame.groupby(["activation", "against"], sort=False):
        told = mine[mine["p"] <= alpha]
        rows.append(
            {
                **{"activation": label, "against": rival, "median": float(mine["change"].median())},
                **{"better": int((told["change"] < 0).sum()), "worse": int((told["change"] > 0).sum())},
                **{"stretches": int(mine["p"].notna().sum()), "steps": float(mine["steps"].median())},
            }
        )
    return pd.DataFrame(rows)


def sentences(frame: pd.DataFrame, dataset: str, control: str, alpha: float) -> list[str]:
    """Against no change, and against the control."""
    found = summed(frame, alpha)
    said = []
    for rival, name in ((NO_CHANGE, "saying that nothing changes"), (control, control)):
        mine = found[(found["against"] == rival) & (found["stretches"] > 0)]
        if mine.empty:
            continue
        each = [
            f"{one['activation']} better on {one['better']}, worse on {one['worse']}" for one in mine.to_dict("records")
        ]
        most = int(mine["stretches"].max())
        said.append(f"{dataset}, against {name}, of {counted(most, 'stretch', 'stretches')}: {'; '.join(each)}.")
    return said


def table(frame: pd.DataFrame, dataset: str, alpha: float, at: int) -> Table:
    found = summed(frame, alpha)
    return Table(
        name=f"table-29-forecasts{'' if at == 0 else f'-{at + 1}'}",
        main=True,
        title=f"Forecasts of {dataset}, stretch by stretch",
        caption=(
            "Median change of the mean square error against the rival's (below 0 is better); on how many stretches of "
            f"held-out time Diebold and Mariano's test tells a difference at {alpha:g}, uncorrected."
        ),
        frame=found,
        formats={"median": "+.1f", **dict.fromkeys(("better", "worse", "stretches", "steps"), "d")},
        heads={"median": "change, %", "steps": "steps each"},
        fold=len(found) > 30,
    )
