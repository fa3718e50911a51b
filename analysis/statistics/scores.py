"""From the cube of fold runs to scores that may be compared: one number an activation and a split.

The rules, in order: two runs with one key are refused; a diverged run gets what knowing nothing scores (or is left
out, where the caller asks for complete cases), while failed, stopped and missing runs, and those of which it is said
why the metric has no value, never get a score; seeds are averaged within a split or a case, since they are no extra
ones; activations pair by the hash of the split, never by the fold's number, or by the case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.errors import DeclarationError, DuplicateRuns
from analysis.runs.metric import Metric
from analysis.runs.schema import BESIDE, SCORED, Status
from analysis.runs.wording import counted
from analysis.statistics import units
from analysis.statistics.units import Unit

Array = npt.NDArray[np.float64]
Handling = Literal["penalised", "complete"]
OVERFLOW = 1.79e308
"""A store that cannot hold an infinity gives back a number of this size."""
MISSING_SHARE = 0.2
"""Above this share of missing splits a comparison is descriptive only."""


def _refuse(rows: pd.DataFrame, key: list[str]) -> None:
    twice = rows[rows.duplicated(key, keep=False)]
    if twice.empty:
        return
    clashes = []
    for values, group in twice.groupby(key, dropna=False, sort=True):
        named = ", ".join(f"{name} {value}" for name, value in zip(key, values, strict=True))
        clashes.append(f"{named}: runs {', '.join(sorted(map(str, group['run_id'])))}")
    shown = "; ".join(clashes[:5]) + (f"; and {len(clashes) - 5} more" if len(clashes) > 5 else "")
    raise DuplicateRuns(
        f"{counted(len(clashes), 'key')} with several runs, expected one run each: {shown}. "
        "Keep one of each (mark the others as superseded, or leave them out) and analyse again."
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One metric on one data set, an activation a column and a split (or case, or seed) a row; not yet signed."""

    dataset: str
    metric: Metric
    column: str
    """Column of the cube that the values came from."""
    values: pd.DataFrame
    """Index: split (sorted by repeat and fold); columns: activation label; nan where there is no score."""
    unit: Unit = Unit.SPLIT
    """What a row is."""
    seeds_of: pd.DataFrame
    """Before seeds are averaged: index unit, repeat, seed; columns as of ``values``."""
    units: pd.Series
    """The row of ``values`` that each of the cube's rows counts in; index: that of the cube."""
    ratio: float
    """Held-out items over items that the fold's training could see (training and validation parts)."""
    ratio_known: bool
    """False where sizes were not recorded and the ratio was taken from the number of folds."""
    n_heldout: float
    """Mean items of a held-out part; nan where not recorded."""
    reference: float
    """What knowing nothing scores, mean over splits; nan where unknown."""
    planned: int
    """Splits that were planned."""
    planned_of: dict[str, int]
    """Of an activation that was repeated until it was decided; the others have all that were ``planned``."""
    diverged: dict[str, int]
    """Runs that diverged, by activation."""
    unequal: int
    """(repeat, fold) pairs whose split differs between activations."""
    seed_sd: float
    """Pooled standard deviation between seeds on one split; nan where no split has two."""
    seeds: int
    """Most seeds on any split."""
    handling: Handling
    verifiable: bool
    """Every score has a run behind it."""

    @property
    def shared(self) -> pd.DataFrame:
        """``values`` on the splits that every activation with any score has: means of these may be compared, while
        those over splits of one's own also differ by what is easy and hard in them. No column without a score."""
        return self.values.dropna(axis="columns", how="all").dropna()

    @property
    def sharing(self) -> str:
        """A sentence on how many splits are shared; empty where all are."""
        left, whole = len(self.shared), len(self.values)
        return f"Over the {left} of {counted(whole, self.unit)} that all have." if left < whole else ""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Two activations on the splits that both have."""

    dataset: str
    activation: str
    control: str
    metric: Metric
    column: str
    """Column of the cube that the values came from."""
    x: Array
    """Scores of ``activation``, (n,)."""
    y: Array
    """Scores of ``control`` on the same splits, (n,)."""
    unit: Unit = Unit.SPLIT
    ratio: float
    ratio_known: bool = True
    n_heldout: float = math.nan
    reference: float = math.nan
    """What knowing nothing scores; nan where unknown."""
    planned: int
    diverged: int = 0
    unequal: int = 0
    seed_sd: float = math.nan
    handling: Handling = "complete"
    verifiable: bool = True

    @property
    def d(self) -> Array:
        """Differences by split, (n,), positive where ``activation`` is better."""
        return self.metric.sign * (self.x - self.y)

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def item(self) -> float:
        """What one held-out item changes the metric by; nan where the size is unknown, or the metric is not a share of
        items."""
        return 1 / self.n_heldout if self.metric.share_of_items and self.n_heldout > 0 else math.nan

    @property
    def missing(self) -> int:
        """Planned splits without a pair."""
        return max(0, self.planned - self.n)

    @property
    def zero_variance(self) -> bool:
        """The differences are all the same number up to rounding, so nothing can be said of their spread."""
        d = self.d
        return self.n < 2 or bool(d.std(ddof=1) <= 1e-12 * max(1.0, float(np.abs(np.r_[self.x, self.y]).max())))


UNNAMED = Metric(name="score", better="higher")


def of_arrays(
    x: Sequence[float] | Array,
    y: Sequence[float] | Array,
    *,
    ratio: float,
    dataset: str = "",
    activation: str = "a",
    control: str = "b",
    metric: Metric = UNNAMED,
    n_heldout: float = math.nan,
    planned: int | None = None,
) -> Pairs:
    """Pairs from two equally long arrays whose entry i is split i; pairs with a value that is not finite are left out
    and count as missing.

    ``ratio`` is held-out items over training items: 1/(K-1) for K folds. Raises :class:`DeclarationError` for arrays of
    different length.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise DeclarationError(
            f"scores of shape {a.shape} and {b.shape}: pairing needs two one-dimensional arrays of the same length, "
            "one entry a split"
        )
    good = _finite(a) & _finite(b)
    return Pairs(
        dataset=dataset,
        activation=activation,
        control=control,
        metric=metric,
        column=metric.name,
        x=a[good],
        y=b[good],
        ratio=ratio,
        n_heldout=n_heldout,
        planned=len(a) if planned is None else planned,
    )


