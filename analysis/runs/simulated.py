"""Studies drawn from a known model, in the frames that :mod:`analysis.runs.load` gives: for trying out an analysis or a
design before any run, and for tests.

A share is ``base + effect(activation) + split + noise``; the split's part is shared by all activations, so folds pair.
Which metrics are drawn from it, and how, stands in ``simulated.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.runs.frames import REFERENCE
from analysis.runs.load import Study
from analysis.runs.plan import Declaration, Plan, unstated, unstated_metrics
from analysis.runs.published import knowing_nothing
from analysis.runs.schema import SECONDS_EVALUATE, SECONDS_REST, SECONDS_TRAIN, Status

SIX = ("relu", "leaky_relu", "dsrelu", "apalu", "lelu", "alrelu")
SECONDS = [SECONDS_TRAIN, SECONDS_EVALUATE, SECONDS_REST]
TWENTY = (
    *SIX,
    *("prelu", "elu", "selu", "gelu", "silu", "mish", "softplus", "sigmoid", "tanh", "hardswish", "celu", "relu6"),
    *("squareplus", "snake"),
)
LEARNED = {"apalu": {"a": 0.6, "b": 0.1}, "lelu": {"beta": 0.35}}


class Share(NamedTuple):
    """A metric that is drawn as ``offset + scale * share ** power``."""

    offset: float
    scale: float
    power: float

    def of(self, share: Any) -> Any:
        return self.offset + self.scale * share**self.power


class Drawing(NamedTuple):
    """How the metrics are drawn."""

    primary: str
    loss: str
    shares: Mapping[str, Share]

    @property
    def rules(self) -> tuple[str, str, str]:
        """Checkpoint rules, the declared one first."""
        return f"validation_{self.loss}", f"validation_{self.primary}", "last"


def drawing() -> Drawing:
    raw = json.loads(resources.files("analysis.runs").joinpath("simulated.json").read_text(encoding="utf-8"))
    shares = {
        name: Share(form.get("offset", 0.0), form["scale"], form.get("power", 1.0))
        for name, form in raw["shares"].items()
    }
    return Drawing(raw["primary"], raw["loss"], shares)


class Key(NamedTuple):
    activation: str
    repeat: int
    fold: int


class Design(NamedTuple):
    """What the folds of a study have in common."""

    name: str
    dataset: str
    seed: int
    epochs: int
    items: int
    folds: int
    classes: int
    stops: bool
    drawn: Drawing

    @property
    def held(self) -> int:
        """Items of a held-out part."""
        return self.items // self.folds

    def run_id(self, key: Key) -> str:
        text = f"{self.name}/{key.activation}/{key.repeat}-{key.fold}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


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
    devices: Callable[[Key], tuple[str, float]] = lambda key: ("simulated", 1.0),
) -> Study:
    """A finished study; same arguments, same frames.

    ``effects`` are added to the share (default: drawn, sd 0.01). With ``stops`` runs end early, by up to a quarter
    of the epochs. ``diverged`` and ``missing`` name runs as (activation, repeat, fold). ``devices``
    gives the model of device that a run was trained on, and how much longer its epochs take there.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.normal(0.0, 0.01, len(activations))
    given = [drawn[i] if effects is None else effects.get(label, 0.0) for i, label in enumerate(activations)]
    shared = rng.normal(0.0, split_sd, (repeats, folds))
    design = Design(name, dataset, seed, epochs, items, folds, classes, stops, drawing())
    rows: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    learned: list[tuple[str, str, str, float]] = []
    for index, key in planned(activations, repeats, folds):
        target = base + given[index] + shared[key.repeat, key.fold] + rng.normal(0.0, noise_sd)
        curve, row = fold_run(rng, design, key, index, float(np.clip(target, 0, 1)))
        row["device_name"], longer = devices(key)
        curve[SECONDS] *= longer
        lost, broke = key in missing, key in diverged
        if lost:
            row |= {"status": Status.MISSING.value, "reason": "no run", "run_id": "", "split_hash": ""}
        elif broke:
            row |= {"status": Status.DIVERGED.value, "reason": "train/loss is nan at epoch 3"}
        else:
            row |= outcomes(rng, design, curve, float(np.clip(target, 0, 1)))
        rows.append(row)
        if not lost:
            curves.append(curve.iloc[:2] if broke else curve)
        if key.activation in LEARNED and not lost and not broke:
            learned += learned_values(rng, design.run_id(key), key.activation)
    return Study(
        cube=pd.DataFrame(rows),
        curves=pd.concat(curves, ignore_index=True),
        plan=plan_of(design, activations, repeats),
        learned=pd.DataFrame(learned, columns=["run_id", "layer", "parameter", "value"]),
        source="simulated",
        environment={"simulated": "PCG64"},
    )


def planned(activations: Sequence[str], repeats: int, folds: int) -> Iterator[tuple[int, Key]]:
    for index, label in enumerate(activations):
        for repeat in range(repeats):
            for fold in range(folds):
                yield index, Key(label, repeat, fold)


def plan_of(design: Design, activations: Sequence[str], repeats: int) -> Plan:
    return Plan(
        study=design.name,
        study_digest=hashlib.sha256(f"{design.name} {design.seed}".encode()).hexdigest()[:16],
        study_seed=design.seed,
        dataset=design.dataset,
        model="resnet34",
        task=unstated()["task"],
        metrics=unstated_metrics(),
        activations=tuple(activations),
        claims_phase="confirm",
        repeats=tuple(range(repeats)),
        folds=design.folds,
        search_selects_on=f"validation/{design.drawn.loss}",
        declaration=Declaration(
            question=f"Does another activation beat {activations[0]}?",
            metric=design.drawn.primary,
            rule=design.drawn.rules[0],
            control=activations[0],
            declared_at="2023-11-01T00:00:00Z",
        ),
    )


