"""From runs as a store gives them to the tidy frames; pure.

``cube`` has one row per fold run and one per planned fold that has no run; ``curves`` one per run and epoch.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.errors import DuplicateRuns, SourceError
from analysis.runs import schema
from analysis.runs.plan import Plan
from analysis.runs.schema import Status
from analysis.runs.wording import counted

HISTORY_PREFIXES = ("train/", "train_clean/", "validation/", "seconds/", "memory/", "energy/", schema.LEARNING_RATE)
LOSSES = tuple(f"{part}/{schema.LOSS}" for part in ("train", "validation", "train_clean"))
LARGEST = 1.79e308  # what the SQL stores make of an infinity is 1.797e308

TEXT_TAGS = {
    "study": schema.STUDY,
    "dataset": schema.DATASET,
    "trial": schema.TRIAL,
    "activation": schema.ACTIVATION,
    "activation_name": schema.ACTIVATION_NAME,
    "phase": schema.PHASE,
    "split_hash": schema.SPLIT_HASH,
    "config_digest": schema.CONFIG_DIGEST,
    "digest": schema.DIGEST,
    "data_digest": schema.DATA_DIGEST,
    "status": schema.STATUS,
    "reason": schema.REASON,
    "rule": schema.RULE,
    "model": schema.MODEL,
    "device": schema.DEVICE,
    "device_name": schema.DEVICE_NAME,
    "host": schema.HOST,
    "code": schema.CODE,
    "commit": schema.COMMIT,
    "case": schema.CASE,
    "stages": schema.STAGES,
    "reused_from": schema.REUSED_FROM,
}
INTEGER_TAGS = {
    "repeat": schema.REPEAT,
    "fold": schema.FOLD,
    "seed": schema.STUDY_SEED,
    "epochs": schema.EPOCHS,
    "pack_size": schema.PACK_SIZE,
    "slots": schema.SLOTS,
    "threads": schema.THREADS,
    "timed_from": schema.TIMED_FROM,
}
SIZE_TAGS = {
    "n_train": schema.N_TRAIN,
    "n_validation": schema.N_VALIDATION,
    "n_heldout": schema.N_HELDOUT,
    "n_heldout_searched": schema.N_HELDOUT_SEARCHED,
}
REFERENCE, FLOOR, REMARK = schema.BESIDE  # reference/<metric>, floor/<metric>/<predictor>, remark/<metric>
LEARNED = ["run_id", "layer", "parameter", "value"]


@dataclass(frozen=True, kw_only=True)
class Run:
    run_id: str
    artifacts: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class History:
    """One metric over many runs: index into the asked run ids, epoch, milliseconds, value; in order of time."""

    run: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    milliseconds: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def unique(runs: Sequence[Run]) -> None:
    seen: dict[str, list[str]] = {}
    for run in runs:
        seen.setdefault(run.tags.get(schema.KEY, run.run_id), []).append(run.run_id)
    twice = {key: ids for key, ids in seen.items() if len(ids) > 1}
    if twice:
        lines = "; ".join(f"{key}: {', '.join(sorted(ids))}" for key, ids in sorted(twice.items())[:10])
        raise DuplicateRuns(
            f"{counted(len(twice), 'key')} with several runs ({lines}); delete all but one of each in the store"
        )


def of_this_version(runs: Sequence[Run]) -> None:
    """Raises :class:`SourceError` where runs were written by another version."""
    for run in runs:
        found = run.tags.get(schema.SCHEMA_TAG, "")
        if found != str(schema.SCHEMA):
            later = found.isdigit() and int(found) > schema.SCHEMA
            raise SourceError(
                f"{run.tags.get(schema.STUDY, '') or 'the study'}: runs were written by "
                + (
                    "a later version of actsweep; report with that version"
                    if later
                    else "an earlier version of actsweep; `actsweep sync DIR` writes them anew"
                )
            )


def to_cube(folds: Sequence[Run], plan: Plan, broken: Mapping[str, str], trials: Sequence[Run] = ()) -> pd.DataFrame:
    """One row per fold run, sorted; ``broken`` says where a run's loss was not finite, by run id. What a search chose
    is read from its ``trials``: columns selected, selected_value and selected_among, and earlier for a trial that
    confirms what it chose before it went on and chose another; the same on every fold of a trial."""
    rows = [to_row(run, plan, broken.get(run.run_id)) for run in folds]
    past = {run.tags.get(schema.TRIAL, "") for run in trials if run.tags.get(schema.EARLIER) == "true"}
    claims = [row for row in rows if row["phase"] == plan.claims_phase and row["trial"] not in past]
    held = {(row["activation"], row["repeat"], row["fold"]) for row in claims}
    begun = {label: {repeat for name, repeat, _ in held if name == label} for label in plan.activations}
    known = {row["activation"]: row["trial"] for row in claims}
    data = next((row["dataset"] for row in rows if row["dataset"]), plan.dataset)
    rows += [
        {
            **dict.fromkeys(TEXT_TAGS, ""),
            **dict.fromkeys(INTEGER_TAGS, -1),
            **{"study": plan.study, "dataset": data, "activation": label, "phase": plan.claims_phase},
            "trial": known.get(label, ""),
            **{"repeat": repeat, "fold": fold, "seed": plan.study_seed, "pack_size": 1, "best_epoch": -1},
            **{"status": Status.MISSING.value, "reason": "no run", "rule": plan.declaration.rule},
            **dict.fromkeys(SIZE_TAGS, math.nan),
            **{"run_id": "", "verifiable": True},
        }
        for label in plan.activations
        for repeat in due_repeats(plan, begun[label])
        for fold in range(plan.folds)
        if (label, repeat, fold) not in held
    ]
    cube = pd.DataFrame(rows)
    if len(cube):
        cube = with_choices(cube, trials).assign(scheme=plan.scheme, earlier=cube["trial"].isin(past))
    if cube.empty:
        raise SourceError(f"{plan.study}: no fold runs and none planned; start the study first")
    order = {label: position for position, label in enumerate(plan.activations)}
    cube["_order"] = cube["activation"].map(order).fillna(len(order))
    cube = cube.sort_values(["phase", "_order", "activation", "trial", "repeat", "fold", "run_id"], kind="stable")
    return cube.drop(columns="_order").reset_index(drop=True)


def due_repeats(plan: Plan, begun: Collection[int]) -> tuple[int, ...]:
    """Repeats of which an activation must have every fold: all of the plan's, or, where it is repeated until it is
    decided, the first ones and those that were ``begun``."""
    if plan.until_decided is None:
        return plan.repeats
    last = max((at + 1 for at, repeat in enumerate(plan.repeats) if repeat in begun), default=0)
    return plan.repeats[: max(last, plan.until_decided.looks[0])]


def with_choices(cube: pd.DataFrame, trials: Sequence[Run]) -> pd.DataFrame:
    """Which trial each search chose; where settings lost a race, ``dropped`` says why, "" of those that did not."""
    chosen = {run.tags.get(schema.TRIAL, ""): run.tags for run in trials if run.tags.get(schema.SELECTED) == "true"}
    of_trial = [chosen.get(str(trial), {}) for trial in cube["trial"]]
    lost = {run.tags.get(schema.TRIAL, ""): run.tags[schema.DROPPED] for run in trials if schema.DROPPED in run.tags}
    if lost:
        cube = cube.assign(dropped=[lost.get(str(trial), "") for trial in cube["trial"]])
    return cube.assign(
        selected=[str(trial) in chosen for trial in cube["trial"]],
        selected_value=[size(tags.get(schema.SELECTED_VALUE), "selected_value") for tags in of_trial],
        selected_among=[size(tags.get(schema.SELECTED_AMONG), "selected_among") for tags in of_trial],
    )


def to_row(run: Run, plan: Plan, broken: str | None) -> dict[str, Any]:
    tags = run.tags
    row: dict[str, Any] = {name: tags.get(tag, "") for name, tag in TEXT_TAGS.items()}
    row |= {name: integer(tags.get(tag), name) for name, tag in INTEGER_TAGS.items()}
    row["study"] = row["study"] or plan.study
    row["dataset"] = row["dataset"] or plan.dataset
    row["pack_size"] = max(row["pack_size"], 1)
    row["run_id"], row["verifiable"] = run.run_id, True
    row |= {name: size(tags.get(tag), name) for name, tag in SIZE_TAGS.items()}
    row |= {
        REFERENCE + tag.removeprefix(schema.REFERENCE_PREFIX): size(value, tag)
        for tag, value in sorted(tags.items())
        if tag.startswith(schema.REFERENCE_PREFIX)
    }
    row |= beside(tags)
    if not row["status"] or row["status"] == Status.RUNNING:
        row["status"], row["reason"] = Status.MISSING.value, row["reason"] or "has not ended"
    if broken is not None and row["status"] not in (Status.FAILED, Status.INFRA_FAILED):
        row["status"], row["reason"] = Status.DIVERGED.value, broken
    rule = row["rule"] = plan.declaration.rule or row["rule"]
    chosen = f"{schema.OUTCOME_PREFIX}{rule}/"
    metrics = outcomes(run)
    row["best_epoch"] = integer(str(metrics.get(f"{chosen}epoch", -1)), "epoch")
    for key in sorted(metrics):
        value = finite(metrics[key])
        if key.startswith(schema.OUTCOME_PREFIX):
            row[key] = value
            if key.startswith(chosen) and key != f"{chosen}epoch":
                row[key.removeprefix(chosen)] = value
        elif key.startswith("heldout/"):
            row.setdefault(key, value)
    row |= {
        key: number_or_text(value)
        for key, value in sorted(run.params.items())
        if key.startswith((schema.ACTIVATION_PARAM, schema.TRAINING_PARAM))
    }
    return row


def outcomes(run: Run) -> dict[str, float]:
    """A run's metrics by column; what it scored under its own rule stands under that rule's name, too."""
    found = {schema.column(key): value for key, value in run.metrics.items()}
    if (rule := run.tags.get(schema.RULE)) is None:
        return found
    own = f"{schema.OUTCOME_PREFIX}{rule}/"
    return {own + key: value for key, value in found.items() if key.startswith("heldout/")} | found


def beside(tags: Mapping[str, str]) -> dict[str, Any]:
    """What trivial predictors score, and remarks on the metrics, by column. A metric's name has no dot, a predictor's
    may; one that no tag can be named by stands behind its score."""
    row: dict[str, Any] = {}
    for tag, value in sorted(tags.items()):
        if tag.startswith(schema.FLOOR_PREFIX):
            metric, _, predictor = tag.removeprefix(schema.FLOOR_PREFIX).partition(".")
            number, _, words = value.partition(" ")
            row[f"{FLOOR}{metric}/{words or predictor}"] = size(number, tag)
        elif tag.startswith(schema.REMARK_PREFIX):
            row[REMARK + tag.removeprefix(schema.REMARK_PREFIX)] = value
    return row


def integer(text: str | None, name: str) -> int:
    if not text:
        return -1
    try:
        return int(float(text))
    except (ValueError, OverflowError) as error:
        raise SourceError(f"tag {name}: got {text!r}, accepts a whole number") from error


def size(text: str | None, name: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError as error:
        raise SourceError(f"tag {name}: got {text!r}, accepts a number") from error


def number_or_text(text: str) -> float | str | None:
    if text in ("None", "null", ""):
        return None
    try:
        return float(text)
    except ValueError:
        return text


def finite(value: float) -> float:
    """The value, with the infinities that the store rounded put back."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value


