"""Metrics of a classification, on the device where its logits are; one transfer for all of them.

Written out with sorts and sums instead of scikit-learn because the one-vs-rest AUC alone would cost more processor time
an epoch than the training does on a GPU. Nothing here scatters, so that the sums are repeatable on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("loss", "accuracy", "f1_weighted", "f1_macro", "auc")


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """All metrics of ``logits`` [n, classes] against ``labels`` [n]; see the functions below for the conventions."""
    wide = logits.double()
    predicted = wide.argmax(dim=1)
    weighted, macro = f1(predicted, labels, classes=wide.shape[1])
    values = [
        torch.nn.functional.cross_entropy(wide, labels),
        (predicted == labels).double().mean(),
        weighted,
        macro,
        auc(wide.softmax(dim=1), labels),
    ]
    return dict(zip(NAMES, torch.stack(values).tolist(), strict=True))


def f1(predicted: Tensor, labels: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
    """Weighted and macro F1 (0-d, float64). A class counts where it is among the labels or the predictions; one that is
    in neither is left out of the macro mean, as scikit-learn does."""
    numbers = torch.arange(classes, device=labels.device)
    said, true = predicted[:, None] == numbers, labels[:, None] == numbers
    hits, support = (said & true).sum(dim=0).double(), true.sum(dim=0).double()
    both = said.sum(dim=0).double() + support
    score = 2.0 * hits / both.clamp(min=1.0)
    present = both > 0
    return (score * support).sum() / support.sum(), score.sum() / present.sum()


def auc(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Macro one-vs-rest area under the ROC curve (0-d, float64) of ``probabilities`` [n, classes], from exact rank sums
    with average ranks for ties.

    Two classes give the area of class 1, as in scikit-learn. With more, the mean is over the classes that have
    both members and non-members among ``labels``; NaN where there is none.
    """
    classes = probabilities.shape[1]
    if classes == 2:
        probabilities, numbers = probabilities[:, 1:], torch.ones(1, dtype=labels.dtype, device=labels.device)
    else:
        numbers = torch.arange(classes, device=labels.device)
    ordered, order = probabilities.sort(dim=0)
    n = len(labels)
    places = torch.arange(n, device=labels.device)[:, None].expand_as(ordered)
    step = ordered[1:] != ordered[:-1]
    edge = torch.ones_like(step[:1])
    first = torch.where(torch.cat([edge, step]), places, 0).cummax(dim=0).values
    last = torch.where(torch.cat([step, edge]), places, n - 1).flip(0).cummin(dim=0).values.flip(0)
    ranks = (first + last).double() / 2.0 + 1.0
    member = labels[order] == numbers
    positives = member.sum(dim=0).double()
    area = (ranks * member).sum(dim=0) - positives * (positives + 1.0) / 2.0
    pairs = positives * (n - positives)
    whole = pairs > 0
    return (area / pairs.clamp(min=1.0) * whole).sum() / whole.sum()
