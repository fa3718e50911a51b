"""Splits that are declared: published lists, time, blocks of neighbours, cases; and items that may not train."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainer.datasets.reader import Dataset
from trainer.declared_splits import Case, Strata
from trainer.errors import DataError
from trainer.spec import SplitSpec
from trainer.splits import Split, split


def dataset(count: int, **facts: object) -> Dataset:
    return Dataset(
        name="points",
        items=np.zeros((count, 1, 1, 2), np.float32),
        values=np.zeros((count, 1), np.float32),
        kind="table",
        digest="0" * 64,
        **facts,  # type: ignore[arg-type]
    )


def dealt(data: Dataset, fold: int = 0, *, repeat: int = 0, cases: tuple[Case, ...] = (), **spec: object) -> Split:
    strata = spec.pop("strata", None)
    may_train = spec.pop("may_train", None)
    declared = SplitSpec(stratify=strata is not None, **spec)  # type: ignore[arg-type]
    place = {"seed": 3, "repeat": repeat, "fold": fold}
    return split(data, declared, strata, phase="confirm", may_train=may_train, cases=cases, **place)  # type: ignore[arg-type]


def test_published_lists_are_held_out_as_they_are_and_may_overlap() -> None:
    lists = np.zeros((3, 20), bool)
    lists[0, :4] = lists[1, 2:6] = lists[2, 10:] = True
    for fold, expected in enumerate(lists):
        found = dealt(dataset(20, published=lists), fold, scheme="published", folds=3)
        assert np.array_equal(found.heldout, np.flatnonzero(expected))
        assert sorted([*found.train, *found.validation, *found.heldout]) == list(range(20))


def test_more_folds_than_published_lists_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"has 2 published splits for 3 folds; use folds: {scheme: published, folds: 2}"
    ):
        dealt(dataset(6, published=np.eye(2, 6, dtype=bool)), scheme="published", folds=3)


@pytest.mark.parametrize("purge", [0, 1, 7])
def test_time_trains_on_what_came_before_and_leaves_the_gap_out(purge: int) -> None:
    order = np.random.default_rng(4).permutation(100).astype(np.int64)
    data = dataset(100, order=order)
    seen = []
    for fold in range(4):
        found = dealt(data, fold, scheme="time", folds=4, purge=purge, validation=0.2)
        train, validation, heldout = (order[part] for part in (found.train, found.validation, found.heldout))
        assert train.max() + purge < validation.min()
        assert validation.max() + purge < heldout.min()
        seen.append(heldout)
    assert all(before.max() < after.min() for before, after in itertools.pairwise(seen))


def test_series_of_one_time_are_on_one_side() -> None:
    order = np.repeat(np.arange(30), 3).astype(np.int64)
    found = dealt(dataset(90, order=order), 1, scheme="time", folds=2, validation=0)
    assert not set(order[found.train]) & set(order[found.heldout])
    assert len(found.heldout) == 30


def test_a_fixed_part_of_a_series_gets_its_gap_on_both_sides_and_validates_on_what_is_latest() -> None:
    order = np.arange(100, dtype=np.int64)
    data = dataset(100, order=order, fixed_heldout=order >= 80)
    found = dealt(data, scheme="fixed", folds=1, purge=5, validation=0.25)
    assert found.validation.max() < 75
    assert found.train.max() < found.validation.min() - 5


def test_blocks_hold_out_neighbours_of_each_stratum_and_the_last_fold_the_last() -> None:
    labels = np.repeat([0, 1], 10)
    order = np.tile(np.arange(10), 2).astype(np.int64)
    strata = Strata(numbers=labels, names=("left", "right"))
    found = [dealt(dataset(20, order=order), fold, scheme="block", folds=5, strata=strata) for fold in range(5)]
    assert sorted(np.concatenate([one.heldout for one in found])) == list(range(20))
    assert [list(order[one.heldout]) for one in found][-1] == [8, 9, 8, 9]


def test_a_scheme_of_order_without_one_is_refused() -> None:
    with pytest.raises(DataError, match="has no order of time or of recording"):
        dealt(dataset(20), scheme="time", folds=3)


def cases() -> tuple[Case, ...]:
    kinds = np.tile(np.arange(2), 10)
    official = np.arange(20) >= 12
    return tuple(Case(name=f"kind {k}", train=(kinds == k) & ~official, heldout=official) for k in range(2))


def test_each_case_is_a_fold_and_its_training_items_are_its_own() -> None:
    data = dataset(20)
    found = [dealt(data, fold, scheme="cases", folds=2, cases=cases(), validation=0) for fold in range(2)]
    assert [one.case.name for one in found if one.case] == ["kind 0", "kind 1"]
    assert not set(found[0].train) & set(found[1].train)
    assert [one.heldout_searched for one in found] == [0, 0]


def test_repeats_of_a_case_share_their_split_where_nothing_is_validated() -> None:
    data = dataset(20)
    again = [dealt(data, repeat=repeat, scheme="cases", folds=2, cases=cases(), validation=0) for repeat in (0, 1)]
    assert again[0].hash == again[1].hash


def test_another_number_of_cases_is_refused_with_their_names() -> None:
    with pytest.raises(DataError, match=r"knows 2 cases \(kind 0, kind 1\) for 3 folds"):
        dealt(dataset(20), scheme="cases", folds=3, cases=cases())


def test_a_case_that_trains_on_what_it_holds_out_is_refused() -> None:
    everything = np.ones(20, bool)
    leaking = (Case(name="all", train=everything, heldout=everything),)
    with pytest.raises(DataError, match="'all' trains on items that it holds out"):
        dealt(dataset(20), scheme="cases", folds=1, cases=leaking)


def test_what_may_not_train_is_held_out_or_left_out() -> None:
    anomalous = np.arange(40) % 4 == 0
    data = dataset(40)
    folds = [dealt(data, fold, folds=4, may_train=~anomalous) for fold in range(4)]
    for one in folds:
        assert not anomalous[one.train].any()
        assert not anomalous[one.validation].any()
    assert sorted(np.concatenate([one.heldout for one in folds])) == list(range(40))