def to_learned(folds: Sequence[Run]) -> pd.DataFrame:
    rows = [
        (run.run_id, *key.removeprefix(schema.ACTIVATION_PREFIX).rsplit("/", 1), value)
        for run in folds
        for key, value in sorted((schema.column(name), value) for name, value in run.metrics.items())
        if key.startswith(schema.ACTIVATION_PREFIX) and key.count("/") >= 2
    ]
    return pd.DataFrame(rows, columns=LEARNED)


def environment(folds: Sequence[Run]) -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for run in folds:
        for tag, value in run.tags.items():
            if tag.startswith(schema.ENVIRONMENT_PREFIX):
                names.setdefault(tag.removeprefix(schema.ENVIRONMENT_PREFIX), set()).add(value)
    return {
        name: ", ".join(sorted(values)) if len(values) <= 3 else f"{len(values)} different"
        for name, values in sorted(names.items())
    }


def to_curves(folds: Sequence[Run], histories: Mapping[str, Sequence[History]]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The curves, and for each run whose loss was not finite where that was first so.

    ``histories`` gives by metric its parts; their ``run`` indexes ``folds``.
    """
    run_ids = [run.run_id for run in folds]
    broken: dict[int, tuple[int, str]] = {}
    for key in LOSSES:
        for part in histories.get(key, ()):
            for at in np.flatnonzero(~np.isfinite(part.value)):
                found = (int(part.step[at]), f"{key} is {part.value[at]} at epoch {part.step[at]}")
                broken[int(part.run[at])] = min(found, broken.get(int(part.run[at]), found))
    every = [part for parts in histories.values() for part in parts if len(part.step)]
    width = 1 + max((int(part.step.max()) for part in every), default=0)
    present = np.zeros(len(run_ids) * width, dtype=bool)
    for part in every:
        present[part.run * width + part.step] = True
    cells = np.flatnonzero(present)
    place = np.zeros(present.shape, dtype=np.int64)
    place[cells] = np.arange(len(cells))
    time = np.full(len(cells), np.nan)
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for key in sorted(histories, key=lambda name: (name not in LOSSES, name)):
        values = columns[key] = np.full(len(cells), np.nan)
        unknown = bool(np.isnan(time).any())
        for part in histories[key]:
            at = place[part.run * width + part.step]
            values[at] = part.value
            if unknown:
                time[at] = part.milliseconds / 1000.0
    frame = pd.DataFrame(
        {
            "run_id": pd.Categorical.from_codes(cells // width, categories=pd.Index(run_ids, dtype=object)),
            "epoch": cells % width,
            "time": time,
            **{key: columns[key] for key in sorted(columns)},
        }
    )
    return frame, {run_ids[run]: text for run, (_, text) in broken.items()}


def stages(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Name and last epoch of each stage of the longest of the runs; empty where there is one stage."""
    found: list[tuple[str, int]] = []
    for text in rows["stages"].dropna().unique() if "stages" in rows else ():
        ends: list[tuple[str, int]] = []
        for part in filter(None, str(text).split(", ")):
            name, _, epochs = part.rpartition(" ")
            ends.append((name, int(epochs) + (ends[-1][1] if ends else 0)))
        found = max(found, ends, key=lambda one: one[-1][1] if one else 0)
    return found if len(found) > 1 else []
