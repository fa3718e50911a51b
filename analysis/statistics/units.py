"""What one number of a comparison is of: a split of the data, a case of the task, or a seed.

Splits are the rule. Where folds are cases (a normal class, a product), a case is the unit and its repeats are averaged:
they are no further cases. Where every run has one and the same split, nothing but the seed varies, so that a seed is
the unit, and what is found speaks of the luck of training alone.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

import pandas as pd

from analysis.runs.plan import BLOCK, PUBLISHED, TIME


class Unit(StrEnum):
    SPLIT = "split"
    CASE = "case"
    SEED = "seed"


GIVEN = (PUBLISHED, TIME, BLOCK)
"""Schemes whose folds are the same in every repeat, whatever is drawn for validation: repeats are seeds on them."""


class Overlap(NamedTuple):
    """n2/n1 of the corrected tests."""

    ratio: float
    known: bool
    """False where sizes were not recorded and the ratio was taken from the number of folds."""


def unit_of(rows: pd.DataFrame) -> Unit:
    """Of the runs of one data set, as they were recorded."""
    if "case" in rows and (rows["case"].fillna("") != "").any():
        return Unit.CASE
    known = rows["split_hash"].fillna("")
    known = known[known != ""]
    return Unit.SEED if known.nunique() == 1 and rows["repeat"].nunique() > 1 else Unit.SPLIT


def assigned(rows: pd.DataFrame, unit: Unit) -> pd.Series:
    """The name of each run's unit."""
    if unit is Unit.CASE:
        return _cases(rows)
    if unit is Unit.SEED:
        return rows["repeat"].map(lambda repeat: f"seed {repeat}").astype(object)
    if "scheme" in rows and rows["scheme"].isin(GIVEN).all():
        return rows["fold"].map(lambda fold: f"split {fold}").astype(object)
    return hashes(rows)


def _cases(rows: pd.DataFrame) -> pd.Series:
    """A run that never started is of the case that others are at its fold."""
    own = rows["case"].fillna("").astype(object)
    of_fold = {int(fold): str(case) for fold, case in zip(rows["fold"], own, strict=True) if case}
    filled = [case or of_fold.get(int(fold), f"case {fold}") for case, fold in zip(own, rows["fold"], strict=True)]
    return pd.Series(filled, index=rows.index, dtype=object)


def hashes(rows: pd.DataFrame) -> pd.Series:
    """The split's hash; a run that never started takes that of another activation at its repeat, fold and seed, or
    that of its fold where all repeats have the same."""
    split = rows["split_hash"].astype(object).where(rows["split_hash"].notna() & (rows["split_hash"] != ""), None)
    place = list(zip(*(rows[name] for name in ("repeat", "fold", "seed")), strict=True))
    known: dict[tuple[object, ...], set[str]] = {}
    for key, value in zip(place, split, strict=True):
        if value is not None:
            known.setdefault(key, set()).add(value)
            known.setdefault((key[1],), set()).add(value)
    repeats = {key[1]: sum(other[1:2] == key[1:2] for other in known if len(other) > 1) for key in place}
    filled = []
    for key, value, label in zip(place, split, rows["activation"], strict=True):
        others = known.get(key, set())
        if not others and repeats[key[1]] > 1:
            others = known.get((key[1],), set())
        if value is None:
            # Not known what it would have been: a split of its own, which pairs with nothing.
            value = next(iter(others)) if len(others) == 1 else f"unknown {label} {key[0]}-{key[1]}"
        filled.append(value)
    return pd.Series(filled, index=rows.index, dtype=object)


def planned(rows: pd.DataFrame) -> int:
    """Units that were planned, of rows with their ``unit``: one a (study, repeat, fold), but that several of one unit
    are one."""
    keys = [name for name in ("study", "repeat", "fold") if name in rows]
    return int(rows.groupby(keys, sort=False)["unit"].first().nunique()) if len(rows) else 0


def overlap(rows: pd.DataFrame, unit: Unit) -> Overlap:
    """How much the training parts of two units have in common, as n2/n1.

    The validation part counts as training: the fold's procedure saw it, and only so is n2/(n1+n2) the share of the data
    that a split holds out. Cases train on items of their own, which the sizes of their parts are held against, see
    :func:`cases_share`; seeds on one split differ in nothing that the correction is about: 0.
    """
    if unit is Unit.SEED or (unit is Unit.CASE and not cases_share(rows)):
        return Overlap(0.0, True)
    seen, held = mean_size(rows, "n_train"), mean_size(rows, "n_heldout")
    validation = mean_size(rows, "n_validation")
    seen += 0.0 if math.isnan(validation) else validation
    if seen > 0 and held > 0:
        return Overlap(held / seen, True)
    folds = rows["fold"].nunique()
    return Overlap(1 / (folds - 1), False) if folds > 1 else Overlap(math.nan, False)


def cases_share(rows: pd.DataFrame) -> bool:
    """Whether cases must train on common items: each sees more than half of what all cases together are of, which is
    known where the parts of every case come to the same number."""
    sizes = rows.drop_duplicates("fold")[["n_train", "n_validation", "n_heldout"]].dropna(subset=["n_train"])
    seen = sizes["n_train"] + sizes["n_validation"].fillna(0)
    whole = seen + sizes["n_heldout"]
    return len(sizes) > 1 and whole.nunique() == 1 and bool((2 * seen > whole).all())


def mean_size(rows: pd.DataFrame, name: str) -> float:
    """Mean of a column of sizes; nan where none was recorded."""
    values = rows[name].to_numpy(dtype=float) if name in rows else None
    return float(pd.Series(values).mean()) if values is not None and pd.notna(values).any() else math.nan
