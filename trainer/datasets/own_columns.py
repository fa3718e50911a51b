"""Columns of people's own tables and arrays as features, classes and groups, or a message that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import Content
from trainer.datasets.image_tree import counted
from trainer.datasets.options import Chosen
from trainer.datasets.table_file import Columns
from trainer.errors import DataError

_EXACT = 1e-5
"""Part of a column's spread that rounding to float32 may move a value by."""
_MANY = 1000
_SURELY = 10
"""So many whole numbers in ascending order are not so by chance (one in 3.6 million)."""
_TOLD = 5
_YES = frozenset({"1", "1.0", "true", "yes", "test", "testing", "heldout", "held-out"})
_NO = frozenset({"0", "0.0", "false", "no", "train", "training", "val", "valid", "validation", "dev"})


def refuse_texts(path: Path, found: Columns) -> None:
    if found.no_numbers:
        shown = "; ".join(f"{name!r}: {what}" for name, what in list(found.no_numbers.items())[:_TOLD])
        names = ", ".join(found.no_numbers)
        comma = (
            " (a comma for a point? save it with points)"
            if any("," in what for what in found.no_numbers.values())
            else ""
        )
        raise DataError(
            f"{path}: {counted(len(found.no_numbers), 'column')} that should hold numbers do not: {shown}{comma}. Name "
            f"such columns as categories (a column of 0 and 1 for each text) or leave them out, as drop: {names}"
        )


def without_gaps(path: Path, found: Columns, numbers: Sequence[str], *, drop: bool) -> tuple[Columns, str]:
    """Rows that lack nothing, and a remark on those that are left out. Raises :class:`DataError` for gaps where rows
    may not be dropped, and for infinite values."""
    for place, name in enumerate(numbers):
        if np.isinf(found.numbers[:, place]).any():
            row = int(np.argmax(np.isinf(found.numbers[:, place])))
            raise DataError(f"{path}: column {name!r} is infinite in row {row + 1}; drop: {name}, or mend the table")
    gaps = {name: np.isnan(found.numbers[:, place]) for place, name in enumerate(numbers)}
    gaps |= {name: words == "" for name, words in found.texts.items()}
    gaps = {name: lacks for name, lacks in gaps.items() if lacks.any()}
    if not gaps:
        return found, ""
    whole = ~np.logical_or.reduce(list(gaps.values()))
    rows = len(whole)
    lost = rows - int(whole.sum())
    if not drop or lost == rows:
        shown = ", ".join(
            f"{name!r} in {lacks.sum()} (first in row {int(np.argmax(lacks)) + 1})"
            for name, lacks in sorted(gaps.items(), key=lambda pair: -int(pair[1].sum()))[:_TOLD]
        )
        most = max(gaps, key=lambda name: int(gaps[name].sum()))
        raise DataError(
            f"{path}: {lost} of {rows} rows lack a value: column {shown}; fill them in the table, leave a column out "
            f"as drop: {most}, or leave such rows out by missing: drop_rows"
        )
    left = Columns(
        numbers=found.numbers[whole],
        texts={name: words[whole] for name, words in found.texts.items()},
        no_numbers={},
    )
    return left, f"{counted(lost, 'row')} of {rows} left out of {path.name}: a value is missing in {', '.join(gaps)}"


def refuse_counters(path: Path, names: Sequence[str], parts: Sequence[NDArray[np.float64]]) -> None:
    """An index among the features gives the target away where a table is sorted. ``parts``: [n, columns] of each
    file."""
    for place, name in enumerate(names):
        columns = [part[:, place] for part in parts]
        if all(_counts(column) for column in columns):
            raise DataError(
                f"{path}: column {name!r} counts the rows (an index, or a time?), which gives the target away where "
                f"rows are sorted; leave it out by drop: {name}, or name the features to have it"
            )


def _counts(column: NDArray[np.float64]) -> bool:
    steps = np.diff(column)
    if len(column) < 3 or (column != np.rint(column)).any():
        return False
    return bool((steps == 1).all() or (len(column) >= _SURELY and (steps > 0).all()))


