from __future__ import annotations

import dataclasses
import inspect
import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from trainer import seeds, splits
from trainer.datasets.digits import digits
from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.spec import SplitSpec
from trainer.tasks.classification.task import Classification


def split(data, spec, **where):
    return splits.split(data, spec, Classification.strata(data), **{"phase": "confirm"} | where)


def dataset(labels, *, groups=None, fixed=None, classes=None):
    labels = np.asarray(labels, dtype=np.int64)
    count = classes or int(labels.max()) + 1
    return Dataset(
        name="made",
        items=np.zeros((len(labels), 1, 1, 1), dtype=np.uint8),
        labels=labels,
        classes=tuple(f"c{number}" for number in range(count)),
        groups={} if groups is None else {"patient": np.asarray(groups, dtype=np.int64)},
        fixed_heldout=None if fixed is None else np.asarray(fixed, dtype=bool),
        mean=(0.0,),
        std=(1.0,),
        digest="0" * 64,
    )


def all_folds(data, spec, *, seed=1, repeat=0):
    return [split(data, spec, seed=seed, repeat=repeat, fold=fold) for fold in range(spec.folds)]


@st.composite
def labelled(draw):
    counts = draw(st.lists(st.integers(12, 40), min_size=2, max_size=5))
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(labels)


@settings(max_examples=40, deadline=None)
@given(
    labels=labelled(),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**63),
    repeat=st.integers(0, 9),
    validation=st.sampled_from([0.2, 0.3, 0.5]),
    stratify=st.booleans(),
)
def test_parts_are_disjoint_and_complete_and_heldout_parts_partition_the_items(
    labels, folds, seed, repeat, validation, stratify
):
    data = dataset(labels)
    spec = SplitSpec(folds=folds, validation=validation, stratify=stratify)
    heldout = []
    for part in all_folds(data, spec, seed=seed, repeat=repeat):
        together = np.concatenate([part.train, part.validation, part.heldout])
        assert np.array_equal(np.sort(together), np.arange(len(labels)))
        for indices in (part.train, part.validation, part.heldout):
            assert len(indices)
            assert np.all(np.diff(indices) > 0)
        rest = len(labels) - len(part.heldout)
        assert abs(len(part.validation) - validation * rest) <= 1
        heldout.append(part.heldout)
    assert np.array_equal(np.sort(np.concatenate(heldout)), np.arange(len(labels)))


