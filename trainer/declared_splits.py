"""Held-out parts that follow from what the data set or the task declares: a part of its own, published lists, an order
of time or of recording, cases. Nothing here is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.spec import SplitSpec

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Strata:
    """What every part of a split gets its share of: the classes of a classification."""

    numbers: Indices
    """[n], 0..len(names)-1."""
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One of the comparisons that a task makes on a data set: a class that counts as normal, a product. Cases share
    no training item."""

    name: str
    train: NDArray[np.bool_]
    """[n], items that may train or validate."""
    heldout: NDArray[np.bool_]
    """[n], items that are held out; none of them is in ``train``."""


def heldout(
    dataset: Dataset, spec: SplitSpec, strata: Strata | None, cases: tuple[Case, ...], fold: int
) -> tuple[Indices, Indices]:
    """(held-out, the rest that may train and validate), both ascending, of a fold by any scheme but "kfold"."""
    items = np.arange(len(dataset.items), dtype=np.int64)
    if spec.scheme == "time":
        return _time(dataset, spec, fold)
    if spec.scheme == "cases":
        case = _case(dataset, spec, cases, fold)
        return np.flatnonzero(case.heldout).astype(np.int64), np.flatnonzero(case.train).astype(np.int64)
    if spec.scheme == "published":
        out = _published(dataset, spec, fold)
    elif spec.scheme == "block":
        out = _block(dataset, spec, strata, fold)
    else:
        out = fixed(dataset)
    return out, _apart(dataset, spec, np.setdiff1d(items, out), out)


def searched(dataset: Dataset, spec: SplitSpec, cases: tuple[Case, ...]) -> Indices | None:
    """Items that searches may use, where the scheme alone keeps others from them; None where it does not."""
    if spec.scheme == "fixed":
        return np.setdiff1d(np.arange(len(dataset.items), dtype=np.int64), fixed(dataset))
    if spec.scheme == "cases":
        return np.flatnonzero(np.any([case.train for case in cases], axis=0)).astype(np.int64)
    return None


def fixed(dataset: Dataset) -> Indices:
    if dataset.fixed_heldout is None:
        raise DataError(
            f"data set {dataset.name!r} declares no held-out part of its own, at least with these options (`actsweep "
            "data show` lists them); use folds: {scheme: kfold}"
        )
    return np.flatnonzero(dataset.fixed_heldout).astype(np.int64)


def last(dataset: Dataset, spec: SplitSpec, rest: Indices) -> tuple[Indices, Indices]:
    """(validation, training) of ``rest``: validation is what comes last in the data set's order, its share of the
    steps, with the purge gap before it."""
    order = ordered(dataset, spec)[rest]
    steps = np.unique(order)
    count = round(spec.validation * len(steps))
    if not 0 < count < len(steps):
        raise DataError(
            f"data set {dataset.name!r}: validation share {spec.validation} of {len(steps)} steps is {count}, which "
            "leaves one part empty; use another share or fewer folds"
        )
    first = steps[-count]
    return rest[order >= first], rest[order < first - spec.purge]


def ordered(dataset: Dataset, spec: SplitSpec) -> Indices:
    if dataset.order is None:
        raise DataError(
            f"data set {dataset.name!r} has no order of time or of recording, which the scheme {spec.scheme} goes by"
            f"{' with purge' if spec.scheme == 'fixed' else ''}; use folds: {{scheme: kfold}}"
        )
    return dataset.order


def _published(dataset: Dataset, spec: SplitSpec, fold: int) -> Indices:
    if dataset.published is None:
        raise DataError(
            f"data set {dataset.name!r} has no published splits; use folds: {{scheme: kfold}} or another data set"
        )
    if spec.folds > len(dataset.published):
        raise DataError(
            f"data set {dataset.name!r} has {len(dataset.published)} published splits for {spec.folds} folds; use "
            f"folds: {{scheme: published, folds: {len(dataset.published)}}}"
        )
    return np.flatnonzero(dataset.published[fold]).astype(np.int64)


def _block(dataset: Dataset, spec: SplitSpec, strata: Strata | None, fold: int) -> Indices:
    order = ordered(dataset, spec)
    numbers = np.zeros(len(order), np.int64) if strata is None else strata.numbers
    chosen = []
    for number in np.unique(numbers):
        members = np.flatnonzero(numbers == number)
        if len(members) < spec.folds:
            what = "items" if strata is None else f"items of class {strata.names[number]!r}"
            raise DataError(
                f"data set {dataset.name!r}: {len(members)} {what} for {spec.folds} blocks; use fewer folds"
            )
        inside = members[np.argsort(order[members], kind="stable")]
        chosen.append(np.array_split(inside, spec.folds)[fold])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _time(dataset: Dataset, spec: SplitSpec, fold: int) -> tuple[Indices, Indices]:
    order = ordered(dataset, spec)
    steps = np.unique(order)
    if len(steps) < spec.folds + 1:
        raise DataError(
            f"data set {dataset.name!r}: {len(steps)} steps of time for {spec.folds} folds, which needs one more "
            "stretch than folds; use fewer folds"
        )
    stretch = np.array_split(steps, spec.folds + 1)[fold + 1]
    out = np.flatnonzero((order >= stretch[0]) & (order <= stretch[-1]))
    before = np.flatnonzero(order < stretch[0] - spec.purge)
    return out.astype(np.int64), before.astype(np.int64)


def _case(dataset: Dataset, spec: SplitSpec, cases: tuple[Case, ...], fold: int) -> Case:
    where = f"data set {dataset.name!r}"
    if not cases:
        raise DataError(f"{where}: the task knows no cases on it; use folds: {{scheme: kfold}} or fixed")
    if spec.folds != len(cases):
        raise DataError(
            f"{where}: the task knows {len(cases)} cases ({', '.join(case.name for case in cases[:12])}) for "
            f"{spec.folds} folds; use folds: {{scheme: cases, folds: {len(cases)}}}"
        )
    case = cases[fold]
    if (case.train & case.heldout).any():
        raise DataError(f"{where}: case {case.name!r} trains on items that it holds out; mend the task's cases")
    return case


def _apart(dataset: Dataset, spec: SplitSpec, rest: Indices, out: Indices) -> Indices:
    """``rest`` less what is within the purge gap of the held-out part."""
    if spec.purge == 0 or not len(out):
        return rest
    order = ordered(dataset, spec)
    first, end = order[out].min(), order[out].max()
    kept: Indices = rest[(order[rest] < first - spec.purge) | (order[rest] > end + spec.purge)]
    return kept
