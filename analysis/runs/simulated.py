"""Studies drawn from a known model, in the frames that :mod:`analysis.runs.load` gives: for trying out an analysis or a
design before any run, and for tests.

A score is ``base + effect(activation) + split + noise``; the split's part is shared by all activations, so folds pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.load import Study
from analysis.runs.plan import Declaration, Plan

SIX = ("relu", "leaky_relu", "dsrelu", "apalu", "lelu", "alrelu")
TWENTY = (
    *SIX,
    *("prelu", "elu", "selu", "gelu", "silu", "mish", "softplus", "sigmoid", "tanh", "hardswish", "celu", "relu6"),
    *("squareplus", "snake"),
)
RULES = ("validation_loss", "validation_accuracy", "last")
LEARNED = {"apalu": {"a": 0.6, "b": 0.1}, "lelu": {"beta": 0.35}}
METRICS = ("loss", "accuracy", "f1_weighted", "f1_macro", "auc")


def study(
    *,
    seed: int,
    name: str = "simulated",
    dataset: str = "digits",
    activations: Sequence[str] = SIX,
    effects: Mapping[str, float] | None = None,
    folds: int = 5,
    repeats: int = 1,
    epochs: int = 20,
    items: int = 10_000,
    classes: int = 10,
    base: float = 0.8,
    split_sd: float = 0.006,
    noise_sd: float = 0.004,
    stops: bool = True,
    diverged: Sequence[tuple[str, int, int]] = (),
    missing: Sequence[tuple[str, int, int]] = (),
) -> Study:
    """A finished study; same arguments, same frames.

    ``effects`` are added to the accuracy (default: drawn, sd 0.01). With ``stops`` runs end early, by up to a quarter
    of the epochs. ``diverged`` and ``missing`` name runs as (activation, repeat, fold).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.normal(0.0, 0.01, len(activations))
    given = [drawn[i] if effects is None else effects.get(label, 0.0) for i, label in enumerate(activations)]
    shared = rng.normal(0.0, split_sd, (repeats, folds))
    held = items // folds
    seen = items - held
    plan = Plan(
        study=name,
        study_digest=hashlib.sha256(f"{name} {seed}".encode()).hexdigest()[:16],
        study_seed=seed,
        dataset=dataset,
        model="resnet34",
        activations=tuple(activations),
        claims_phase="confirm",
        repeats=tuple(range(repeats)),
        folds=folds,
        declaration=Declaration(
            question=f"Does another activation beat {activations[0]}?",
            control=activations[0],
            declared_at="2023-11-01T00:00:00Z",
        ),
    )
    rows: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    learned: list[tuple[str, str, str, float]] = []
    for index, label in enumerate(activations):
        for repeat in range(repeats):
            for fold in range(folds):
                run_id = hashlib.sha256(f"{name}/{label}/{repeat}-{fold}".encode()).hexdigest()[:32]
                key = (label, repeat, fold)
                lost, broke = key in missing, key in diverged
                target = float(np.clip(base + given[index] + shared[repeat, fold] + rng.normal(0.0, noise_sd), 0, 1))
                curve = history(
                    rng, run_id, target, int(epochs - stops * rng.integers(0, epochs // 4 + 1)), classes, index
                )
                last = len(curve)
                best = int(curve["validation/loss"].argmin()) + 1
                chosen = {"validation_loss": best, "validation_accuracy": max(1, best - 1), "last": last}
                row: dict[str, Any] = {
                    **{"study": name, "dataset": dataset, "trial": f"{label}-0", "activation": label},
                    **{"phase": "confirm", "repeat": repeat, "fold": fold, "seed": seed},
                    "split_hash": hashlib.sha256(f"{dataset}/{repeat}-{fold}".encode()).hexdigest()[:16],
                    **{"config_digest": "0" * 16, "status": "finished", "reason": "patience"},
                    **{"rule": "validation_loss", "epochs": last, "best_epoch": best},
                    **{"n_train": seen - seen // 5, "n_validation": seen // 5, "n_heldout": held},
                    **{"n_classes": classes, "chance": 1 / classes, "device": "cuda", "device_name": "simulated"},
                    **{"host": "node0", "pack_size": 1, "run_id": run_id, "verifiable": True},
                    "training.lr": 1e-3,
                }
                if lost:
                    row |= {"status": "missing", "reason": "no run", "run_id": "", "split_hash": ""}
                elif broke:
                    row |= {"status": "diverged", "reason": "train/loss is nan at epoch 3"}
                else:
                    for rule in RULES:
                        scores = outcome(rng, curve, chosen[rule], target, held)
                        row[f"outcome.{rule}/epoch"] = chosen[rule]
                        row |= {f"outcome.{rule}/{metric}": value for metric, value in scores.items()}
                        if rule == "validation_loss":
                            row |= scores
                rows.append(row)
                if not lost:
                    curves.append(curve.iloc[:2] if broke else curve)
                if label in LEARNED and not lost and not broke:
                    learned += learned_values(rng, run_id, label)
    return Study(
        cube=pd.DataFrame(rows),
        curves=pd.concat(curves, ignore_index=True),
        plan=plan,
        learned=pd.DataFrame(learned, columns=["run_id", "layer", "parameter", "value"]),
        source="simulated",
        environment={"simulated": "PCG64"},
    )


def history(
    rng: np.random.Generator, run_id: str, target: float, epochs: int, classes: int, index: int
) -> pd.DataFrame:
    """A run's curves: saturating accuracy, losses that fall and, on the validation part, rise again."""
    step = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-step / (0.15 * epochs + 1))
    start = 1 / classes
    frame: dict[str, Any] = {"run_id": run_id, "epoch": step}
    accuracy = {
        "train": start + (min(1.0, target + 0.1) - start) * rise,
        "train_clean": start + (min(1.0, target + 0.08) - start) * rise,
        "validation": start + (target - start) * rise,
    }
    seconds = (20 + 0.5 * index) * np.exp(rng.normal(0, 0.01, epochs))
    seconds[0] *= 1.5
    frame["time"] = 1.7e9 + np.cumsum(seconds) * 1.2
    for part, values in accuracy.items():
        values = np.clip(values + rng.normal(0, 0.003, epochs), 0, 1)
        overfit = 0.3 * (step / epochs) ** 4 if part == "validation" else 0.0
        frame[f"{part}/loss"] = -np.log(np.clip(values, 1e-3, 0.999)) * 1.3 + overfit
        frame[f"{part}/accuracy"] = values
        frame[f"{part}/f1_weighted"] = values * 0.995
        frame[f"{part}/f1_macro"] = values * 0.99
        frame[f"{part}/auc"] = 0.5 + 0.5 * np.sqrt(values)
    frame |= {"seconds/train": seconds, "seconds/evaluate": seconds * 0.15, "seconds/rest": seconds * 0.02}
    frame["memory/peak_mb"] = 1500.0 + 10 * index
    return pd.DataFrame(frame)


def outcome(rng: np.random.Generator, curve: pd.DataFrame, epoch: int, target: float, held: int) -> dict[str, float]:
    """The held-out part's scores are whole numbers of items; the other parts are those of the curve."""
    at = curve.iloc[epoch - 1]
    accuracy = round(float(np.clip(target + rng.normal(0, 0.001), 0, 1)) * held) / held
    scores = {f"{part}/{m}": float(at[f"{part}/{m}"]) for part in ("validation", "train_clean") for m in METRICS}
    return scores | {
        "heldout/accuracy": accuracy,
        "heldout/f1_weighted": accuracy * 0.995,
        "heldout/f1_macro": accuracy * 0.99,
        "heldout/auc": 0.5 + 0.5 * accuracy**0.5,
        "heldout/loss": float(at["validation/loss"]) * 1.01 + (1 - target) * 0.01,
    }


def learned_values(rng: np.random.Generator, run_id: str, label: str) -> list[tuple[str, str, str, float]]:
    return [
        (run_id, f"layer{layer}", name, float(mean * np.exp(rng.normal(0, 0.1))))
        for layer in range(17)
        for name, mean in LEARNED[label].items()
    ]