@settings(max_examples=40, deadline=None)
@given(labels=labelled(), folds=st.integers(2, 6), seed=st.integers(0, 2**63))
def test_stratified_parts_hold_each_class_in_proportion_within_one(labels, folds, seed):
    for part in all_folds(dataset(labels), SplitSpec(folds=folds), seed=seed):
        rest = np.concatenate([part.train, part.validation])
        for number in np.unique(labels):
            members = np.sum(labels == number)
            assert abs(np.sum(labels[part.heldout] == number) - members / folds) <= 1
            outside = np.sum(labels[rest] == number)
            expected = outside * len(part.validation) / len(rest)
            assert abs(np.sum(labels[part.validation] == number) - expected) <= 1


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(3, 12), min_size=8, max_size=20),
    folds=st.integers(2, 4),
    stratify=st.booleans(),
    seed=st.integers(0, 2**63),
)
def test_no_group_is_on_two_sides(sizes, folds, stratify, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(seed % 2**32).integers(0, 2, len(groups))
    assume(np.bincount(labels, minlength=2).min() >= 3 * folds)
    data = dataset(labels, groups=groups)
    spec = SplitSpec(folds=folds, stratify=stratify, group="patient")
    try:
        parts = all_folds(data, spec, seed=seed)
    except DataError:  # uneven groups may leave a stratified part empty, which is said
        with pytest.raises(DataError, match="no item is left"):
            all_folds(data, spec, seed=seed)
        return
    for part in parts:
        sides = [set(groups[indices]) for indices in (part.train, part.validation, part.heldout)]
        for mine, theirs in itertools.combinations(sides, 2):
            assert mine.isdisjoint(theirs)
    assert np.array_equal(np.sort(np.concatenate([part.heldout for part in parts])), np.arange(len(groups)))


@settings(max_examples=20, deadline=None)
@given(labels=labelled(), seed=st.integers(0, 2**63), repeat=st.integers(0, 5), fold=st.integers(0, 2))
def test_same_arguments_same_split(labels, seed, repeat, fold):
    first, second = (split(dataset(labels), SplitSpec(folds=3), seed=seed, repeat=repeat, fold=fold) for _ in range(2))
    assert first.hash == second.hash
    for part in ("train", "validation", "heldout"):
        assert np.array_equal(getattr(first, part), getattr(second, part))


def test_other_seed_repeat_or_fold_is_another_split():
    data = digits.load(None, {})
    spec = SplitSpec(folds=3)
    places = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    found = {split(data, spec, seed=seed, repeat=repeat, fold=fold).hash for seed, repeat, fold in places}
    assert len(found) == len(places)


@pytest.mark.parametrize("stratify", [True, False])
def test_a_fold_holds_out_the_part_of_its_number_that_scikit_learn_deals(stratify):
    data = digits.load(None, {})
    kind = StratifiedKFold if stratify else KFold
    dealer = kind(n_splits=5, shuffle=True, random_state=seeds.seed("split", 9, 2) % 2**32)
    spec = SplitSpec(folds=5, stratify=stratify)
    for fold, (_, part) in enumerate(dealer.split(data.items, data.labels)):
        assert np.array_equal(split(data, spec, seed=9, repeat=2, fold=fold).heldout, part)


def test_the_splits_of_earlier_versions_stay():
    """As journals of schema 1 tell them: a study that was begun before goes on with its own items."""
    hashes = [part.hash[:16] for part in all_folds(digits.load(None, {}), SplitSpec(folds=3), seed=7, repeat=1)]
    assert hashes == ["2dd4e36052b8e16f", "2d938d98a13420ae", "88ce3089c73327c4"]


@pytest.mark.parametrize("stratify", [True, False])
def test_groups_that_no_two_are_alike_are_dealt_anew_by_seed_repeat_and_fold(stratify):
    generator = np.random.default_rng(5)
    groups = np.repeat(np.arange(24), generator.integers(20, 90, 24))
    rare = generator.uniform(0.02, 0.6, 24)[groups]
    data = dataset((generator.random(len(groups)) < rare).astype(np.int64), groups=groups)
    spec = SplitSpec(folds=4, stratify=stratify, group="patient")
    places = list(itertools.product((1, 2), range(5)))
    heldout = {split(data, spec, seed=seed, repeat=n, fold=0).heldout.tobytes() for seed, n in places}
    assert len(heldout) == len(places)
    fixed = dataclasses.replace(data, fixed_heldout=groups % 3 == 0)
    spec = SplitSpec(scheme="fixed", folds=1, stratify=stratify, group="patient")
    hashes = {split(fixed, spec, seed=seed, repeat=n, fold=0).hash for seed, n in places}
    assert len(hashes) == len(places)


def test_grouped_parts_hold_about_the_same_share_of_every_class():
    generator = np.random.default_rng(6)
    groups = np.repeat(np.arange(40), generator.integers(20, 60, 40))
    data = dataset(generator.choice(3, len(groups), p=[0.7, 0.2, 0.1]), groups=groups)
    for seed in range(5):
        for part in all_folds(data, SplitSpec(folds=5, group="patient"), seed=seed):
            for number in range(3):
                share = np.sum(data.labels[part.heldout] == number) / np.sum(data.labels == number)
                assert share == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 0.05), (0.04, 0.05), (0.05, 0.05), (0.15, 0.15), (0.97, 0.95)])
def test_a_grouped_validation_part_is_about_as_large_as_asked(share, expected):
    groups = np.repeat(np.arange(60), 10)
    data = dataset(np.arange(600) % 2, groups=groups)
    spec = SplitSpec(folds=2, group="patient", validation=share)
    part = split(data, spec, seed=1, repeat=0, fold=0)
    assert len(part.validation) / 300 == pytest.approx(expected, abs=0.04)


def test_the_activation_cannot_reach_a_split():
    given = {"dataset", "spec", "strata", "phase", "seed", "repeat", "fold", "may_train", "cases"}
    assert set(inspect.signature(splits.split).parameters) == given


def test_hash_covers_the_data():
    data = digits.load(None, {})
    other = dataclasses.replace(data, digest="f" * 64)
    hashes = {split(item, SplitSpec(), seed=1, repeat=0, fold=0).hash for item in (data, other)}
    assert len(hashes) == 2


