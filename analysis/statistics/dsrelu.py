"""What DSReLU's parameters mean: the slope of its positive side over training.

s(t) = a + (b - a) / (1 + exp(-k (t - 0.5))), so a and b are limits that the slope need not reach: with a = tan 85,
b = tan 10 and k = 5 it runs from 10.58 to 1.03, not from 11.43 to 0.18. What can be compared between settings are s(0),
s(1) and the mean, and what a run really saw depends on how its training progress t was read.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.runs.schema import ACTIVATION_PARAM
from analysis.statistics.scores import Array

A, B, K = (ACTIVATION_PARAM + name for name in "abk")
DERIVED = ("slope at start", "slope at end", "mean slope")


def slope(t: Array, a: float, b: float, k: float) -> Array:
    """s(t) for training progress ``t`` of any shape."""
    return np.asarray(a + (b - a) / (1 + np.exp(-k * (np.asarray(t, dtype=float) - 0.5))))


def crossing(a: float, b: float, k: float) -> float:
    """The t at which the slope is 1 and the function the identity; nan where it never is."""
    if a == b or k == 0 or not 0 < (1 - a) / (b - a) < 1:
        return math.nan
    share = (1 - a) / (b - a)
    return 0.5 + math.log(share / (1 - share)) / k


def derived(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with the derived parameters "slope at start", "slope at end" and "mean slope" (over t from 0 to 1,
    which is (a + b)/2 whatever k is) where it has columns ``activation.a``, ``.b`` and ``.k``; else as it is."""
    if not {A, B, K} <= set(frame.columns):
        return frame
    a, b, k = (pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float) for name in (A, B, K))
    ends = {name: a + (b - a) / (1 + np.exp(-k * (t - 0.5))) for name, t in zip(DERIVED[:2], (0.0, 1.0), strict=True)}
    return frame.assign(**ends, **{DERIVED[2]: (a + b) / 2})


def progress(reading: str, epochs: int, planned: int, steps: int) -> Array:
    """t that validation saw after each of ``epochs`` epochs of ``planned``, with ``steps`` training steps each; of the
    stem's layer for "released", whose other layers stay at 0. Raises ValueError for an unknown reading."""
    epoch = np.arange(1, epochs + 1, dtype=float)
    match reading:
        case "epoch":
            return (epoch - 1) / max(planned - 1, 1)
        case "step":
            return (epoch * steps - 1) / max(planned * steps - 1, 1)
        case "epochs":
            return epoch - 1 / steps
        case "released":
            return epoch / steps
        case "constant":
            return np.zeros(epochs)
    raise ValueError(f"progress: got reading {reading!r}, accepts epoch, step, epochs, released, constant")


def realised(cube: pd.DataFrame) -> pd.DataFrame:
    """The slope that each DSReLU run really had after each of its epochs: columns run_id, dataset, activation, epoch,
    t, slope. Empty where no run has a, b and k. Steps come from n_train and training.batch (at least one)."""
    columns = pd.Index(["run_id", "dataset", "activation", "epoch", "t", "slope"])
    if not {A, B, K} <= set(cube.columns):
        return pd.DataFrame(columns=columns)
    frames = []
    for run in cube.dropna(subset=[A, B, K]).to_dict("records"):
        epochs = int(run.get("epochs", 0))
        if epochs < 1:
            continue
        batch, n = float(run.get("training.batch", math.nan)), float(run.get("n_train", math.nan))
        steps = max(1, math.ceil(n / batch)) if batch > 0 and n > 0 else 1
        planned = max(int(run.get("training.epochs") or epochs), epochs)
        given = run.get("activation.progress")
        reading = given if isinstance(given, str) else "epoch"
        fixed = float(run.get("activation.t", 0.0) or 0.0)
        t = progress(
            reading if isinstance(reading, str) else "epoch", epochs, max(int(planned or epochs), epochs), steps
        )
        t = t + fixed if reading == "constant" else t
        frame = pd.DataFrame({"epoch": np.arange(1, epochs + 1), "t": t})
        frame["slope"] = slope(t, float(run[A]), float(run[B]), float(run[K]))
        frames.append(frame.assign(run_id=run["run_id"], dataset=run["dataset"], activation=run["activation"]))
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