def _finite(values: Array) -> npt.NDArray[np.bool_]:
    return np.isfinite(values) & (np.abs(values) < OVERFLOW)


def scores(
    cube: pd.DataFrame,
    *,
    dataset: str,
    metric: Metric,
    column: str | None = None,
    activations: Sequence[str] | None = None,
    handling: Handling = "penalised",
    own_repeats: bool = False,
) -> Scores:
    """Scores of ``metric`` on ``dataset``; ``activations`` fixes the columns and their order (default: as they come).

    ``column`` is where the cube has them: that of the held-out part under the declared rule by default. With
    ``own_repeats`` each activation was to have the splits that it has a row for, and no others.

    The cube must already be cut to the phase and the trials that count (``analysis.statistics.claims.claimed``). Raises
    :class:`DuplicateRuns` for two runs of one activation, split and seed, and :class:`DeclarationError` for a metric
    that the cube does not have.
    """
    column = column or f"heldout/{metric.name}"
    if column not in cube.columns:
        have = sorted(str(name) for name in cube.columns if "/" in str(name) and not str(name).startswith(BESIDE))
        raise DeclarationError(f"metric {column!r}: no such column in the runs; they have {', '.join(have) or 'none'}")
    rows = cube[cube["dataset"] == dataset].copy()
    labels = list(dict.fromkeys(rows["activation"])) if activations is None else list(activations)
    rows = rows[rows["activation"].isin(labels)]
    unit = units.unit_of(rows)
    rows["split"], rows["unit"] = units.hashes(rows), units.assigned(rows, unit)
    _refuse(rows, ["activation", "split", "repeat", "seed"])

    references = _references(rows, metric)
    rows["value"], diverged = _values(rows, column, references if handling == "penalised" else None)
    place = rows.groupby("unit", sort=False)[["repeat", "fold"]].min().sort_values(["repeat", "fold"], kind="stable")
    ratio, known = units.overlap(rows, unit)
    single = _single(rows)
    where = rows.groupby(["repeat", "fold", "seed"], dropna=False)["split"].nunique()
    groups = rows[rows["value"].notna()].groupby(["unit", "activation"])["value"]
    counts = groups.size()
    several = counts > 1
    return Scores(
        dataset=dataset,
        metric=metric,
        column=column,
        values=_averaged(single).reindex(index=place.index, columns=labels),
        seeds_of=single.reindex(columns=labels),
        unit=unit,
        units=rows["unit"],
        ratio=ratio,
        ratio_known=known,
        n_heldout=units.mean_size(rows, "n_heldout"),
        reference=float(np.nanmean(references)) if np.isfinite(references).any() else math.nan,
        planned=units.planned(rows),
        planned_of=_planned_of(rows, labels) if own_repeats else {},
        diverged={label: int((diverged & (rows["activation"] == label)).sum()) for label in labels},
        unequal=int((where > 1).sum()),
        seed_sd=_pooled(groups.var(ddof=1)[several], counts[several]),
        seeds=int(counts.max()) if len(counts) else 0,
        handling=handling,
        verifiable=bool(rows["verifiable"].all()) if "verifiable" in rows else True,
    )