def test_hash_knows_which_side_an_item_is_on():
    data = dataset([0, 1] * 10)
    found = {split(data, SplitSpec(folds=2), seed=1, repeat=0, fold=fold).hash for fold in (0, 1)}
    assert len(found) == 2


def test_fixed_scheme_holds_out_what_the_data_set_declares():
    fixed = np.arange(40) % 4 == 0
    data = dataset([0, 1] * 20, fixed=fixed)
    spec = SplitSpec(scheme="fixed", folds=1)
    first, second = (split(data, spec, seed=1, repeat=repeat, fold=0) for repeat in (0, 1))
    assert np.array_equal(first.heldout, np.flatnonzero(fixed))
    assert np.array_equal(second.heldout, first.heldout)
    assert not np.array_equal(first.validation, second.validation)


@pytest.mark.parametrize(
    ("data", "spec", "words"),
    [
        (
            dataset([0] * 20 + [1] * 3),
            SplitSpec(folds=5),
            "data set 'made': class 'c1' has 3 items for 5 folds; use 3 folds or fewer, or stratify: false",
        ),
        (
            dataset([0, 1] * 10, groups=[0, 1] * 10),
            SplitSpec(folds=2, group="ward"),
            "data set 'made': no group 'ward'; its groups: patient",
        ),
        (dataset([0, 1] * 10), SplitSpec(folds=2, group="ward"), "no group 'ward'; its groups: none"),
        (
            dataset([0, 1] * 10, groups=[0, 0, 1, 1] * 5),
            SplitSpec(folds=3, group="patient"),
            "2 groups of 'patient' for 3 folds; use 2 folds or fewer",
        ),
        (
            dataset([0, 0, 1, 1] * 5, groups=[0, 1] * 10),
            SplitSpec(folds=2, group="patient"),
            "they belong to 1 group of 'patient', needs 2",
        ),
        (dataset([0, 1] * 10), SplitSpec(folds=2, validation=1.0), "validation share 1.0, accepts 0 or more and less"),
        (dataset([0, 1] * 10), SplitSpec(folds=2, validation=0.01), "is 0 items, which leaves one part empty"),
        (dataset([0, 1] * 10), SplitSpec(folds=1), "1 folds, accepts 2 or more"),
        (dataset([0, 1] * 10), SplitSpec(scheme="fixed"), "declares no held-out part of its own"),
        (dataset([0] * 20 + [1, 1]), SplitSpec(folds=2), "class 'c1' has 1 item there, stratified validation needs 2"),
        (dataset([0, 0, 1], fixed=[1, 0, 0]), SplitSpec(scheme="fixed"), "is 0 items"),
        (dataset(range(30)), SplitSpec(folds=2, stratify=False, validation=0.01), "is 0 items"),
        (
            dataset(np.repeat(np.arange(10), 4)),
            SplitSpec(folds=2, validation=0.2),
            "leaves 4 items in a part, stratified validation needs one of each of the 10 classes",
        ),
    ],
)
def test_what_cannot_be_dealt_is_said(data, spec, words):
    with pytest.raises(DataError) as caught:
        split(data, spec, seed=1, repeat=0, fold=0)
    assert words in str(caught.value)


def test_fold_beyond_the_last_is_refused():
    with pytest.raises(DataError, match="fold 5, accepts 0 to 4"):
        split(digits.load(None, {}), SplitSpec(folds=5), seed=1, repeat=0, fold=5)


@given(seed=st.integers(0, 2**63), repeat=st.integers(0, 99), fold=st.integers(0, 99))
def test_seeds_are_63_bits_and_apart(seed, repeat, fold):
    found = [seeds.seed(purpose, seed, repeat, fold) for purpose in ("weights", "validation", "order")]
    assert len(set(found)) == 3
    assert all(0 <= number < 2**63 for number in found)
    assert seeds.seed("weights", seed, repeat, fold) == found[0]
    assert seeds.seed("weights", seed + 1, repeat, fold) != found[0]


def of_both_phases(data, spec, *, seed):
    """Splits of a search (repeats 0 and 1) and of its confirm phase (2 to 4), all folds."""
    return {
        phase: [
            split(data, spec, phase=phase, seed=seed, repeat=repeat, fold=fold)
            for repeat in repeats
            for fold in range(spec.folds)
        ]
        for phase, repeats in (("search", (0, 1)), ("confirm", (2, 3, 4)))
    }


def used(parts):
    """Every item that a split has on any side."""
    return set(np.concatenate([np.r_[part.train, part.validation, part.heldout] for part in parts]))


