"""Which items train, validate and are held out, in one (repeat, fold) of a phase.

A search looks at every item that it is given: as validation of one fold what is held out of another. So a study that
searches and then confirms deals a part of the items to its searches once (``SplitSpec.search_share``). Search folds
are dealt from that part alone; the confirm phase always trains on it and holds out items of the rest alone.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from trainer import declared_splits, seeds
from trainer.datasets.reader import Dataset
from trainer.declared_splits import Case, Indices, Strata
from trainer.errors import DataError
from trainer.spec import Phase, SplitSpec

__all__ = ["Case", "Indices", "Split", "Strata", "search_part", "split"]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Item numbers of each part, ascending, no item in two; together every item, or in a search with a part of its own
    every item of that part, less those that may not train, that a purge gap leaves out, or that are of other cases."""

    train: Indices
    validation: Indices
    heldout: Indices
    hash: str
    """SHA-256 over the data digest and the sorted held-out, validation and training indices."""
    heldout_searched: int | None
    """Held-out items that the study's searches may use; None where nothing keeps the two apart."""
    case: Case | None = None
    """With the scheme "cases", the one that the fold is."""


def split(
    dataset: Dataset,
    spec: SplitSpec,
    strata: Strata | None,
    *,
    phase: Phase,
    seed: int,
    repeat: int,
    fold: int,
    may_train: NDArray[np.bool_] | None = None,
    cases: tuple[Case, ...] = (),
) -> Split:
    """The split of one fold: a function of the data set, ``spec``, what the task says of it (``strata``, ``may_train``,
    ``cases``), the phase and the three numbers alone. ``phase`` matters only where searches have a part of the items
    to themselves.

    With the scheme "kfold" the held-out parts of one repeat partition the items that may be held out; validation is
    drawn from what a fold leaves outside its own, by time where the scheme goes by it. Raises :class:`DataError` where
    the data cannot be dealt as asked.
    """
    if not spec.stratify:
        strata = None
    elif strata is None:
        raise DataError(f"data set {dataset.name!r}: the task has no strata to deal by; use stratify: false")
    _check(dataset, spec, fold)
    items = np.arange(len(dataset.items), dtype=np.int64)
    searched = search_part(dataset, spec, strata, seed=seed, cases=cases)
    if spec.scheme == "kfold":
        open_items = items if searched is None else searched if phase == "search" else np.setdiff1d(items, searched)
        named = "" if searched is None else "the search part" if phase == "search" else "what searches leave"
        heldout = _kfold(dataset, spec, strata, open_items, seeds.seed("split", seed, repeat), fold, named)
        rest = np.setdiff1d(items if searched is None or phase == "confirm" else searched, heldout)
    else:
        heldout, rest = declared_splits.heldout(dataset, spec, strata, cases, fold)
    if may_train is not None:
        rest = rest[may_train[rest]]
    if spec.validation and (spec.scheme == "time" or spec.purge):
        validation, train = declared_splits.last(dataset, spec, rest)
    else:
        chosen = _validation(dataset, spec, strata, rest, seeds.seed("validation", seed, repeat, fold))
        validation, train = rest[chosen], np.delete(rest, chosen)
    for part, indices in (("training", train), ("validation", validation), ("held-out", heldout)):
        if not len(indices) and not (part == "validation" and spec.validation == 0):
            raise DataError(
                f"data set {dataset.name!r}, repeat {repeat}, fold {fold}: no item is left for the {part} part of "
                f"{len(items)}; use fewer folds or another validation share{', or a smaller purge' * (spec.purge > 0)}"
            )
    total = hashlib.sha256(dataset.digest.encode())
    for indices in (heldout, validation, train):
        total.update(np.int64(len(indices)).tobytes() + indices.astype("<i8").tobytes())
    return Split(
        train=train,
        validation=validation,
        heldout=heldout,
        hash=total.hexdigest(),
        heldout_searched=None if searched is None else len(np.intersect1d(heldout, searched)),
        case=cases[fold] if spec.scheme == "cases" else None,
    )


