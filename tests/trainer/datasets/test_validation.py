"""What a reader's answer is refused for, in the words it is refused in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.datasets.reader import Dataset
from trainer.datasets.validation import validate_dataset

ITEMS = np.random.default_rng(3).standard_normal((6, 2, 1, 3))


def told(items: NDArray | None = None, **facts: object) -> str:
    """All that is wrong, in one text; "" where nothing is."""
    plain = {"labels": np.arange(6) % 2, "classes": ("a", "b")}
    given = {"items": ITEMS if items is None else items, **plain, **facts}
    return "; ".join(validate_dataset(Dataset(name="x", digest="", **given)))


def tall(lowest: int, highest: int, dtype: str = "int64") -> NDArray:
    return np.linspace(lowest, highest, 36).astype(dtype).reshape(6, 2, 1, 3)


def test_a_sound_one_has_no_fault() -> None:
    assert told() == ""
    assert told(standardise="fold") == ""
    assert told(labels=None, values=ITEMS[:, 0, 0]) == ""
    for dtype in ("uint8", "int32", "float16", "float32"):
        assert told(tall(0, 100, dtype)) == ""


def test_float64_far_from_0_is_refused_without_constants() -> None:
    items = ITEMS + np.array([0.0, 1e8]).reshape(1, 2, 1, 1)
    low, high = (f"{value:.10g}" for value in (items[:, 1].min(), items[:, 1].max()))
    assert told(items) == (
        f"items of channel 1 lie between {low} and {high} once standardised by mean and std, where float32 has steps "
        "of 8; accepts a mean and std that bring them near 0, or standardise: fold"
    )


@pytest.mark.parametrize(
    "facts", [{"mean": (0.0, 1e8), "std": (1.0, 1.0)}, {"mean": (1e8,), "std": (1e8,)}, {"standardise": "fold"}]
)
def test_constants_that_bring_it_near_0_are_accepted_and_so_is_learning_them(facts: dict[str, object]) -> None:
    shift = np.array([0.0, 1e8]).reshape(1, 2, 1, 1) if facts.get("mean") != (1e8,) else 0.0
    items = ITEMS + shift if facts.get("mean") != (1e8,) else 1e8 * (1 + ITEMS)
    assert told(items, **facts) == ""


def test_constants_that_do_not_are_refused() -> None:
    assert "items of channel 0 lie between" in told(1e8 + ITEMS, mean=(1e8 + 1e9,), std=(1.0,))


def test_float64_that_overflows_float32_is_refused() -> None:
    assert "items of channel 0 lie between" in told(1e200 * ITEMS)
    assert told(1e200 * ITEMS, mean=(0.0,), std=(1e200,)) == ""


def test_one_value_everywhere_is_no_loss() -> None:
    assert told(np.full((6, 2, 1, 3), 1e8)) == ""


def test_whole_numbers_that_float32_does_not_hold_are_refused() -> None:
    assert told(tall(-(2**24), 2**24)) == ""
    assert told(tall(0, 2**24 + 1)) == (
        "items are int64 from 0 to 16777217, which float32 does not hold exactly; accepts up to 16,777,216, floating "
        "point with mean and std, or kind: tokens"
    )
    assert "from -16777217 to 0" in told(tall(-(2**24) - 1, 0))
    assert "from -9223372036854775808 to 0" in told(tall(0, 0) + np.where(np.arange(3) == 1, np.iinfo("int64").min, 0))


def test_ids_of_any_size_are_tokens() -> None:
    assert told(tall(0, 2**40), kind="tokens") == ""
    assert told(tall(-1, 5), kind="tokens") == "items are tokens from -1 on; accepts 0 and up"
    assert told(ITEMS, kind="tokens") == "items are float64, and tokens; accepts whole numbers as tokens"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("standardise", ["constants", "fold"])
def test_items_that_are_no_numbers_are_refused(wrong: float, dtype: str, standardise: str) -> None:
    items = ITEMS.astype(dtype)
    items[5, 1, 0, 2] = wrong
    assert told(items, standardise=standardise) == (
        "items hold NaN or infinite values; leave such items out, or fill them"
    )


def test_a_nan_beyond_the_first_chunk_is_found() -> None:
    items = np.zeros((9000, 1, 1, 1), np.float32)
    items[8999] = np.nan
    assert "items hold NaN" in told(items, labels=np.zeros(9000, np.int64))


def test_items_that_no_model_takes_are_refused() -> None:
    for dtype in ("bool", "complex64", "object", "U1"):
        assert "accepts whole numbers or floating point" in told(np.zeros((6, 2, 1, 3)).astype(dtype))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(6), "values have shape (6,); accepts [n, k] for the 6 items"),
        (np.zeros((5, 1)), "values have shape (5, 1); accepts [n, k] for the 6 items"),
        (np.zeros((6, 1, 1)), "values have shape (6, 1, 1); accepts [n, k] for the 6 items"),
        (np.zeros((6, 1), np.int64), "values are int64; accepts float32 or float64"),
        (np.full((6, 1), np.nan), "values hold NaN or infinite ones; leave such items out"),
        (np.full((6, 1), -np.inf, np.float32), "values hold NaN or infinite ones; leave such items out"),
    ],
)
def test_wrong_values_are_refused(values: NDArray, words: str) -> None:
    assert told(labels=None, classes=(), values=values) == words
    assert told(values=values) == words  # beside labels, too


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"labels": None}, "has neither labels nor values; accepts labels (with classes) or values [n, k]"),
        ({"labels": np.arange(5)}, "labels have shape (5,); accepts one of each of the 6 items"),
        ({"labels": np.arange(6)}, "labels are 0 to 5; accepts 0 to 1, one of the 2 classes"),
        ({"labels": np.arange(6) % 2 - 1}, "labels are -1 to 0; accepts 0 to 1, one of the 2 classes"),
        ({"labels": (np.arange(6) % 2).astype(float)}, "labels are float64; accepts whole numbers"),
        ({"mean": (0.0,) * 3}, "mean and std have 3 and 1 numbers; accepts 2"),
        ({"std": (1.0,) * 3}, "mean and std have 1 and 3 numbers; accepts 2"),
        (
            {"mean": (1.0,), "standardise": "fold"},
            "gives mean and std, and standardise: fold, which learns them; accepts one of the two",
        ),
        ({"groups": {"who": np.arange(3)}}, "group 'who' has shape (3,); accepts one of each of the 6 items"),
        ({"fixed_heldout": np.ones(7, bool)}, "fixed_heldout has shape (7,); accepts one of each of the 6 items"),
    ],
)
def test_whatever_does_not_fit_the_items_is_refused(facts: dict[str, object], words: str) -> None:
    assert told(**facts) == words


def test_flat_items_are_refused_before_their_numbers_are_looked_at() -> None:
    assert told(np.full((6, 3), np.nan)) == "items have shape (6, 3); accepts [n, channels, height, width]"


def test_what_is_no_data_set_is_refused() -> None:
    assert validate_dataset({"items": []}) == ["load gives dict; accepts a trainer.datasets.reader.Dataset"]