@settings(max_examples=25, deadline=None)
@given(
    labels=labelled(),
    folds=st.integers(2, 4),
    seed=st.integers(0, 2**63),
    share=st.sampled_from([0.35, 0.5, 0.62]),
    stratify=st.booleans(),
)
def test_no_item_that_a_search_uses_is_held_out_of_the_confirm_phase(labels, folds, seed, share, stratify):
    data = dataset(labels)
    spec = SplitSpec(folds=folds, validation=0.5, stratify=stratify, search_share=share)
    found = of_both_phases(data, spec, seed=seed)
    searched = used(found["search"])
    assert len(searched) == round(share * len(labels))
    for part in found["confirm"]:
        assert not searched & set(part.heldout)
        assert searched <= {*part.train, *part.validation}
        assert len(part.train) + len(part.validation) + len(part.heldout) == len(labels)
        assert part.heldout_searched == 0
    for number in range(3):  # repeats
        one = [part.heldout for part in found["confirm"][number * folds : (number + 1) * folds]]
        assert set(np.concatenate(one)) == set(range(len(labels))) - searched
    if stratify:
        for number in np.unique(labels):
            members = np.flatnonzero(labels == number)
            assert abs(len(searched & set(members)) - share * len(members)) <= 1


def test_without_a_part_of_its_own_a_search_uses_most_of_what_is_held_out_later():
    data = digits.load(None, {})
    spec = SplitSpec(folds=3)
    searched = used([split(data, spec, phase="search", seed=1, repeat=0, fold=0)])
    again = split(data, spec, phase="confirm", seed=1, repeat=1, fold=0)
    assert set(again.heldout) <= searched
    assert again.heldout_searched is None


@pytest.mark.parametrize("stratify", [True, False])
def test_a_group_is_the_searchs_or_held_out_never_both(stratify):
    groups = np.repeat(np.arange(20), 9)
    data = dataset(np.random.default_rng(0).integers(0, 2, len(groups)), groups=groups)
    spec = SplitSpec(folds=3, group="patient", stratify=stratify, search_share=0.4)
    found = of_both_phases(data, spec, seed=3)
    searched = set(groups[list(used(found["search"]))])
    assert len(searched) == 8
    assert not searched & set(groups[np.concatenate([part.heldout for part in found["confirm"]])])


def test_the_part_of_a_search_follows_the_seed_and_no_repeat():
    data = digits.load(None, {})
    spec = SplitSpec(search_share=0.4)
    one, other = (of_both_phases(data, spec, seed=seed)["search"] for seed in (1, 2))
    assert used(one[:5]) == used(one[5:])
    assert used(one) != used(other)


def test_a_declared_held_out_part_is_never_searched():
    data = dataset([0, 1] * 20, fixed=np.arange(40) % 4 == 0)
    spec = SplitSpec(scheme="fixed", folds=1)
    found = [split(data, spec, phase=phase, seed=1, repeat=0, fold=0) for phase in ("search", "confirm")]
    assert [part.heldout_searched for part in found] == [0, 0]
    assert np.array_equal(found[0].heldout, found[1].heldout)


@pytest.mark.parametrize(
    ("data", "spec", "words"),
    [
        (
            dataset([0] * 40 + [1] * 8),
            SplitSpec(folds=4, search_share=0.4),
            "data set 'made', the search part: class 'c1' has 3 items for 4 folds; use 3 folds or fewer, another "
            "search.share, or stratify: false",
        ),
        (
            dataset([0, 1] * 10, groups=np.repeat(np.arange(5), 4)),
            SplitSpec(folds=3, group="patient", stratify=False, search_share=0.4),
            "data set 'made', the search part: 2 groups of 'patient' for 3 folds; use 2 folds or fewer, another search",
        ),
        (
            dataset([0, 1] * 10),
            SplitSpec(folds=2, search_share=0.01),
            "search share 0.01 of 20 items is 0 items, which leaves one part empty; use another search.share",
        ),
        (dataset([0, 1] * 10), SplitSpec(folds=2, search_share=1.0), "search share 1.0, accepts 0 or more and less"),
    ],
)
def test_a_share_that_cannot_be_dealt_is_said(data, spec, words):
    with pytest.raises(DataError) as caught:
        split(data, spec, phase="search", seed=1, repeat=0, fold=0)
    assert words in str(caught.value)