def search_part(
    dataset: Dataset, spec: SplitSpec, strata: Strata | None, *, seed: int, cases: tuple[Case, ...] = ()
) -> Indices | None:
    """Items that searches may use, ascending; None where they may use all. The same for every repeat, fold and phase.

    With the scheme "fixed" these are the items outside the declared held-out part, with "cases" all that any case may
    train on. Raises :class:`DataError` where the share leaves one side empty.
    """
    if spec.scheme != "kfold" or spec.search_share == 0:
        return declared_splits.searched(dataset, spec, cases)
    items = np.arange(len(dataset.items), dtype=np.int64)
    share = _Share(spec.search_share, "search", "of", "use another search.share")
    return _draw(dataset, spec, strata if spec.stratify else None, items, share, seeds.seed("search part", seed))


def _check(dataset: Dataset, spec: SplitSpec, fold: int) -> None:
    where = f"data set {dataset.name!r}"
    for name, share in (("validation", spec.validation), ("search", spec.search_share)):
        if not 0.0 <= share < 1.0:
            raise DataError(f"{where}: {name} share {share}, accepts 0 or more and less than 1")
    if spec.folds < 2 and spec.scheme in ("kfold", "block"):
        raise DataError(f"{where}: {spec.folds} folds, accepts 2 or more")
    if not 0 <= fold < spec.folds:
        raise DataError(f"{where}: fold {fold}, accepts 0 to {spec.folds - 1}")
    if spec.group is not None and spec.group not in dataset.groups:
        known = ", ".join(sorted(dataset.groups)) or "none"
        raise DataError(f"{where}: no group {spec.group!r}; its groups: {known}")


def _kfold(
    dataset: Dataset, spec: SplitSpec, strata: Strata | None, items: Indices, seed: int, fold: int, named: str
) -> Indices:
    """The held-out part of a fold, of ``items`` alone. ``named`` says in messages which items these are; "": all."""
    where = f"data set {dataset.name!r}" + (f", {named}" if named else "")
    other = ", another search.share" if named else ""
    groups = None if spec.group is None else dataset.groups[spec.group][items]
    if groups is not None and (count := len(np.unique(groups))) < spec.folds:
        raise DataError(
            f"{where}: {count} groups of {spec.group!r} for {spec.folds} folds; use {count} folds or fewer{other}"
        )
    if strata is not None:
        counts = np.bincount(strata.numbers[items], minlength=len(strata.names))
        for number in np.flatnonzero((counts > 0) & (counts < spec.folds)):
            raise DataError(
                f"{where}: class {strata.names[number]!r} has {counts[number]} items for {spec.folds} folds; "
                f"use {max(counts[number], 2)} folds or fewer{other}, or stratify: false"
            )
    if len(items) < spec.folds:
        raise DataError(f"{where}: {len(items)} items for {spec.folds} folds; use fewer folds{other}")
    numbers = None if strata is None else strata.numbers[items]
    return items[_deal(len(items), numbers, groups, parts=spec.folds, seed=seed)[fold]]


