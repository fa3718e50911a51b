"""Standardisation: constants as they always were, and what is learnt, learnt of the training part alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer import batches
from trainer.datasets.reader import Dataset, Kind
from trainer.inputs import Inputs

SHAPES: dict[Kind, tuple[int, int, int]] = {
    "image": (3, 4, 5),
    "signal": (2, 1, 7),
    "sequence": (1, 6, 3),
    "table": (1, 1, 4),
    "mesh": (1, 1, 3),
}
VARYING: dict[Kind, tuple[int, ...]] = {
    "image": (1,),
    "signal": (1,),
    "sequence": (3,),
    "table": (1, 2, 3),
    "mesh": (1, 2, 3),
}
"""Axes of [n, channels, height, width] along which each place has a mean of its own; over the others there is one."""


def dataset(items: NDArray, **facts: object) -> Dataset:
    return Dataset(name="x", items=items, labels=np.zeros(len(items), np.int64), classes=("a", "b"), digest="", **facts)


def drawn(shape: tuple[int, ...], dtype: str = "float32") -> NDArray:
    rng = np.random.default_rng(3)
    if dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return (5.0 + 3.0 * rng.standard_normal(shape)).astype(dtype)


def given(data: Dataset, dtype: torch.dtype = torch.float32, train: list[int] | None = None) -> Tensor:
    """All items of ``data`` as a model gets them."""
    items = batches.resident(data, torch.device("cpu")).items
    inputs = Inputs(data)
    inputs.fit(items, torch.tensor(train if train is not None else range(len(items))))
    return inputs(items, dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_constants_give_the_bits_they_always_gave(dtype: str) -> None:
    """The formula of the first version: float32 scale and shift of float64 constants, one fused step."""
    items = drawn((50, 3, 4, 5), dtype)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    wide_mean, wide_std = (torch.tensor(each, dtype=torch.float64).view(1, -1, 1, 1) for each in (mean, std))
    scale = (1.0 / ((255.0 if dtype == "uint8" else 1.0) * wide_std)).float()
    shift = (-wide_mean / wide_std).float()
    expected = torch.addcmul(shift, torch.from_numpy(items).float(), scale)
    assert torch.equal(given(dataset(items, mean=mean, std=std)), expected)


def test_items_without_constants_are_left_alone() -> None:
    items = drawn((9, 1, 2, 2))
    assert torch.equal(given(dataset(items)), torch.from_numpy(items))


def test_half_precision_floats_and_whole_numbers_come_exactly_as_float32() -> None:
    for dtype in ("float16", "int16", "int64"):
        items = drawn((9, 1, 2, 2), dtype)
        assert torch.equal(given(dataset(items)), torch.from_numpy(items.astype(np.float32)))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_what_a_fold_learns_is_each_features_own_of_the_training_part(kind: Kind, dtype: str) -> None:
    items = drawn((40, *SHAPES[kind]), dtype)
    train = [3, 5, *range(10, 35)]
    apart = tuple(axis for axis in range(4) if axis not in VARYING[kind])
    taught = items[train].astype(np.float64)
    mean, std = taught.mean(apart, keepdims=True), taught.std(apart, keepdims=True)
    expected = (items - mean) / std
    found = given(dataset(items, kind=kind, standardise="fold"), torch.float64, train).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found[train].mean(apart), 0, atol=1e-12)


@pytest.mark.parametrize("kind", SHAPES)
def test_items_outside_the_training_part_teach_nothing(kind: Kind) -> None:
    items = drawn((40, *SHAPES[kind]))
    other = items.copy()
    other[20:] = 1e6
    found, again = (given(dataset(each, kind=kind, standardise="fold"), train=[*range(20)]) for each in (items, other))
    assert torch.equal(found[:20], again[:20])


def test_more_items_than_one_chunk_are_learnt_as_one() -> None:
    items = drawn((10_000, 1, 1, 2))
    found = given(dataset(items, kind="table", standardise="fold"), torch.float64).numpy()
    np.testing.assert_allclose(found, (items - items.mean(0, np.float64)) / items.std(0, np.float64), atol=1e-12)


def test_a_feature_that_does_not_vary_in_training_is_only_centred() -> None:
    items = drawn((20, 1, 1, 2))
    items[:10, 0, 0, 1] = 4.0
    found = given(dataset(items, kind="table", standardise="fold"), torch.float64, [*range(10)]).numpy()
    assert (found[:10, 0, 0, 1] == 0).all()
    np.testing.assert_allclose(found[10:, 0, 0, 1], items[10:, 0, 0, 1].astype(float) - 4.0, atol=1e-12)


def test_constants_learn_nothing() -> None:
    items = drawn((20, 1, 2, 2))
    data = dataset(items, mean=(5.0,), std=(3.0,))
    assert torch.equal(given(data, train=[0, 1]), given(data))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_tokens_are_never_scaled(dtype: str) -> None:
    items = np.array([[0, 7], [255, 1]], dtype).reshape(2, 1, 1, 2)
    found = given(dataset(items, kind="tokens"))
    assert found.dtype == torch.int64
    assert found.tolist() == items.tolist()


def test_tokens_beyond_float32_stay_exact() -> None:
    items = np.array([2**24 + 1, 2**40 + 1], np.int64).reshape(2, 1, 1, 1)
    assert given(dataset(items, kind="tokens")).flatten().tolist() == [2**24 + 1, 2**40 + 1]


@pytest.mark.parametrize("standardise", ["constants", "fold"])
def test_float64_items_far_from_0_keep_what_tells_them_apart(standardise: str) -> None:
    """float32 has steps of 8 at 1e8: rounded before they are standardised, all items would be one."""
    rng = np.random.default_rng(3)
    exact = rng.standard_normal((200, 1, 1, 3))
    items = 1e8 + exact
    facts = {"mean": (1e8,), "std": (1.0,)} if standardise == "constants" else {}
    found = given(dataset(items, kind="table", standardise=standardise, **facts))
    assert found.dtype == torch.float32
    apart = (0, 1, 2) if standardise == "constants" else 0
    expected = exact if standardise == "constants" else (exact - exact.mean(apart)) / exact.std(apart)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_what_was_learnt_travels_with_the_state() -> None:
    data = dataset(drawn((20, 1, 1, 3), "float64"), kind="table", standardise="fold")
    items = torch.from_numpy(data.items)
    one, other = Inputs(data), Inputs(data)
    one.fit(items, torch.arange(10))
    before = other(items, torch.float32)  # whatever it kept of its constants is of no more use
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(items, torch.float32), one(items, torch.float32))
    assert not torch.equal(before, one(items, torch.float32))


def test_one_data_set_gives_the_same_numbers_in_every_precision() -> None:
    data = dataset(drawn((20, 3, 4, 4), "uint8"), standardise="fold")
    narrow, wide = given(data), given(data, torch.float64)
    assert (narrow.dtype, wide.dtype) == (torch.float32, torch.float64)
    np.testing.assert_allclose(narrow.numpy(), wide.numpy(), atol=1e-6)
