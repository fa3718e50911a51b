"""The generalisation gap: how much better an activation does on what it was trained on.

Both scores are of the declared checkpoint's weights, the training part evaluated anew (``train_clean``): the running
average of an epoch mixes weights of different ages. A small gap beside a low training score is less fitting, not
better generalisation, so the two belong on one page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pandas as pd

from analysis.statistics import frequentist
from analysis.statistics.scores import Handling, Scores, pair, scores, sign
from analysis.statistics.verdict import Verdict, Word

COLUMNS = ["dataset", "activation", "split", "train", "other", "gap"]


def gaps(
    cube: pd.DataFrame,
    *,
    dataset: str,
    metric: str = "accuracy",
    against: str = "heldout",
    activations: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row a split and activation: columns dataset, activation, split, train, other (the ``against`` part) and gap.

    The gap is signed so that positive means better on the training part (for a loss: lower there). Runs that did not
    finish have no gap. Imported tables give their running training average instead.
    """
    train, other = _tables(cube, dataset, metric, against, activations)
    frame = pd.DataFrame({"train": train.values.stack(), "other": other.values.stack()}).dropna()
    frame.index.names = ["split", "activation"]
    frame = frame.reset_index()
    frame["gap"] = sign(metric) * (frame["train"] - frame["other"])
    frame.insert(0, "dataset", dataset)
    return frame[COLUMNS]


def compare(
    cube: pd.DataFrame,
    control: str,
    *,
    dataset: str,
    metric: str = "accuracy",
    against: str = "heldout",
    activations: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> list[Verdict]:
    """Each activation's gap against the control's by the corrected t on the same splits; positive: a smaller gap.

    A word better means a smaller gap and no more; ``extras`` carry both training scores and the note says so where the
    smaller gap comes with a lower training score.
    """
    train, other = _tables(cube, dataset, metric, against, activations)
    # Already signed, so no metric of its own: "gap/loss" would be turned round a second time.
    name = f"gap of {metric}"
    difference = sign(metric) * (other.values - train.values)
    table = dataclasses.replace(other, values=difference, metric=name)
    verdicts = []
    level = (sign(metric) * train.values).mean()
    for label in difference.columns:
        if label == control or control not in difference.columns:
            continue
        test = frequentist.corrected_t(pair(table, label, control), alpha=alpha)
        note = test.note
        if test.estimate > 0 and level[label] < level[control]:
            note = f"{note} The smaller gap comes with a worse training score: less fitting.".strip()
        verdicts.append(
            dataclasses.replace(
                test,
                method=f"generalisation gap (training minus {against}), corrected resampled t",
                note=note,
                word=Word.DESCRIPTIVE if _running(cube, metric) else test.word,
                extras={
                    **test.extras,
                    "gap": -float(difference[label].mean()),
                    "gap_control": -float(difference[control].mean()),
                    "train": float(train.values[label].mean()),
                    "train_control": float(train.values[control].mean()),
                },
            )
        )
    return verdicts


def _running(cube: pd.DataFrame, metric: str) -> bool:
    return f"train_clean/{metric}" not in cube.columns


def _tables(
    cube: pd.DataFrame, dataset: str, metric: str, against: str, activations: Sequence[str] | None
) -> tuple[Scores, Scores]:
    part = "train" if _running(cube, metric) else "train_clean"
    handling: Handling = "complete"
    train, other = (
        scores(cube, dataset=dataset, metric=f"{name}/{metric}", activations=activations, handling=handling)
        for name in (part, against)
    )
    return train, other