def one_hot(path: Path, name: str, words: NDArray[np.str_]) -> NDArray[np.float64]:
    """[n, texts], in the order of the texts."""
    texts, numbers = np.unique(words, return_inverse=True)
    if len(texts) > _MANY:
        raise DataError(f"{path}: column {name!r} has {len(texts)} different texts; accepts {_MANY} as categories")
    return np.eye(len(texts))[numbers]


def narrow(array: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """[n, columns] as float32, where that moves no value by more than 1e-5 of its column's spread; else as
    float64, which is standardised before it is rounded."""
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float32)
    spread = array.max(axis=0) - array.min(axis=0)
    with np.errstate(invalid="ignore"):
        moved = np.abs(array - rounded).max(axis=0)
    exact = (moved <= _EXACT * spread) | ((spread == 0) & np.isfinite(rounded).all(axis=0))
    return rounded if bool(exact.all()) else array.astype(np.float64)


def quantities(where: object, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """[n, k]."""
    shaped = array[:, None] if array.ndim == 1 else array
    if shaped.ndim != 2 or shaped.dtype.kind not in "iuf" or not np.isfinite(shaped).all():
        raise DataError(
            f"{where}: {name} is {array.dtype} {array.shape}; accepts finite numbers [n] or [n, k] as values"
        )
    return narrow(shaped.astype(np.float64))


def yes_or_no(path: Path, name: str, words: NDArray[np.str_]) -> NDArray[np.int64]:
    """[n], 1 for the held-out part."""
    small = np.char.lower(words)
    strange = sorted(set(small.tolist()) - _YES - _NO)
    if strange:
        raise DataError(
            f"{path}: {name!r} holds {strange[0]!r}, which does not say whether a row is held out; accepts "
            f"{', '.join(sorted(_YES))} and {', '.join(sorted(_NO))}"
        )
    held = np.isin(small, sorted(_YES)).astype(np.int64)
    if not held.any() or held.all():
        found = "all rows" if held.any() else "no row"
        raise DataError(f"{path}: {name!r} holds out {found}; accepts a part of them")
    return held


def classes_of(where: object, name: str, words: NDArray[np.str_]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(labels [n], classes): whole numbers in their order and without a point, other texts in theirs."""
    texts, numbers = np.unique(words, return_inverse=True)
    try:
        figures = texts.astype(np.float64)
    except ValueError:
        figures = np.zeros(0)
    whole = bool(len(figures)) and bool((figures == np.rint(figures)).all())
    if len(figures) and not whole:
        raise DataError(
            f"{where}: {name!r} holds {len(texts)} numbers as {texts[0]}, which are no classes; to predict a quantity "
            f"use values instead, with a task for it"
        )
    if len(texts) < 2 or len(texts) > max(2, len(words) // 2):
        raise DataError(
            f"{where}: {name!r} has {len(texts)} different values in {len(words)} rows; accepts two classes or more, "
            "and two rows of a class on average or more"
        )
    if not whole:
        return numbers.astype(np.int64), tuple(texts.tolist())
    order, labels = np.unique(figures, return_inverse=True)
    return labels[numbers].astype(np.int64), tuple(str(int(figure)) for figure in order)


def refuse_untaught(
    where: object, classes: Sequence[str], labels: NDArray[np.int64], heldout: NDArray[np.int64]
) -> None:
    taught = np.unique(labels[heldout == 0])
    untaught = [name for number, name in enumerate(classes) if number not in taught]
    if untaught:
        raise DataError(f"{where}: class {untaught[0]!r} is in the held-out part alone, so nothing can teach it")


def check_selection(name: str, content: Content, chosen: Chosen) -> None:
    """Raises :class:`DataError` for options that need classes or a held-out part where there is none."""
    if not content.classes and (chosen.number_or_none("classes") or chosen.number_or_none("per_class")):
        raise DataError(f"data set {name}: options classes and per_class need classes; its targets are quantities")
    if "official_test" not in content.marks and chosen.text("part") != "all":
        raise DataError(
            f"data set {name}: option part is {chosen.text('part')!r}, but no part is declared as held out; accepts all"
        )
