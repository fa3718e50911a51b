"""Predicting quantities. The loss is of scaled targets, every other metric of raw ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.spec import Scalar
from trainer.splits import Split, Strata
from trainer.tasks.description import Description
from trainer.tasks.regression import facts, on_mesh
from trainer.tasks.regression.floors import Array, Predictor, least_squares
from trainer.tasks.task import Task
from trainer.tasks.view import Part, View

LOSS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": nn.functional.mse_loss,
    "mae": nn.functional.l1_loss,
    "huber": nn.functional.huber_loss,
}
MEAN, LINEAR, TRUTH = "mean of the training targets", "linear regression", "the true function"
WIDEST = 2000
"""Features of an item beyond which linear regression is left out: it would take longer than some trainings."""


class Regression(Task):
    """Values [n, k]; the model gives k numbers.

    Targets are scaled by the mean and the (population) standard deviation of each column of the training part, unless
    ``scale_targets`` is off; ``huber`` turns linear one scaled unit off. The other metrics are in the target's own
    units: ``rmse``, ``mae`` and ``r2`` as scikit-learn's, means over the columns (``r2`` is NaN where one is constant
    in that part), ``max_error`` the largest of all. ``nrmse`` is the root of the mean square of errors in standard
    deviations of the training part, which are the same for every part and activation; so it may be averaged over data
    sets.
    """

    metrics = (*facts.METRICS, *facts.DIFFUSION)
    primary = "rmse"
    predicts = "prediction"
    actsweep_transient = ("said",)

    shift: Tensor
    scale: Tensor
    spread: Tensor

    def __init__(
        self,
        dataset: Dataset,
        *,
        loss: str = "mse",
        scale_targets: bool = True,
        diffusion: bool = False,
        quantiles: int = 0,
    ) -> None:
        super().__init__(dataset)
        assert dataset.values is not None
        self.dataset, self.values = dataset, dataset.values
        self.loss_of, self.scaled = LOSS[loss], scale_targets
        columns = dataset.values.shape[1]
        self.register_buffer("shift", torch.zeros(columns, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(columns, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(columns, dtype=torch.float64))
        self.mesh = on_mesh.OnMesh(dataset, dataset.mesh) if diffusion and dataset.mesh is not None else None
        self.said: dict[str, str] = {}

    # -- before there is a fold ----------------------------------------------------------------------------------------

    @classmethod
    def described(cls, name: str, **options: Scalar) -> Description:
        return facts.describe(options)

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        facts.check(options)
        if dataset.values is None:
            return "it has classes and no quantities; the task classification fits"
        constant = np.ptp(dataset.values, axis=0) == 0
        if constant.any():
            column = int(np.argmax(constant))
            which = f"column {column} of its values" if len(constant) > 1 else "its target"
            return f"{which} is {dataset.values[0, column]:g} for every item; accepts one that varies: name another"
        return on_mesh.problem(dataset) if options.get("diffusion") else ""

    @classmethod
    def strata(cls, dataset: Dataset, **options: Scalar) -> Strata | None:
        """Ranges of the (first) target with about as many items each; fewer of them where values repeat."""
        count = cls.chosen(options)["quantiles"]
        if not count:
            return None
        assert dataset.values is not None
        first = np.asarray(dataset.values[:, 0], np.float64)
        edges = np.unique(np.quantile(first, np.arange(1, count) / count, method="higher"))  # values that are there
        edges = edges[edges > first.min()]
        bounds = [first.min(), *edges, first.max()]
        return Strata(
            numbers=np.searchsorted(edges, first, side="right").astype(np.int64),
            names=tuple(f"target from {low:g} to {high:g}" for low, high in itertools.pairwise(bounds)),
        )

    # -- training ------------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        return int(self.values.shape[1])

    def trained_on(self, split: Split) -> NDArray[np.int64]:
        """The training part. Raises :class:`DataError` where its targets are all the same."""
        if (np.ptp(self.values[split.train], axis=0) == 0).any():
            raise DataError(
                f"data set {self.dataset.name!r}, task regression: the target is the same for all {len(split.train)} "
                "items of a training part, which teaches nothing; use fewer folds, another seed, or task: {name: "
                "regression, quantiles: 5} with folds: {stratify: true}"
            )
        return split.train

    def fit(self, targets: Tensor, outputs: Callable[[], Tensor]) -> None:
        wide = targets.double()
        spread = wide.std(dim=0, correction=0)
        self.spread.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))
        if self.scaled:
            self.shift.copy_(wide.mean(dim=0))
            self.scale.copy_(self.spread)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss_of(outputs, ((targets - self.shift) / self.scale).to(outputs.dtype))

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        found = self._metrics(self._raw(outputs), targets)
        if part == "heldout":
            constant = math.isnan(found["r2"]) and not math.isnan(found["rmse"])
            self.said = {"r2": "the target is constant in the held-out part"} if constant else {}
        return found

    def _raw(self, outputs: Tensor) -> Tensor:
        """Predictions in the target's own units, float64."""
        return outputs.double() * self.scale + self.shift

    def _metrics(self, predicted: Tensor, targets: Tensor) -> dict[str, float]:
        true = targets.double()
        error = predicted - true
        squares, off = error.square(), error.abs()
        about = (true - true.mean(dim=0)).square().mean(dim=0)
        explained = 1.0 - squares.mean(dim=0) / torch.where(about > 0, about, torch.full_like(about, math.nan))
        values = [
            self.loss_of(error / self.scale, torch.zeros_like(error)),
            squares.mean(dim=0).sqrt().mean(),
            off.mean(),
            off.max(),
            explained.mean(),
            (error / self.spread).square().mean().sqrt(),
        ]
        return dict(zip((metric.name for metric in facts.METRICS), torch.stack(values).tolist(), strict=True))

    # -- what is written down ------------------------------------------------------------------------------------------

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        """Of always naming the mean of the training part."""
        return _known(self._metrics(train.double().mean(dim=0).expand(len(heldout), -1), heldout))

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        """The mean of the training part; linear regression on standardised inputs; on a mesh whose nodes all train,
        interpolation of it, and the true function's diffusion where that is known."""
        train, heldout = view.part("train"), view.part("heldout")
        found = {MEAN: self.references(train.targets, heldout.targets)}
        items = train.stored()
        if items[:1].numel() <= WIDEST and self.dataset.kind != "tokens":
            predict = least_squares(_rows(train.inputs()), _numbers(train.targets))
            found[LINEAR] = self._of(predict(_rows(heldout.inputs())), heldout)
        found |= self._interpolated(train, heldout)
        if self.mesh is not None and self.mesh.truth is not None:
            found[TRUTH] = {"diffusion": self.mesh.truth, "diffusion_excess": 0.0}
        return found

    def _interpolated(self, train: Part, heldout: Part) -> dict[str, dict[str, float]]:
        mesh = self.dataset.mesh
        if mesh is None or not np.isin(mesh.nodes, train.index.cpu().numpy()).all():
            return {}
        asked, found = _rows(heldout.stored()), {}
        for name, predict in on_mesh.interpolations(self.dataset, mesh):
            found[name] = self._of(predict(asked), heldout)
            if self.mesh is not None:
                score, _ = self.mesh.score(_of_items(predict))
                found[name] |= self._with_excess(score)
        return {name: _known(scores) for name, scores in found.items() if _known(scores)}

    def _of(self, predicted: Array, part: Part) -> dict[str, float]:
        return _known(self._metrics(_tensor(predicted, part.targets), part.targets))

    def outcome(self, view: View) -> dict[str, float]:
        """The diffusion of the model on the data set's mesh, where the study asks for it."""
        if self.mesh is None:
            return {}
        score, why = self.mesh.score(lambda items: self._raw(view.outputs_of(items)))
        found = {"diffusion": math.nan, "diffusion_excess": math.nan, **self._with_excess(score)}
        if why:
            self.said |= {"diffusion": why, "diffusion_excess": why}
        elif self.mesh.truth is None:
            self.said["diffusion_excess"] = "the true function is not known, nor what it would score"
        return found

    def _with_excess(self, score: float) -> dict[str, float]:
        assert self.mesh is not None
        truth = self.mesh.truth
        return {"diffusion": score, **({} if truth is None else {"diffusion_excess": abs(score - truth)})}

    def remarks(self) -> dict[str, str]:
        return dict(self.said)

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """``target`` and ``prediction``, [n, k], in the target's own units."""
        return {"target": targets.cpu().numpy(), "prediction": self._raw(outputs).cpu().numpy()}

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """[n, k] float64."""
        return self._raw(outputs)

    def predicted_words(self) -> str:
        return "the values in the target's own units, a row an item"


def _of_items(predict: Predictor) -> on_mesh.Function:
    return lambda items: _tensor(predict(_rows(items)), items)


def _rows(items: Tensor) -> Array:
    return _numbers(items.flatten(1))


def _numbers(tensor: Tensor) -> Array:
    found: Array = tensor.double().cpu().numpy()
    return found


def _tensor(array: Array, like: Tensor) -> Tensor:
    """``array`` as float64 on the device of ``like``."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float64)).to(like.device)


def _known(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if math.isfinite(value)}
