"""The generalisation gap: how much better an activation does on what it was trained on.

Both scores are of the declared checkpoint's weights, the training part evaluated anew (``train_clean``): the running
average of an epoch mixes weights of different ages. A small gap beside a low training score is less fitting, not
better generalisation, so the two belong on one page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pandas as pd

from analysis.runs.metric import Metric
from analysis.statistics import frequentist
from analysis.statistics.scores import Handling, Scores, pair, scores
from analysis.statistics.verdict import Verdict, Word


def compare(
    cube: pd.DataFrame,
    control: str,
    *,
    dataset: str,
    metric: Metric,
    against: str = "heldout",
    activations: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> list[Verdict]:
    """Each activation's gap against the control's by the corrected t on the same splits; positive: a smaller gap.

    A word better means a smaller gap and no more; ``extras`` carry both training scores and the note says so where the
    smaller gap comes with a lower training score.
    """
    train, other = _tables(cube, dataset, metric, against, activations)
    # Already signed: the metric's own direction would turn it round a second time.
    gap = Metric(name=f"gap of {metric.name}", better="higher")
    difference = metric.sign * (other.values - train.values)
    table = dataclasses.replace(other, values=difference, metric=gap, column=gap.name)
    verdicts = []
    for label in difference.columns:
        if label == control or control not in difference.columns:
            continue
        test = frequentist.corrected_t(pair(table, label, control), alpha=alpha)
        both = difference[[label, control]].dropna()
        gaps, levels = both.mean(), train.values.loc[both.index, [label, control]].mean()
        note = test.note
        if test.estimate > 0 and metric.sign * (levels[label] - levels[control]) < 0:
            note = f"{note} The smaller gap comes with a worse training score: less fitting.".strip()
        verdicts.append(
            dataclasses.replace(
                test,
                method=f"generalisation gap (training minus {against}), corrected resampled t",
                note=note,
                word=Word.DESCRIPTIVE if _running(cube, metric) else test.word,
                extras={
                    **test.extras,
                    "gap": -float(gaps[label]),
                    "gap_control": -float(gaps[control]),
                    "train": float(levels[label]),
                    "train_control": float(levels[control]),
                },
            )
        )
    return verdicts


def _running(cube: pd.DataFrame, metric: Metric) -> bool:
    return f"train_clean/{metric.name}" not in cube.columns


def _tables(
    cube: pd.DataFrame, dataset: str, metric: Metric, against: str, activations: Sequence[str] | None
) -> tuple[Scores, Scores]:
    part = "train" if _running(cube, metric) else "train_clean"
    handling: Handling = "complete"
    train, other = (
        scores(
            cube,
            dataset=dataset,
            metric=metric,
            column=f"{name}/{metric.name}",
            activations=activations,
            handling=handling,
        )
        for name in (part, against)
    )
    return train, other