def _deal(count: int, strata: Indices | None, groups: Indices | None, *, parts: int, seed: int) -> list[Indices]:
    """``count`` items in ``parts`` disjoint parts, each ascending; ``strata`` and ``groups`` number each item's."""
    if strata is not None and groups is not None:
        return _deal_groups(strata, groups, parts, seed)
    kind = StratifiedKFold if strata is not None else KFold if groups is None else GroupKFold
    dealer = kind(n_splits=parts, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        # Groups may hold a class in fewer places than there are parts; the counts were checked where they matter.
        warnings.filterwarnings("ignore", message="The least populated class in y")
        pairs = list(dealer.split(np.zeros(count), strata, groups))
    return [np.sort(part).astype(np.int64) for _, part in pairs]


def _deal_groups(strata: Indices, groups: Indices, parts: int, seed: int) -> list[Indices]:
    """Whole groups in ``parts`` parts with about the same share of every stratum: roughly the largest groups first,
    each to the part in which it leaves the strata most even.

    The seed decides the order. scikit-learn's StratifiedGroupKFold shuffles groups only where their class counts spread
    alike, which patients' never do: there, every seed and repeat would get the same parts.
    """
    generator = np.random.default_rng(seed)
    _, owner = np.unique(groups, return_inverse=True)
    counts = np.zeros((owner.max() + 1, strata.max() + 1))
    np.add.at(counts, (owner, strata), 1.0)
    shares = counts / np.maximum(counts.sum(axis=0), 1.0)
    sizes = shares.std(axis=1) * generator.uniform(0.5, 2.0, len(shares))
    filled = np.zeros((parts, shares.shape[1]))
    part_of = np.zeros(len(shares), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        best, least = 0, (math.inf, math.inf)
        for part in generator.permutation(parts):
            filled[part] += shares[group]
            cost = (float(filled.std(axis=0).mean()), float(filled[part].sum()))
            filled[part] -= shares[group]
            if cost < least:
                best, least = int(part), cost
        filled[best] += shares[group]
        part_of[group] = best
    return [np.flatnonzero(part_of[owner] == part).astype(np.int64) for part in range(parts)]


def _validation(dataset: Dataset, spec: SplitSpec, strata: Strata | None, rest: Indices, seed: int) -> Indices:
    """Positions within ``rest`` that become the validation part, ascending."""
    if spec.validation == 0:
        return np.zeros(0, dtype=np.int64)
    where = "outside the held-out part, of"
    share = _Share(spec.validation, "validation", where, "use another share or fewer folds")
    return _draw(dataset, spec, strata, rest, share, seed)


class _Share(NamedTuple):
    """A part to be drawn, and how messages speak of it."""

    size: float
    name: str
    of: str
    """Where it is drawn from."""
    instead: str
    """What to do where that cannot be done."""


def _draw(
    dataset: Dataset, spec: SplitSpec, strata: Strata | None, items: Indices, share: _Share, seed: int
) -> Indices:
    """Positions within ``items`` that become a part of the share's size, ascending; whole groups where there are."""
    numbers = None if strata is None else strata.numbers[items]
    where = f"data set {dataset.name!r}: {share.name} share {share.size} {share.of} {len(items)} items"
    if spec.group is not None:
        groups = dataset.groups[spec.group][items]
        count = len(np.unique(groups))
        if count < 2:
            raise DataError(f"{where}: they belong to {count} group of {spec.group!r}, needs 2; use more folds")
        fraction = Fraction(min(max(share.size, 0.05), 0.95)).limit_denominator(20)
        parts = min(max(fraction.denominator, 2), count)
        taken = min(max(round(share.size * parts), 1), parts - 1)
        if numbers is not None and np.bincount(numbers).max() < parts:
            raise DataError(f"{where}: the commonest class has fewer than {parts} items; use stratify: false")
        dealt = _deal(len(items), numbers, groups, parts=parts, seed=seed)
        return np.sort(np.concatenate(dealt[:taken]))
    size = round(share.size * len(items))
    if not 0 < size < len(items):
        raise DataError(f"{where} is {size} items, which leaves one part empty; {share.instead}")
    if strata is not None:
        counts = np.bincount(strata.numbers[items], minlength=len(strata.names))
        present = np.flatnonzero(counts)
        for number in present[counts[present] < 2]:
            raise DataError(
                f"{where}: class {strata.names[number]!r} has 1 item there, stratified {share.name} needs 2; "
                "use fewer folds or stratify: false"
            )
        if min(size, len(items) - size) < len(present):
            raise DataError(
                f"{where} leaves {min(size, len(items) - size)} items in a part, stratified {share.name} needs one of "
                f"each of the {len(present)} classes; use another share or stratify: false"
            )
    shuffle = ShuffleSplit if strata is None else StratifiedShuffleSplit
    dealer = shuffle(n_splits=1, test_size=size, random_state=seed % 2**32)
    _, chosen = next(iter(dealer.split(np.zeros(len(items)), numbers)))
    return np.sort(chosen).astype(np.int64)
