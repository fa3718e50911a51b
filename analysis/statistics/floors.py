"""How the activations stand against trivial predictors, which every fold scores on its own held-out part.

A floor is no rival: nothing is claimed of it and no family is corrected for it. But a table whose every row lies below
persistence, or below interpolation, compares nothing that anyone would use.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from analysis.runs.frames import FLOOR
from analysis.runs.metric import Metric
from analysis.statistics import frequentist
from analysis.statistics.scores import Scores, pair
from analysis.statistics.verdict import Verdict


class Standing(StrEnum):
    """Of an activation against a floor, by the interval of their difference; where there is none, by the mean."""

    ABOVE = "beats it"
    BELOW = "is below it"
    OPEN = "cannot be told from it"
    AHEAD = "is ahead on average"
    BEHIND = "is not ahead on average"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A trivial predictor on one data set."""

    dataset: str
    metric: Metric
    predictor: str
    """In plain words, as "mean of the training targets"."""
    value: float
    """Mean over the units that it was scored on."""
    values: pd.Series = field(compare=False, repr=False)
    """By unit."""
    n: int
    against: tuple[Verdict, ...]
    """Each activation against it, positive where the activation is better."""

    def of(self, *standings: Standing) -> list[str]:
        """The activations that stand so."""
        return [found.activation for found in self.against if standing(found) in standings]

    @property
    def beaten_by(self) -> list[str]:
        return self.of(Standing.ABOVE, Standing.AHEAD)

    @property
    def best(self) -> Verdict | None:
        """Of the activation that is furthest ahead of it, or least behind."""
        known = [found for found in self.against if math.isfinite(found.estimate)]
        return max(known, key=lambda found: found.estimate, default=None)

    @property
    def by_interval(self) -> bool:
        """Whether every activation that was scored has an interval."""
        return all(found.interval is not None for found in self.against if math.isfinite(found.estimate))


def standing(found: Verdict) -> Standing:
    if found.interval is None:
        return Standing.AHEAD if found.estimate > 0 else Standing.BEHIND
    if found.interval.low > 0:
        return Standing.ABOVE
    return Standing.BELOW if found.interval.high < 0 else Standing.OPEN


def measured(rows: pd.DataFrame, metric: Metric) -> list[str]:
    """Predictors that the runs have a score of."""
    start = f"{FLOOR}{metric.name}/"
    columns = [str(name) for name in rows.columns if str(name).startswith(start)]
    return [name.removeprefix(start) for name in columns if rows[name].notna().any()]


def truths(rows: pd.DataFrame, metrics: Sequence[Metric]) -> set[str]:
    """Predictors that err by nothing at all in some error: what is predicted itself, which no model can beat."""
    return {
        predictor
        for metric in metrics
        if metric.better == "lower" and metric.low == 0 and metric.high is None
        for predictor in measured(rows, metric)
        if (rows[f"{FLOOR}{metric.name}/{predictor}"].dropna() == 0).all()
    }


def floors(rows: pd.DataFrame, table: Scores, *, alpha: float = 0.05, without: Collection[str] = ()) -> list[Floor]:
    """The floors of the table's metric, the best first, ``without`` some predictors; ``rows`` are those that the table
    is of."""
    names = [name for name in measured(rows, table.metric) if name not in without]
    found = [_floor(rows, table, predictor, alpha) for predictor in names]
    return sorted(found, key=lambda floor: -table.metric.sign * floor.value)


def _floor(rows: pd.DataFrame, table: Scores, predictor: str, alpha: float) -> Floor:
    column = f"{FLOOR}{table.metric.name}/{predictor}"
    values = rows.groupby(table.units.reindex(rows.index))[column].mean().reindex(table.values.index)
    beside = dataclasses.replace(
        table,
        values=table.values.assign(**{predictor: values}),
        diverged={**table.diverged, predictor: 0},
    )
    labels = [label for label in table.values.columns if table.values[label].notna().any()]
    against = tuple(frequentist.corrected_t(pair(beside, label, predictor), alpha=alpha) for label in labels)
    return Floor(
        dataset=table.dataset,
        metric=table.metric,
        predictor=predictor,
        value=float(values.mean()),
        values=values,
        n=int(values.notna().sum()),
        against=against,
    )


def unbeaten(found: Sequence[Floor]) -> list[Floor]:
    """Those that no activation beats."""
    return [floor for floor in found if not floor.beaten_by and floor.against]
