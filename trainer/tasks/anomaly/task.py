"""Anomaly detection in pictures: three methods, of which an activation is part in what they train.

No picture with a defect trains or validates; those of the held-out part are what is to be told apart. The authors'
programs print the area under the ROC curve of the test pictures as they train, and DifferNet's keeps its maximum over
the epochs; here nothing looks at them before the end.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.spec import Scalar
from trainer.splits import Case, Split, Strata
from trainer.tasks.anomaly import facts, floors, kinds
from trainer.tasks.anomaly.distillation import Distillation
from trainer.tasks.anomaly.flow import Flow
from trainer.tasks.anomaly.gaussian import Gaussian
from trainer.tasks.anomaly.method import Method
from trainer.tasks.description import Description
from trainer.tasks.ranking import area, ranked
from trainer.tasks.task import Task
from trainer.tasks.view import Place, View

METHODS: dict[str, type[Method]] = {
    facts.FLOW: Flow,
    facts.DISTILLATION: Distillation,
    facts.GAUSSIAN: Gaussian,
}


class Anomaly(Task):
    """``method``: flow (DifferNet), distillation, or gaussian (PaDiM). ``normal``: the class without a defect, where it
    is not called good, normal, ok or free. ``kinds``: kinds of defect of which an area is measured apart.
    ``remove: median`` subtracts each picture's median, channel by channel, so that how bright it is tells nothing.

    Of flow and distillation: ``backbone`` with ``weights`` (a file, package or random), ``normalise`` (ImageNet's
    scale), ``size`` in pixels (the data set's own by default; several for flow, as "448,224,112") and ``levels`` of it.
    Of flow: ``rotations`` over a whole turn, and whether each fold's training part scales the features
    (``standardise``). Of distillation: ``mse_weight``, the squared error's share beside the cosine's, and
    ``left_out``, the first levels that the score leaves out. Of gaussian: ``pretrain``, the data set whose classes the
    model learns to name, ``layers`` and the number of ``features`` drawn from them, and ``pixel``, whether single
    pixels are scored.
    """

    metrics = facts.describe({}).metrics
    primary = facts.describe({}).primary
    stratifies = True
    defaults = facts.describe({}).defaults
    predicts = "score"
    actsweep_transient = ("_scores", "_remarks")

    def __init__(
        self,
        dataset: Dataset,
        *,
        method: str = facts.FLOW,
        normal: str | None = None,
        kinds: str = "",
        remove: str = "median",
        backbone: str = facts.DEFAULT_BACKBONE,
        weights: str | None = None,
        normalise: str = "imagenet",
        size: str | int = "",
        levels: str | int = "",
        rotations: int = 4,
        standardise: bool = True,
        mse_weight: float = 0.5,
        left_out: int = 1,
        pretrain: str | None = None,
        layers: str = "layer1,layer2,layer3",
        features: int = 100,
        pixel: bool = False,
    ) -> None:
        super().__init__(dataset)
        given = {name: value for name, value in locals().items() if name in _OPTIONS}
        self.kinds = _kinds(dataset, given)
        self.apart = {f"auroc_{facts.slug(kind)}": self.kinds.of_kind(kind) for kind in facts.listed(kinds)}
        self.method = METHODS[method](dataset, self.kinds, given)
        assert dataset.labels is not None
        assert dataset.values is not None
        self._labels, self._statistics = dataset.labels, dataset.values
        self._scores: NDArray[np.float64] | None = None
        self._remarks: dict[str, str] = {}

    # -- before there is a fold ----------------------------------------------------------------------------------------

    @classmethod
    def described(cls, name: str, **options: Scalar) -> Description:
        return dataclasses.replace(facts.describe(options), name=name)

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        try:
            facts.check(options)
            _kinds(dataset, options)
        except ValueError as error:
            return str(error)
        if dataset.values is not None:  # derived, and looked at before that
            return ""
        if dataset.kind != "image" or dataset.items.shape[1] not in (1, 3):
            return f"has {dataset.kind} items of {dataset.items.shape[1]} channels; accepts images of 1 or 3"
        chosen = cls.chosen(options)
        return METHODS[chosen["method"]].misfit(dataset, chosen)

    @classmethod
    def derived(cls, dataset: Dataset, place: Place, **options: Scalar) -> Dataset:
        """What the method trains on, with the :func:`trainer.tasks.anomaly.floors.statistics` of the pictures as
        ``values``."""
        chosen = cls.chosen(options)
        counted = dataclasses.replace(dataset, values=floors.statistics(dataset))
        return METHODS[chosen["method"]].derived(counted, place, chosen)

    @classmethod
    def strata(cls, dataset: Dataset, **options: Scalar) -> Strata | None:
        assert dataset.labels is not None
        return Strata(numbers=dataset.labels, names=dataset.classes)

    @classmethod
    def may_train(cls, dataset: Dataset, **options: Scalar) -> NDArray[np.bool_] | None:
        assert dataset.labels is not None
        allowed: NDArray[np.bool_] = ~_kinds(dataset, options).anomalous[dataset.labels]
        return allowed

    @classmethod
    def cases(cls, dataset: Dataset, **options: Scalar) -> tuple[Case, ...]:
        return kinds.cases(dataset, _kinds(dataset, options))

    @classmethod
    def misdealt(cls, dataset: Dataset, split: Split, **options: Scalar) -> str:
        assert dataset.labels is not None
        found = _kinds(dataset, options)
        held, trained = dataset.labels[split.heldout], dataset.labels[split.train]
        if len(found.products) > 1 and split.case is None:
            return (
                f"{len(found.products)} products would be held out and learnt together; use folds: {{scheme: cases, "
                f"folds: {len(found.products)}}}, or one product by the option category"
            )
        for what, there in (
            ("held-out part of a fold has no normal picture", found.normal[held].any()),
            ("held-out part of a fold has no picture with a defect", found.anomalous[held].any()),
            ("training part of a fold has no normal picture", found.normal[trained].any()),
        ):
            if not there:
                return f"the {what}; use other folds"
        return ""

    # -- training ------------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        return self.method.outputs

    def trained_on(self, split: Split) -> NDArray[np.int64]:
        """Where there is another data set to pretrain on, that alone."""
        if not self.kinds.pretraining.any():
            return split.train
        return split.train[self.kinds.pretraining[self._labels[split.train]]]

    def begin_stage(self, view: View) -> None:
        self.method.checked(view)

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        return self.method.forward(model, inputs)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.method.loss(outputs, targets)

    # -- what is measured ----------------------------------------------------------------------------------------------

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        """The loss is of what may train alone; NaN where a part has nothing of it."""
        rows, numbers = outputs.double(), targets.cpu().numpy()
        learnt = torch.from_numpy(np.flatnonzero(self.method.learns(self.kinds)[numbers])).to(rows.device)
        self._remarks = {}
        if len(learnt):
            chosen = rows.index_select(0, learnt), targets.index_select(0, learnt)
            found = {"loss": float(self.method.loss(*chosen)), **self.method.measure(*chosen)}
        else:
            found = {"loss": float("nan")}
            self._remarks["loss"] = "nothing of the data set that the model learns to name is held out"
        scores = self.method.scores(rows)
        if part == "heldout" and scores is not None:
            found |= self._ranked(scores.cpu().numpy(), numbers)
        return found

    def outcome(self, view: View) -> dict[str, float]:
        scored = self.method.scored(view)
        if scored is None:
            return {}
        self._scores = scored[0].double().cpu().numpy()
        return {**self._ranked(self._scores, view.part("heldout").targets.cpu().numpy()), **scored[1]}

    def _ranked(self, scores: NDArray[np.float64], numbers: NDArray[np.int64]) -> dict[str, float]:
        normal, anomalous = self.kinds.normal[numbers], self.kinds.anomalous[numbers]
        told = normal | anomalous
        if not np.isfinite(scores[told]).all():
            self._remarks |= dict.fromkeys(("auroc", "average_precision"), "some scores are no finite numbers")
        found = ranked(scores[told], anomalous[told])
        for name, classes in self.apart.items():
            some = normal | classes[numbers]
            found[name] = area(scores[some], anomalous[some])
        return found

    def remarks(self) -> dict[str, str]:
        return self._remarks

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        train, heldout = view.part("train"), view.part("heldout")
        known, new = (part.index.cpu().numpy() for part in (train, heldout))
        numbers = heldout.targets.cpu().numpy()
        found = {
            predictor: {name: self._ranked(scores, numbers)[name] for name in ("auroc", "average_precision")}
            for predictor, scores in self.method.trivial(view).items()
        }
        known, new = known[self.kinds.normal[self._labels[known]]], new[~self.kinds.pretraining[self._labels[new]]]
        anomalous = self.kinds.anomalous[self._labels[new]]
        return found | floors.measured(self._statistics[known], self._statistics[new], anomalous)

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        numbers = heldout.cpu().numpy()
        normal, anomalous = self.kinds.normal[numbers].sum(), self.kinds.anomalous[numbers].sum()
        areas = {"auroc": 0.5, **dict.fromkeys(self.apart, 0.5)}
        return {**areas, "average_precision": float(anomalous / (normal + anomalous))}

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """``normal`` [n] bool, ``kind`` [n] text, ``labels`` [n] its number, ``score`` [n] float64, higher for what is
        less normal: of the outputs, or of the outcome measured last where the method scores nothing by them."""
        numbers = targets.cpu().numpy()
        of_rows = self.method.scores(outputs.double())
        scores = self._scores if of_rows is None else of_rows.cpu().numpy()
        assert scores is not None
        return {
            "normal": self.kinds.normal[numbers],
            "kind": np.array(self.kinds.names)[numbers],
            "labels": numbers,
            "score": scores,
        }

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """[n] float64."""
        scores = self.method.scores(outputs.double())
        if scores is None:
            raise ValueError(
                f"task anomaly: method {facts.GAUSSIAN} scores pictures by what it learns of all training pictures at "
                "the end, which is not in the model"
            )
        return scores

    def predicted_words(self) -> str:
        return "a score, a number an item: higher is less normal"


_OPTIONS = tuple(
    parameter.name
    for parameter in inspect.signature(Anomaly.__init__).parameters.values()
    if parameter.kind is parameter.KEYWORD_ONLY
)


def _kinds(dataset: Dataset, options: Any) -> kinds.Kinds:
    """Raises ValueError for classes that do not tell which is normal."""
    return kinds.find(dataset, options.get("normal"), facts.listed(options.get("kinds") or ""))
