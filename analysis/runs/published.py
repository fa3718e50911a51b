"""Tables from a publication, typed as CSV, in the frames of a study: for showing, never for claiming.

Two layouts are known, by their columns. Scores: ``dataset, split, metric, row, activation, value`` (``table`` may
come with them); each row is taken as a fold, since that is what is said of it. Epoch times: ``dataset, activation,
seconds``. Every row is of status ``imported`` and not verifiable.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import SourceError
from analysis.runs.frames import REFERENCE
from analysis.runs.granularity import inferred
from analysis.runs.plan import Declaration, Plan, unstated, unstated_metrics
from analysis.runs.schema import Status

SCORES = ("dataset", "split", "metric", "row", "activation", "value")
SECONDS = ("dataset", "activation", "seconds")
METRIC_NAMES = {"auc_ovr": "auc", "auc": "auc", "accuracy": "accuracy", "loss": "loss"}
METRIC_NAMES |= {"f1_weighted": "f1_weighted", "f1_macro": "f1_macro"}
PART_NAMES = {"train": "train", "val": "validation", "validation": "validation"}
PART_NAMES |= {"test": "heldout", "heldout": "heldout"}
CHANCE = {"mini-imagenet": (0.01, 100.0), "cifar100": (0.01, 100.0), "mit-bih": (72_471 / 87_554, 5.0)}
"""Share of the commonest class and number of classes of the data sets that publications share."""


@dataclass(frozen=True, kw_only=True)
class Published:
    cube: pd.DataFrame
    """One row a (data set, activation, row), as a fold of status ``imported``. Where no separate test part was
    published, the held-out columns repeat the validation ones, and the integrity checks say so. ``n_heldout`` and
    ``n_train`` are inferred from the digits of the accuracies."""
    seconds: pd.DataFrame
    """Mean epoch times as published: dataset, activation, seconds, source, verifiable (always false)."""
    digest: str
    """SHA-256 of the files read, 16 digits."""
    files: tuple[str, ...] = ()
    """Their names."""


def read(*paths: str | Path) -> Published:
    """The tables of CSV files. Raises :class:`SourceError` for a file of neither layout or with an unknown name."""
    scores: list[pd.DataFrame] = []
    seconds: list[pd.DataFrame] = []
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            digest.update(path.read_bytes())
            frame = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise SourceError(f"{path}: cannot be read as CSV ({error})") from error
        if set(SCORES) <= set(frame.columns):
            scores.append(_long(frame, path))
        elif set(SECONDS) <= set(frame.columns):
            seconds.append(frame[list(SECONDS)].assign(source=path.name, verifiable=False))
        else:
            raise SourceError(
                f"{path}: columns {', '.join(map(str, frame.columns))}; "
                f"accepts {', '.join(SCORES)} or {', '.join(SECONDS)}"
            )
    times = pd.concat(seconds, ignore_index=True) if seconds else pd.DataFrame(columns=pd.Index([*SECONDS, "source"]))
    names = tuple(Path(path).name for path in paths)
    return Published(cube=_cube(scores), seconds=times, digest=digest.hexdigest()[:16], files=names)


def part_of(rows: pd.DataFrame, metric: str) -> str:
    """The part that the scores of some rows are of: ``validation`` for imported ones without a held-out part, whose
    validation scores stand in for it."""
    held, other = f"heldout/{metric}", f"validation/{metric}"
    if rows.empty or not {held, other} <= set(rows.columns) or not (rows["status"] == Status.IMPORTED).all():
        return "held-out"
    return "validation" if (rows[held] == rows[other]).all() else "held-out"


def parts_of(rows: pd.DataFrame, metric: str) -> str:
    """:func:`part_of` over all data sets of the rows."""
    return " or ".join(dict.fromkeys(part_of(of_set, metric) for _, of_set in rows.groupby("dataset", sort=False)))


def _long(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    for column, known in (("split", PART_NAMES), ("metric", METRIC_NAMES)):
        strange = sorted(set(frame[column].astype(str)) - set(known))
        if strange:
            raise SourceError(f"{path}: {column} {', '.join(strange)}; accepts {', '.join(sorted(known))}")
    values = pd.to_numeric(frame["value"], errors="coerce")
    if values.isna().any():
        line = int(values.isna().to_numpy().argmax()) + 2
        raise SourceError(f"{path}: line {line}: value {frame['value'].iloc[line - 2]!r}; accepts a number")
    keys = ["dataset", "split", "metric", "row", "activation"]
    if frame.duplicated(keys).any():
        line = int(frame.duplicated(keys).to_numpy().argmax()) + 2
        raise SourceError(f"{path}: line {line}: a second value for the same {', '.join(keys)}")
    name = frame["split"].map(PART_NAMES) + "/" + frame["metric"].map(METRIC_NAMES)
    return frame.assign(name=name, value=values, source=path.name)


def _cube(scores: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not scores:
        return pd.DataFrame()
    long = pd.concat(scores, ignore_index=True)
    order = list(dict.fromkeys(zip(long["dataset"], long["activation"], long["row"], strict=True)))
    wide = long.pivot(index=["dataset", "activation", "row"], columns="name", values="value").reindex(order)
    wide.columns.name = None
    cube = wide.reset_index()
    for name in [str(name) for name in wide.columns if str(name).startswith("validation/")]:
        held = name.replace("validation/", "heldout/")
        if held not in cube:
            cube[held] = cube[name]
    cube = cube.rename(columns={"row": "fold"})
    cube["fold"] = cube["fold"].astype(int) - 1
    given: list[tuple[str, str | int | bool]] = [
        *(("phase", "confirm"), ("repeat", 0), ("seed", 0), ("config_digest", ""), ("status", Status.IMPORTED.value)),
        *(("reason", "typed from a publication"), ("rule", "not stated"), ("epochs", -1), ("best_epoch", -1)),
        *(("device", ""), ("device_name", ""), ("host", ""), ("pack_size", 1), ("verifiable", False)),
    ]
    for column, value in given:
        cube[column] = value
    cube = cube.assign(
        study="published " + cube["dataset"],
        trial=cube["activation"] + "-published",
        split_hash=[f"published {name} {fold}" for name, fold in zip(cube["dataset"], cube["fold"], strict=True)],
        run_id=[
            f"published/{name}/{label}/{fold + 1}"
            for name, label, fold in zip(cube["dataset"], cube["activation"], cube["fold"], strict=True)
        ],
        n_validation=math.nan,
    )
    known = [knowing_nothing(*CHANCE.get(str(name), (math.nan, math.nan))) for name in cube["dataset"]]
    for metric in known[0]:
        cube[REFERENCE + metric] = [scores[metric] for scores in known]
    for column, part in (("n_heldout", "heldout"), ("n_train", "train")):
        cube[column] = cube["dataset"].map(_sizes(cube, part)).astype(float)
    return cube


def _sizes(cube: pd.DataFrame, part: str) -> dict[str, float]:
    """Items of a part of each data set, by the digits of its accuracies; nan where these do not tell."""
    column = f"{part}/accuracy"
    if column not in cube:
        return {}
    scores = cube.groupby("dataset", sort=False)[column]
    return {str(name): float(inferred(of_set.to_numpy(dtype=float)) or math.nan) for name, of_set in scores}


def knowing_nothing(share: float, classes: float) -> dict[str, float]:
    """By metric, what a model scores that always names the commonest class, whose share of the items is ``share``;
    the loss is of the uniform guess over ``classes``. nan where those are unknown."""
    return {
        "accuracy": share,
        "f1_weighted": share * 2 * share / (1 + share),
        "f1_macro": 2 * share / (1 + share) / classes,
        "auc": 0.5,
        "loss": math.log(classes),
    }


def plans(published: Published, *, control: str | None = None) -> list[Plan]:
    """A plan for each data set of the tables, as if they had been declared; the declaration says that they were not.

    ``control`` defaults to ReLU where there is one, else the first activation.
    """
    found = []
    for dataset, of_set in published.cube.groupby("dataset", sort=False):
        labels = tuple(dict.fromkeys(map(str, of_set["activation"])))
        chosen = control or next((label for label in labels if label.lower() == "relu"), labels[0])
        found.append(
            Plan(
                study=f"published {dataset}",
                study_digest=published.digest,
                study_seed=0,
                dataset=str(dataset),
                model="as published",
                task=unstated()["task"],
                metrics=unstated_metrics(),
                activations=labels,
                claims_phase="confirm",
                repeats=(0,),
                folds=int(of_set["fold"].nunique()),
                declaration=Declaration(
                    question=f"What do the published tables say of {dataset}?",
                    metric="accuracy",
                    rule="not stated",
                    control=chosen,
                    declared_at="not declared",
                ),
            )
        )
    return found
