"""Naming the class of an item: cross-entropy over logits.

The metrics are written out with sorts and sums instead of scikit-learn because the one-vs-rest AUC alone would cost
more processor time an epoch than the training does on a GPU. Nothing here scatters, so that the sums are repeatable on
every device.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.spec import Scalar
from trainer.splits import Strata
from trainer.tasks.classification import floors
from trainer.tasks.classification.facts import describe
from trainer.tasks.task import Task
from trainer.tasks.view import View

DESCRIBED = describe({})
BY_CLASS = ("accuracy", "f1_weighted", "f1_macro")
"""Metrics that ask for no more than the class that is named."""
SHOWN = 20
"""Classes that are named where a model's predictions are described."""


class Classification(Task):
    """Labels 0 to classes - 1; the model gives a logit for each class."""

    metrics = DESCRIBED.metrics
    primary = DESCRIBED.primary
    stratifies = DESCRIBED.stratifies
    predicts = "probabilities"

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.classes, self.names = len(dataset.classes), dataset.classes
        self.smoothing = 0.0
        self.kind = dataset.kind

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        if dataset.labels is None or len(dataset.classes) < 2:
            return "has no labels of two classes or more; classification needs them: choose a task that fits the data"
        return ""

    @classmethod
    def strata(cls, dataset: Dataset, **options: Scalar) -> Strata | None:
        assert dataset.labels is not None
        return Strata(numbers=dataset.labels, names=dataset.classes)

    @property
    def outputs(self) -> int:
        return self.classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=self.smoothing)

    def smooth(self, share: float) -> None:
        self.smoothing = share

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        """See the functions below for the conventions."""
        wide = outputs.double()
        predicted = wide.argmax(dim=1)
        weighted, macro = f1(predicted, targets, classes=wide.shape[1])
        values = [
            nn.functional.cross_entropy(wide, targets),
            (predicted == targets).double().mean(),
            weighted,
            macro,
            auc(wide.softmax(dim=1), targets),
        ]
        return dict(zip((metric.name for metric in self.metrics), torch.stack(values).tolist(), strict=True))

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        """See :mod:`trainer.tasks.classification.floors`. One that gives no probabilities has no loss and no area."""
        found = {}
        for one in floors.said(view, self.kind, self.classes):
            measured = self.measure(one.scores, one.targets, "heldout")
            found[one.name] = {name: measured[name] for name in measured if one.probable or name in BY_CLASS}
        return found

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        """Of always naming the commonest class of the held-out part; the loss is the uniform guess's."""
        share = int(torch.bincount(heldout.cpu()).max()) / len(heldout)
        return {
            "loss": math.log(self.classes),
            "accuracy": share,
            "f1_weighted": share * 2 * share / (1 + share),
            "f1_macro": 2 * share / (1 + share) / self.classes,
            "auc": 0.5,
        }

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        return {"labels": targets.cpu().numpy(), "probabilities": _probabilities(outputs).cpu().numpy()}

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """[n, classes] float32."""
        return _probabilities(outputs)

    def predicted_words(self) -> str:
        shown = ", ".join(self.names[:SHOWN]) + (", ..." if len(self.names) > SHOWN else "")
        return f"the probability of each of {self.classes} classes ({shown}), a row an item"


def _probabilities(outputs: Tensor) -> Tensor:
    return outputs.double().softmax(dim=1).float()


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
