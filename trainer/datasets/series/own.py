"""Anybody's own time series: a table with a column of times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.options import Chosen, Option, describe, nearest
from trainer.datasets.reader import About
from trainer.datasets.series import table
from trainer.datasets.series.reader import SeriesReader
from trainer.datasets.series.windows import SHAPE, History, told_time
from trainer.datasets.table_file import opened
from trainer.errors import DataError

_OPTIONS = {
    "path": Option(default="", meaning="the file, below the data root or absolute"),
    "time": Option(default="", meaning=f"the column of times: {table.ACCEPTED}", names=True),
    "target": Option(default="", meaning="the column that is predicted", names=True),
    "features": Option(
        default="", meaning="columns that a window shows beside the target; all others where none is named", names=True
    ),
    "drop": Option(default="", meaning="columns to leave out", names=True),
    "group": Option(
        default="",
        meaning="a column that tells several series apart, as ticker; for folds: {group: ticker}",
        names=True,
    ),
    "heldout_from": Option(
        default="", meaning="a time: values from then on are the fixed held-out part; none: there is none", names=True
    ),
    "missing": Option(
        default="refuse",
        meaning="what to do where a value is missing: leave out the windows that need it, or refuse",
        accepts=("refuse", "drop_windows"),
    ),
    **SHAPE,
}


@dataclass(frozen=True, kw_only=True)
class _Roles:
    """What each column is for."""

    time: str
    target: str
    group: str
    shown: tuple[str, ...]
    """Columns of a window, the target among them, in the order of the file."""


class OwnSeries(SeriesReader):
    name = "series"
    about = About(
        title="Your own time series: CSV or Parquet, with a column of times",
        licence="that of your table",
        citation="that of your table",
        source="where your table comes from",
        needs="a file below the data root, with the options path, time and target",
        options=describe(_OPTIONS),
        groups=("the column that the option group names",),
        fixed=True,
    )
    declared = _OPTIONS

    def find(self, root: Path, chosen: Chosen) -> Path:
        path = root / chosen.text("path")
        if not chosen.text("path"):
            raise DataError(
                f"data set {self.name}: needs the option path, as data: {{name: series, path: my.csv, time: date, "
                "target: price}"
            )
        if not path.is_file():
            there = sorted(found.name for found in path.parent.iterdir()) if path.parent.is_dir() else []
            hint = nearest(path.name, there) if there else "nor is its folder"
            raise DataError(f"data set {self.name}: {path} is not there; {hint}")
        return path

    def history(self, path: Path, chosen: Chosen) -> History:
        roles = _roles(path, opened(path, header=True).names, chosen)
        found = table.read(path, roles.shown, tuple(filter(None, (roles.time, roles.group))))
        times = table.times(path, roles.time, found.texts[roles.time])
        names, series = np.array([path.name]), np.zeros(len(times), np.int64)
        if roles.group:
            names, series = np.unique(found.texts[roles.group], return_inverse=True)
        gaps = _gaps(path, roles, found.numbers, drop=chosen.text("missing") == "drop_windows")
        return History(
            times=times,
            rows=found.numbers,
            columns=roles.shown,
            target=roles.target,
            series=series.astype(np.int64),
            names=tuple(names.tolist()),
            group=roles.group,
            heldout_from=_heldout_from(path, chosen, times),
            note=path.name,
            remarks=(*gaps, *_uneven(times, series)),
        )


def _roles(path: Path, columns: tuple[str, ...], chosen: Chosen) -> _Roles:
    asked = {key: chosen.names(key) for key in ("time", "target", "group", "features", "drop")}
    for key in ("time", "target"):
        if not asked[key]:
            raise DataError(f"needs the option {key}, the name of a column. {path}: {nearest('', columns)}")
    for key in ("time", "target", "group"):
        if len(asked[key]) > 1:
            raise DataError(f"option {key} names {len(asked[key])} columns; accepts one")
    role: dict[str, str] = {}
    for key, named in asked.items():
        for name in named:
            if name not in columns:
                raise DataError(f"{path} has no column {name!r} (option {key}); {nearest(name, columns)}")
            known = role.setdefault(name, key)
            if known != key and (known, key) != ("target", "features"):
                raise DataError(f"column {name!r} is named both as {known} and as {key}; accepts one")
    aside = {*asked["time"], *asked["group"], *asked["drop"]}
    features = set(asked["features"] or (name for name in columns if name not in aside)) | set(asked["target"])
    return _Roles(
        time="".join(asked["time"]),
        target="".join(asked["target"]),
        group="".join(asked["group"]),
        shown=tuple(name for name in columns if name in features),
    )


def _gaps(path: Path, roles: _Roles, rows: NDArray[np.float64], *, drop: bool) -> tuple[str, ...]:
    lacking = ~np.isfinite(rows)
    if not lacking.any():
        return ()
    row, column = np.argwhere(lacking)[0]
    told = f"{int(lacking.any(axis=1).sum())} of {len(rows)} rows lack a value or have an infinite one"
    if not drop:
        raise DataError(
            f"{path}: {told}, the first in row {row + 1} below the names, column {roles.shown[column]!r}; use missing: "
            "drop_windows, drop the column, or fill it"
        )
    return (f"{told}: windows that need them are left out",)


def _heldout_from(path: Path, chosen: Chosen, times: NDArray[np.float64]) -> float | None:
    if not (text := chosen.text("heldout_from")):
        return None
    if (found := table.seconds_or_number(text)) is None:
        raise DataError(f"option heldout_from is {text!r}; accepts {table.ACCEPTED}, as the times of {path}")
    if not times.min() < found <= times.max():
        raise DataError(
            f"option heldout_from is {text!r}, which is not within the times of {path}; they go from "
            f"{told_time(float(times.min()))} to {told_time(float(times.max()))}"
        )
    return found


def _uneven(times: NDArray[np.float64], series: NDArray[np.int64]) -> tuple[str, ...]:
    """Said where steps are of different lengths: a window then counts steps, not time."""
    by_time = np.lexsort((times, series))
    gaps = np.diff(times[by_time])[np.diff(series[by_time]) == 0]
    lengths, counts = np.unique(gaps, return_counts=True)
    if len(lengths) < 2:
        return ()
    usual, share = lengths[counts.argmax()], counts.max() / counts.sum()
    return (
        f"the rows are not evenly spaced: {share:.0%} of the steps are {usual:g} long, the others from {lengths[0]:g} "
        f"to {lengths[-1]:g} (seconds, where times are dates); a window counts rows, not time",
    )


series = OwnSeries()
