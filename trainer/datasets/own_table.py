"""Anybody's own table, by the names of its columns: CSV or Parquet, with classes or quantities as the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import copies, own_columns
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, need_root
from trainer.datasets.image_choice import OFFICIAL_TEST, PART, SMALLER, select_images
from trainer.datasets.options import Chosen, Option, describe, nearest
from trainer.datasets.reader import About, Kind, Standardise
from trainer.datasets.table_file import Columns, Table, opened
from trainer.errors import DataError

_OPTIONS = {
    "path": Option(default="", meaning="the file, below the data root or absolute", converts=True),
    "test_path": Option(
        default="", meaning="another file of the same columns, as the fixed held-out part", converts=True
    ),
    "target": Option(default="", meaning="the column that holds the class", names=True, converts=True),
    "values": Option(
        default="", meaning="instead of a target: columns of quantities to predict", names=True, converts=True
    ),
    "features": Option(
        default="", meaning="columns that the model sees; all others where none is named", names=True, converts=True
    ),
    "categories": Option(
        default="",
        meaning="of those, columns of texts: each of their texts becomes a column of 0 and 1",
        names=True,
        converts=True,
    ),
    "drop": Option(default="", meaning="columns to leave out", names=True, converts=True),
    "group": Option(
        default="",
        meaning="columns whose rows of one value belong together, as patient; for folds: {group: patient}",
        names=True,
        converts=True,
    ),
    "heldout": Option(
        default="",
        meaning="a column that says of each row whether it is of the fixed held-out part: 1, true, yes or test are, 0, "
        "false, no, train and val are not",
        names=True,
        converts=True,
    ),
    "header": Option(
        default=True,
        meaning="whether the first line names the columns; without, they are called 0, 1 and so on, the last also -1",
        converts=True,
    ),
    "missing": Option(
        default="refuse",
        meaning="what to do with rows that lack a value in a column that is used",
        accepts=("refuse", "drop_rows"),
        converts=True,
    ),
    "part": replace(PART, default="all"),
    "duplicates": copies.OPTION,
    **SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class _Roles:
    """What each column that is used is for."""

    target: str
    values: tuple[str, ...]
    features: tuple[str, ...]
    """Numbers."""
    categories: tuple[str, ...]
    groups: tuple[str, ...]
    heldout: str

    @property
    def numbers(self) -> tuple[str, ...]:
        return (*self.features, *self.values)

    @property
    def texts(self) -> tuple[str, ...]:
        named = (*self.categories, *self.groups, self.target, self.heldout)
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, kw_only=True)
class OwnTable(FileReader):
    """Items [n, 1, 1, features]; each fold standardises the features by its own training part."""

    name: str
    about: About
    declared: Mapping[str, Option]
    version: ClassVar[int] = 1

    def find(self, root: Path, chosen: Chosen) -> Files:
        paths = [need_root(self.name, root) / chosen.text(key) for key in ("path", "test_path") if chosen.text(key)]
        if not chosen.text("path"):
            raise self._wrong("needs the option path, as data: {name: table, path: my.csv, target: label}")
        for path in paths:
            if not path.is_file():
                there = sorted(found.name for found in path.parent.iterdir()) if path.parent.is_dir() else []
                raise self._wrong(f"{path} is not there; {nearest(path.name, there) if there else 'nor is its folder'}")
        return Files(folder=paths[0].parent, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        try:
            return self._content(files, chosen, store)
        except DataError as error:
            raise self._wrong(str(error)) from error

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0,), (1.0,)

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        return "table", "fold"

    def select(self, content: Content, chosen: Chosen) -> Selection:
        own_columns.check_selection(self.name, content, chosen)
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))

    def _wrong(self, problem: str) -> DataError:
        return DataError(f"data set {self.name}: {problem}")

    def _content(self, files: Files, chosen: Chosen, store: Store) -> Content:
        tables = [opened(path, header=chosen.flag("header")) for path in files.watched]
        roles = _roles(files.watched[0], tables[0].names, chosen)
        read = [_read(path, table, roles, chosen) for path, table in zip(files.watched, tables, strict=True)]
        parts = [part for part, _ in read]
        numbers = np.concatenate([part.numbers for part in parts])
        texts = {name: np.concatenate([part.texts[name] for part in parts]) for name in roles.texts}
        if not chosen.text("features"):
            own_columns.refuse_counters(files.watched[0], roles.features, [part.numbers for part in parts])
        wide = [numbers[:, : len(roles.features)]]
        wide += [own_columns.one_hot(files.watched[0], name, texts[name]) for name in roles.categories]
        features = own_columns.narrow(np.concatenate(wide, axis=1))
        items = store.array("items", (len(features), 1, 1, features.shape[1]), features.dtype)
        items[:, 0, 0] = features
        marks = {copies.MARK: copies.first_of_each(items)}
        heldout = np.repeat(np.arange(len(parts)) > 0, [len(part.numbers) for part in parts]).astype(np.int64)
        if roles.heldout:
            heldout = own_columns.yes_or_no(files.watched[0], roles.heldout, texts[roles.heldout])
        if heldout.any():
            marks[OFFICIAL_TEST] = heldout
        labels: NDArray[np.int64] = np.zeros(len(features), np.int64)
        classes: tuple[str, ...] = ()
        if roles.target:
            labels, classes = own_columns.classes_of(files.watched[0], roles.target, texts[roles.target])
            own_columns.refuse_untaught(files.watched[0], classes, labels, heldout)
        return Content(
            items=items,
            labels=labels,
            classes=classes,
            values=own_columns.narrow(numbers[:, len(roles.features) :]) if roles.values else None,
            groups={name: np.unique(texts[name], return_inverse=True)[1].astype(np.int64) for name in roles.groups},
            marks=marks,
            remarks=(
                f"features: {', '.join((*roles.features, *roles.categories))}",
                *(remark for _, remark in read if remark),
                *copies.remarks(marks[copies.MARK], lambda place: f"row {place + 1}"),
            ),
        )


def _roles(path: Path, columns: Sequence[str], chosen: Chosen) -> _Roles:
    """Raises :class:`DataError` for a name that is no column, for one with two roles, and where no target is named."""
    asked = {
        key: tuple(dict.fromkeys(_column(path, name, columns, chosen) for name in chosen.names(key)))
        for key in ("target", "values", "features", "categories", "drop", "group", "heldout")
    }
    for key in ("target", "heldout"):
        if len(asked[key]) > 1:
            raise DataError(f"option {key} names {len(asked[key])} columns; accepts one")
    if bool(asked["target"]) == bool(asked["values"]):
        which = "names both" if asked["target"] else "has neither"
        raise DataError(
            f"the study {which} target and values; accepts target (the column that holds the class) or values "
            f"(columns of quantities). The columns of {path}: {nearest('', columns)}"
        )
    if chosen.text("test_path") and asked["heldout"]:
        raise DataError("the study has both test_path and heldout; accepts one fixed held-out part")
    role: dict[str, str] = {}
    for key in ("target", "values", "drop", "heldout", "categories", "features"):
        for name in asked[key]:
            known = role.setdefault(name, key)
            if known != key and (known, key) != ("categories", "features"):
                raise DataError(f"column {name!r} is named both as {known} and as {key}; accepts one")
    aside = {*asked["target"], *asked["values"], *asked["drop"], *asked["heldout"], *asked["group"]}
    features = asked["features"] or tuple(name for name in columns if name not in aside)
    numbers = tuple(name for name in features if name not in asked["categories"])
    if not features and not asked["categories"]:
        raise DataError(f"{path}: no column is left as a feature of {', '.join(columns)}")
    if unnamed := [name for name in numbers if name.startswith("column ") and not asked["features"]]:
        raise DataError(
            f"{path}: {unnamed[0]} has no name (an index, as pandas writes it?); leave it out with drop: {unnamed[0]}, "
            "or name the features"
        )
    return _Roles(
        target="".join(asked["target"]),
        values=asked["values"],
        features=numbers,
        categories=asked["categories"],
        groups=asked["group"],
        heldout="".join(asked["heldout"]),
    )


def _column(path: Path, name: str, columns: Sequence[str], chosen: Chosen) -> str:
    if not chosen.flag("header") and name == "-1":
        return columns[-1]
    if name not in columns:
        raise DataError(f"{path} has no column {name!r}; {nearest(name, columns)}")
    return name


def _read(path: Path, table: Table, roles: _Roles, chosen: Chosen) -> tuple[Columns, str]:
    """The columns of a file, and what was left out of them."""
    for name in (*roles.numbers, *roles.texts):
        if name not in table.names:
            raise DataError(f"{path} has no column {name!r}, which the other file has; {nearest(name, table.names)}")
    found = table.read(roles.numbers, roles.texts)
    own_columns.refuse_texts(path, found)
    return own_columns.without_gaps(path, found, roles.numbers, drop=chosen.text("missing") == "drop_rows")


table = OwnTable(
    name="table",
    about=About(
        title="Your own table: CSV or Parquet, by the names of its columns",
        licence="that of your table",
        citation="that of your table",
        source="where your table comes from",
        needs="a file below the data root, with the option path; the options say which column is what",
        options=describe(_OPTIONS),
        groups=("the columns that the option group names", copies.GROUP),
        fixed=True,
    ),
    declared=_OPTIONS,
)
