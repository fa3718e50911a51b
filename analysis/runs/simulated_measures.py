"""Invented studies of any metrics, in the frames that :mod:`analysis.runs.load` gives: errors, cases, floors, stages,
and remarks. :mod:`analysis.runs.simulated` draws the learning curves of shares of items.

A value is ``middle + effect(activation) + unit + noise``; the unit's part, a split's or a case's, is shared by all
activations, so folds pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.frames import FLOOR, LEARNED, REFERENCE, REMARK
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.plan import CASES, FIXED, Declaration, Plan
from analysis.runs.schema import LEARNING_RATE, SECONDS_TRAIN, Status


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A metric and how its held-out values are drawn."""

    metric: Metric
    middle: float
    unit_sd: float = 0.0
    noise_sd: float = 0.0
    effects: Mapping[str, float] = field(default_factory=dict)
    """Added, by activation."""
    reference: float | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    """What trivial predictors score, by predictor."""


LOSS = Drawn(metric=Metric(name="loss", better="lower", low=0.0), middle=0.5, unit_sd=0.02, noise_sd=0.01)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the folds of a study have in common."""

    folds: int = 5
    repeats: int = 1
    scheme: str = "kfold"
    """Of ``cases`` every fold is one, and of "fixed" every run has the same split."""
    cases: Sequence[str] = ()
    n_train: int = 800
    n_validation: int = 0
    n_heldout: int = 200
    epochs: int = 6
    stages: Sequence[tuple[str, int]] = ()
    """Name and epochs of each."""
    learning_rate: Sequence[float] = ()
    """Of each epoch, where it is recorded."""

    def split(self, dataset: str, repeat: int, fold: int) -> str:
        number = "0" if self.scheme == FIXED else f"{repeat}-{fold}"
        return hashlib.sha256(f"{dataset}/{number}".encode()).hexdigest()[:16]


def study(
    *,
    seed: int,
    drawn: Sequence[Drawn],
    name: str = "measured",
    dataset: str = "measures",
    task: str = "measuring",
    activations: Sequence[str] = ("relu", "elu", "dsrelu"),
    shape: Shape | None = None,
    remarks: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
    rope: float | None = None,
) -> Study:
    """A finished study whose first drawn metric is the primary one; same arguments, same frames. ``remarks`` by
    activation and fold; a metric of which one is made has no value there."""
    shape = shape or Shape()
    drawn = (*drawn, LOSS) if all(one.metric.name != "loss" for one in drawn) else tuple(drawn)
    rng = np.random.Generator(np.random.PCG64(seed))
    folds = len(shape.cases) or (1 if shape.scheme == FIXED else shape.folds)
    repeats = 1 if shape.scheme == CASES else shape.repeats
    shared = {one.metric.name: rng.normal(0, one.unit_sd, (repeats, folds)) for one in drawn}
    rows, curves = [], []
    for label in activations:
        for repeat in range(shape.repeats):
            for fold in range(folds):
                run_id = hashlib.sha256(f"{name}/{label}/{repeat}-{fold}".encode()).hexdigest()[:32]
                row = {
                    **{"study": name, "dataset": dataset, "trial": f"{label}-0", "activation": label},
                    **{"phase": "confirm", "repeat": repeat, "fold": fold, "seed": seed, "rule": "last"},
                    **{"split_hash": shape.split(dataset, repeat, fold), "config_digest": "0" * 16},
                    **{"status": Status.FINISHED.value, "reason": "all epochs", "epochs": shape.epochs},
                    **{"best_epoch": shape.epochs, "run_id": run_id, "verifiable": True, "pack_size": 1},
                    **{"n_train": shape.n_train, "n_validation": shape.n_validation, "n_heldout": shape.n_heldout},
                    **{"n_heldout_searched": np.nan, "device": "cpu", "device_name": "simulated", "host": "node0"},
                    **{"selected": False, "selected_value": np.nan, "selected_among": np.nan},
                    "scheme": shape.scheme,
                    "case": shape.cases[fold] if shape.cases else "",
                    "stages": ", ".join(f"{name} {count}" for name, count in shape.stages),
                }
                said = (remarks or {}).get((label, fold), {})
                here = {key: float(found[repeat % repeats, fold]) for key, found in shared.items()}
                rows.append(row | values(rng, drawn, label, said, here))
                curves.append(history(rng, run_id, shape))
    return Study(
        cube=pd.DataFrame(rows),
        curves=pd.concat(curves, ignore_index=True),
        plan=plan_of(drawn, shape, folds, name, dataset, task, activations, seed, rope),
        learned=pd.DataFrame(columns=LEARNED),
        source="simulated",
        environment={"simulated": "PCG64"},
    )


def values(
    rng: np.random.Generator, drawn: Sequence[Drawn], label: str, said: Mapping[str, str], shared: Mapping[str, float]
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for one in drawn:
        metric = one.metric
        value = one.middle + one.effects.get(label, 0.0) + shared[metric.name] + rng.normal(0, one.noise_sd)
        low = -np.inf if metric.low is None else metric.low
        high = np.inf if metric.high is None else metric.high
        row[f"heldout/{metric.name}"] = np.nan if metric.name in said else float(np.clip(value, low, high))
        if metric.name in said:
            row[REMARK + metric.name] = said[metric.name]
        if one.reference is not None:
            row[REFERENCE + metric.name] = one.reference
        row |= {f"{FLOOR}{metric.name}/{predictor}": score for predictor, score in one.floors.items()}
    return row


def history(rng: np.random.Generator, run_id: str, shape: Shape) -> pd.DataFrame:
    """Losses that fall within each stage."""
    step = np.arange(1, shape.epochs + 1)
    starts = np.cumsum([0, *(epochs for _, epochs in shape.stages[:-1])]) if shape.stages else np.zeros(1)
    within = step - starts[np.searchsorted(starts, step, side="left") - 1]
    loss = 0.4 + np.exp(-within / 3) + rng.normal(0, 0.01, len(step))
    frame = {"run_id": run_id, "epoch": step, "time": 1.7e9 + 2.0 * step, "train/loss": loss}
    frame |= {"validation/loss": loss + 0.05} if shape.n_validation else {}
    frame |= {SECONDS_TRAIN: np.full(len(step), 2.0)}
    if shape.learning_rate:
        frame[LEARNING_RATE] = np.asarray(shape.learning_rate, dtype=float)
    return pd.DataFrame(frame)


def plan_of(
    drawn: Sequence[Drawn],
    shape: Shape,
    folds: int,
    name: str,
    dataset: str,
    task: str,
    activations: Sequence[str],
    seed: int,
    rope: float | None,
) -> Plan:
    return Plan(
        study=name,
        study_digest=hashlib.sha256(f"{name} {seed}".encode()).hexdigest()[:16],
        study_seed=seed,
        dataset=dataset,
        model="mlp",
        splits=f"{folds} {shape.scheme}",
        scheme=shape.scheme,
        task=task,
        metrics=tuple(one.metric for one in drawn),
        activations=tuple(activations),
        claims_phase="confirm",
        repeats=tuple(range(shape.repeats)),
        folds=folds,
        declaration=Declaration(
            question=f"Does another activation beat {activations[0]}?",
            metric=drawn[0].metric.name,
            rule="last",
            control=activations[0],
            rope=rope,
            declared_at="2023-11-01T00:00:00Z",
        ),
    )