def _planned_of(rows: pd.DataFrame, labels: Sequence[str]) -> dict[str, int]:
    return {label: units.planned(rows[rows["activation"] == label]) for label in labels}


def _single(rows: pd.DataFrame) -> pd.DataFrame:
    """The score of each unit, repeat and seed (row) and activation (column)."""
    keys = ["unit", "repeat", "seed"]
    scored = rows[rows["value"].notna()]
    if scored.empty:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], [], []], names=keys))
    return scored.groupby([*keys, "activation"], sort=False, dropna=False)["value"].mean().unstack("activation")


def _averaged(single: pd.DataFrame) -> pd.DataFrame:
    """The mean of each unit (row) and activation (column) over its seeds: those that every activation with any score
    there has, so that what one of them lacks is no difference."""
    if single.empty:
        return pd.DataFrame()
    takes_part = single.notna().groupby(level="unit").transform("any")
    return single[(single.notna() | ~takes_part).all(axis="columns")].groupby(level="unit", sort=False).mean()


def _values(rows: pd.DataFrame, column: str, penalties: Array | None) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Each run's score, nan where it has none, and which runs diverged; these get their ``penalties``, if any."""
    raw = rows[column].to_numpy(dtype=float)
    finite = _finite(raw)
    done = rows["status"].isin(SCORED).to_numpy()
    remark = f"remark/{column.rsplit('/', 1)[-1]}"
    explained = rows[remark].fillna("").ne("").to_numpy() if remark in rows else np.zeros(len(rows), dtype=bool)
    broke = ~finite & ~(explained & np.isnan(raw))
    diverged: npt.NDArray[np.bool_] = (rows["status"] == Status.DIVERGED).to_numpy() | (done & broke)
    value = np.where(done & finite, raw, np.nan)
    if penalties is not None:
        value[diverged] = penalties[diverged]
    return value, diverged


def _references(rows: pd.DataFrame, metric: Metric) -> Array:
    """What knowing nothing scores on each run's held-out part; nan where it is not known."""
    fixed = math.nan if metric.reference is None else metric.reference
    if metric.reference_column not in rows:
        return np.full(len(rows), fixed)
    recorded = rows[metric.reference_column].to_numpy(dtype=float)
    return np.where(np.isnan(recorded), fixed, recorded)


def _pooled(variances: pd.Series, counts: pd.Series) -> float:
    freedom = counts - 1
    return float(math.sqrt((variances * freedom).sum() / freedom.sum())) if freedom.sum() > 0 else math.nan


def pair(table: Scores, activation: str, control: str) -> Pairs:
    """The two columns on the splits that both have. Raises :class:`DeclarationError` for a label without a column."""
    for label in (activation, control):
        if label not in table.values.columns:
            raise DeclarationError(
                f"activation {label!r}: no runs on {table.dataset}; "
                f"there are {', '.join(map(str, table.values.columns)) or 'none'}"
            )
    both = table.values[[activation, control]].dropna() if activation != control else table.values.iloc[:0]
    return Pairs(
        dataset=table.dataset,
        activation=activation,
        control=control,
        metric=table.metric,
        column=table.column,
        x=both[activation].to_numpy(dtype=float),
        y=both[control].to_numpy(dtype=float),
        unit=table.unit,
        ratio=table.ratio,
        ratio_known=table.ratio_known,
        n_heldout=table.n_heldout,
        reference=table.reference,
        planned=min(table.planned_of.get(label, table.planned) for label in (activation, control)),
        diverged=table.diverged[activation] + table.diverged[control],
        unequal=table.unequal,
        seed_sd=table.seed_sd,
        # Where it is not known what knowing nothing scores, diverged runs have no score whatever was asked for.
        handling="complete" if math.isnan(table.reference) else table.handling,
        verifiable=table.verifiable,
    )
