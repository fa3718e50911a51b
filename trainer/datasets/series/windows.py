"""Windows cut from the histories of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import own_columns
from trainer.datasets.content import content_digest
from trainer.datasets.options import Chosen, Option
from trainer.datasets.reader import Dataset, Windows
from trainer.errors import DataError

SHAPE: Mapping[str, Option] = {
    "window": Option(default=48, meaning="steps that an item shows", least=1),
    "horizon": Option(default=1, meaning="steps from the last one shown to the one that is predicted", least=1),
    "stride": Option(default=1, meaning="steps from the start of a window to that of the next", least=1),
    "scale": Option(
        default="raw",
        meaning="all columns as they are, or their natural logarithms, whose differences are relative changes",
        accepts=("raw", "log"),
    ),
    "relative": Option(
        default=False,
        meaning="whether a window shows each column as its difference from the last step, so that levels that wander "
        "off look alike",
    ),
}
"""Options that every reader of series has."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What a file holds, in any order of rows."""

    times: NDArray[np.float64]
    """[rows], seconds or whatever numbers the file counts time in."""
    rows: NDArray[np.float64]
    """[rows, columns]; NaN where a value is missing."""
    columns: tuple[str, ...]
    target: str
    """One of the columns."""
    series: NDArray[np.int64]
    """[rows], 0..len(names)-1."""
    names: tuple[str, ...]
    """Of the series."""
    group: str = ""
    """What the series are, as "ticker"; "" where there is but one."""
    heldout_from: float | None = None
    """Values at that time and later are the data set's own held-out part."""
    note: str = ""
    remarks: tuple[str, ...] = ()


def dataset(name: str, history: History, chosen: Chosen) -> Dataset:
    """Items [n, 1, window, columns] with values [n, 1], by series and time. A step is one of the times that any of the
    series has; a window lies within one series and leaves out no step, and none that lacks a value. Raises
    :class:`DataError`."""
    window, horizon, stride = (chosen.number(key) for key in ("window", "horizon", "stride"))
    distinct, step = np.unique(history.times, return_inverse=True)
    by_time = np.lexsort((step, history.series))
    step, series = step[by_time].astype(np.int64), history.series[by_time]
    rows = _scaled(name, history, chosen.text("scale"))[by_time]
    column, span = history.columns.index(history.target), window + horizon
    starts = _starts(name, history, step, series, rows, span=span, column=column, window=window)
    starts = starts[step[starts] % stride == 0]
    ends, ahead = starts + window - 1, starts + span - 1
    items = own_columns.narrow(rows)[starts[:, None] + np.arange(window)]
    if chosen.flag("relative"):
        items -= items[:, -1:].copy()
    items, values, known = items[:, None], rows[ahead, column][:, None], rows[ends, column][:, None]
    heldout = None if history.heldout_from is None else distinct[step[ahead]] >= history.heldout_from
    if heldout is not None and (not heldout.any() or heldout.all()):
        raise DataError(
            f"data set {name}: {'all' if heldout.all() else 'none'} of its {len(items)} windows are of the held-out "
            "part; accepts a time within the series, with windows on both sides"
        )
    groups = {history.group: series[starts]} if history.group else {}
    windows = Windows(first=step[starts], ahead=step[ahead], known=known, series=series[starts], column=column)
    note = ", ".join(filter(None, (history.note, f"{window} steps to {history.target} {horizon} ahead")))
    told = {**groups, "order": step[ends], "ahead": windows.ahead}
    return Dataset(
        name=f"{name} ({note})",
        items=items,
        values=values,
        kind="sequence",
        groups=groups,
        fixed_heldout=heldout,
        order=step[ends],
        windows=windows,
        standardise="fold",
        remarks=history.remarks,
        digest=content_digest(items, series[starts], (), told, np.concatenate([values, known], axis=1)),
    )


def _scaled(name: str, history: History, scale: str) -> NDArray[np.float64]:
    if scale == "raw":
        return history.rows
    for column, values in zip(history.columns, history.rows.T, strict=True):
        if len(low := values[values <= 0]):
            raise DataError(
                f"data set {name}: column {column!r} has {len(low)} values of 0 or less (as {low[0]:g}), which have no "
                "logarithm; use scale: raw, or leave the column out"
            )
    found: NDArray[np.float64] = np.log(history.rows)
    return found


def _starts(
    name: str,
    history: History,
    step: NDArray[np.int64],
    series: NDArray[np.int64],
    rows: NDArray[np.float64],
    *,
    span: int,
    column: int,
    window: int,
) -> NDArray[np.int64]:
    """Positions of the first rows of all windows, ascending. What lies between a window and the step that is predicted
    may lack values, but no step."""
    twice = np.flatnonzero((np.diff(step) == 0) & (np.diff(series) == 0))
    if len(twice):
        time, which = np.unique(history.times)[step[twice[0]]], history.names[series[twice[0]]]
        of = f" of {history.group} {which!r}" if history.group else ""
        raise DataError(
            f"data set {name}: {len(twice) + 1} rows{of} have a time that another row has, the first at "
            f"{told_time(time)}; a series has one row a time: name the column that tells series apart as group, or "
            "drop the rows"
        )
    count = max(0, len(step) - span + 1)
    firsts = np.arange(count)
    whole = (series[firsts] == series[firsts + span - 1]) & (step[firsts + span - 1] - step[firsts] == span - 1)
    lacking = np.concatenate([[0], np.cumsum(~np.isfinite(rows).all(axis=1))])
    shown = lacking[firsts + window] == lacking[firsts]
    good = whole & shown & np.isfinite(rows[firsts + span - 1, column])
    if not good.any():
        longest = max(np.bincount(series))
        raise DataError(
            f"data set {name}: no window of {window} steps with a value {span - window} later; the longest of its "
            f"{len(history.names)} series has {longest} rows (rows that follow one another without a gap are needed); "
            "use a smaller window or horizon"
        )
    return np.flatnonzero(good)


def told_time(time: float) -> str:
    """Seconds since 1970 as a date, where they can be meant so; else the number."""
    if abs(time) < 1e8:
        return f"{time:g}"
    return str(np.datetime64(int(time), "s")).replace("T", " ").removesuffix(" 00:00:00")