def fold_run(
    rng: np.random.Generator, design: Design, key: Key, index: int, target: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A run's curves, and its row but for scores."""
    run_id, seen = design.run_id(key), design.items - design.held
    epochs = int(design.epochs - design.stops * rng.integers(0, design.epochs // 4 + 1))
    curve = history(rng, design, run_id, target, epochs, index)
    split = hashlib.sha256(f"{design.dataset}/{key.repeat}-{key.fold}".encode()).hexdigest()[:16]
    return curve, {
        **{"study": design.name, "dataset": design.dataset, "trial": f"{key.activation}-0"},
        **{"activation": key.activation, "phase": "confirm", "repeat": key.repeat, "fold": key.fold},
        **{"seed": design.seed, "split_hash": split, "config_digest": "0" * 16},
        **{"status": Status.FINISHED.value, "reason": "patience", "rule": design.drawn.rules[0]},
        **{"epochs": len(curve), "best_epoch": int(curve[f"validation/{design.drawn.loss}"].argmin()) + 1},
        **{"n_train": seen - seen // 5, "n_validation": seen // 5, "n_heldout": design.held, "n_heldout_searched": 0},
        **{REFERENCE + name: value for name, value in knowing_nothing(1 / design.classes, design.classes).items()},
        **{"selected": False, "selected_value": np.nan, "selected_among": np.nan},
        **{"device": "cuda", "device_name": "simulated", "host": "node0", "pack_size": 1},
        **{"run_id": run_id, "verifiable": True, "training.lr": 1e-3},
    }


def history(
    rng: np.random.Generator, design: Design, run_id: str, target: float, epochs: int, index: int
) -> pd.DataFrame:
    """A run's curves: saturating shares, losses that fall and, on the validation part, rise again."""
    step = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-step / (0.15 * epochs + 1))
    start = 1 / design.classes
    frame: dict[str, Any] = {"run_id": run_id, "epoch": step}
    share = {
        "train": start + (min(1.0, target + 0.1) - start) * rise,
        "train_clean": start + (min(1.0, target + 0.08) - start) * rise,
        "validation": start + (target - start) * rise,
    }
    seconds = (20 + 0.5 * index) * np.exp(rng.normal(0, 0.01, epochs))
    seconds[0] *= 1.5
    frame["time"] = 1.7e9 + np.cumsum(seconds) * 1.2
    for part, values in share.items():
        values = np.clip(values + rng.normal(0, 0.003, epochs), 0, 1)
        overfit = 0.3 * (step / epochs) ** 4 if part == "validation" else 0.0
        frame[f"{part}/{design.drawn.loss}"] = -np.log(np.clip(values, 1e-3, 0.999)) * 1.3 + overfit
        frame |= {f"{part}/{name}": form.of(values) for name, form in design.drawn.shares.items()}
    frame |= {"seconds/train": seconds, "seconds/evaluate": seconds * 0.15, "seconds/rest": seconds * 0.02}
    frame["memory/peak_mb"] = 1500.0 + 10 * index
    return pd.DataFrame(frame)


def outcomes(rng: np.random.Generator, design: Design, curve: pd.DataFrame, target: float) -> dict[str, Any]:
    """The scores by every checkpoint rule, and the declared one's once more without its name."""
    best = int(curve[f"validation/{design.drawn.loss}"].argmin()) + 1
    declared, *others = design.drawn.rules
    row: dict[str, Any] = {}
    for rule, epoch in zip((declared, *others), (best, max(1, best - 1), len(curve)), strict=True):
        scores = outcome(rng, design, curve, epoch, target)
        row[f"outcome.{rule}/epoch"] = epoch
        row |= {f"outcome.{rule}/{metric}": value for metric, value in scores.items()}
        if rule == declared:
            row |= scores
    return row


def outcome(
    rng: np.random.Generator, design: Design, curve: pd.DataFrame, epoch: int, target: float
) -> dict[str, float]:
    """The held-out part's scores are whole numbers of items; the other parts are those of the curve."""
    at = curve.iloc[epoch - 1]
    loss, shares = design.drawn.loss, design.drawn.shares
    share = round(float(np.clip(target + rng.normal(0, 0.001), 0, 1)) * design.held) / design.held
    scores = {
        f"{part}/{name}": float(at[f"{part}/{name}"])
        for part in ("validation", "train_clean")
        for name in (loss, *shares)
    }
    scores |= {f"heldout/{name}": form.of(share) for name, form in shares.items()}
    return scores | {f"heldout/{loss}": float(at[f"validation/{loss}"]) * 1.01 + (1 - target) * 0.01}


def choose(cube: pd.DataFrame, trials: Mapping[str, str], *, on: str) -> pd.DataFrame:
    """The cube with a search's choice: for each activation one of its trials, as a driver records it, with its mean of
    the column ``on``."""
    rows = cube[cube["phase"] == "search"]
    won = cube["activation"].map(trials) == cube["trial"]
    mean = rows.groupby("trial")[on].mean()
    tried = rows.groupby("activation")["trial"].nunique()
    return cube.assign(
        selected=won,
        selected_value=cube["trial"].map(mean).where(won),
        selected_among=cube["activation"].map(tried).where(won),
    )


def learned_values(rng: np.random.Generator, run_id: str, label: str) -> list[tuple[str, str, str, float]]:
    return [
        (run_id, f"layer{layer}", name, float(mean * np.exp(rng.normal(0, 0.1))))
        for layer in range(17)
        for name, mean in LEARNED[label].items()
    ]
