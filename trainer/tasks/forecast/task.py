"""Predicting a time series a few steps ahead. What counts is how much better than "no change" the prediction is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.datasets.reader import Dataset, Windows
from trainer.spec import Scalar
from trainer.splits import Split
from trainer.tasks.description import Description
from trainer.tasks.forecast import facts
from trainer.tasks.task import Task
from trainer.tasks.view import Part, Place, View

PERSISTENCE, DRIFT = "no change", "mean change of the training part"
AUTOREGRESSION, WHOLE_WINDOW = "linear autoregression on the window", "linear regression on the window of all series"
WIDEST = 1000
"""Numbers in a window beyond which linear regression on all of it is left out: it would take longer than trainings."""


class Forecast(Task):
    """Values [n, 1] at a step ahead of each window; the model gives one number.

    It is trained on the change from the last known level, or on the level itself (``target: level``), scaled by mean
    and standard deviation of the training part; the prediction is always a level. ``skill`` is 1 - MSE / MSE of
    persistence, which predicts the last known level (Murphy, Monthly Weather Review 116, 1988, equation 4): above 0 is
    better than "no change". ``rmse`` and ``mae`` are in the value's own units. ``direction`` is the share of items that
    rose or fell whose sign of change is predicted. ``r2`` is that of the levels, which on a wandering series is close
    to 1 for persistence, too.
    """

    metrics = facts.METRICS
    primary = "skill"
    predicts = "prediction"
    actsweep_transient = ("said",)

    shift: Tensor
    scale: Tensor

    def __init__(self, dataset: Dataset, *, target: str = "difference") -> None:
        super().__init__(dataset)
        self.dataset, self.differs = dataset, target == "difference"
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.heldout: NDArray[np.int64] = np.zeros(0, np.int64)
        self.said: dict[str, str] = {}

    # -- before there is a fold ----------------------------------------------------------------------------------------

    @classmethod
    def described(cls, name: str, **options: Scalar) -> Description:
        return facts.describe(options)

    @classmethod
    def misfit(cls, dataset: Dataset, **options: Scalar) -> str:
        facts.check(options)
        if dataset.windows is None or dataset.order is None or dataset.values is None:
            return (
                "its items are no windows of a time series; accepts the data sets series (your own CSV with a column "
                "of times), ett and stocks, or a reader whose Dataset has windows, order and values"
            )
        if np.ptp(dataset.values[:, 0]) == 0:
            return (
                f"the series that is to be predicted is {dataset.values[0, 0]:g} at every step; accepts one that "
                "varies: name another target"
            )
        return ""

    @classmethod
    def derived(cls, dataset: Dataset, place: Place, **options: Scalar) -> Dataset:
        """With the last known level beside each value, so that both reach the loss."""
        assert dataset.windows is not None
        assert dataset.values is not None
        both = np.concatenate([dataset.values, dataset.windows.known], axis=1).astype(np.float64)
        return dataclasses.replace(dataset, values=both)

    @classmethod
    def misdealt(cls, dataset: Dataset, split: Split, **options: Scalar) -> str:
        """Each part has to come after the one before it, in each series, without a step that both see."""
        assert dataset.windows is not None
        assert dataset.order is not None
        windows, parts = dataset.windows, [("training", split.train), ("validation", split.validation)]
        for earlier, later in (
            (parts[0], ("held-out", split.heldout)),
            (parts[1], ("held-out", split.heldout)),
            (parts[0], parts[1]),
        ):
            if series := _reaching(windows, earlier[1], later[1]):
                gap = int((windows.ahead - windows.first).max())
                return (
                    f"the {earlier[0]} part has windows that reach into or beyond the start of the {later[0]} part"
                    f"{f' in {series} of the series' if series > 1 else ''}, so that it would know what it is to "
                    f"predict later; use folds: {{scheme: time, purge: {gap}}} (window + horizon - 1 steps), or "
                    "scheme: fixed with that purge, or where there are several series a group that keeps each on one "
                    "side"
                )
        return ""

    # -- training ------------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        return 1

    def dealt(self, split: Split) -> None:
        self.heldout = split.heldout

    def fit(self, targets: Tensor, outputs: Callable[[], Tensor]) -> None:
        aim = self._aim(targets)
        spread = aim.std(correction=0)
        self.shift.copy_(aim.mean())
        self.scale.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))

    def _aim(self, targets: Tensor) -> Tensor:
        """[n], what the model learns, in the value's own units."""
        return targets[:, 0] - targets[:, 1] if self.differs else targets[:, 0]

    def _level(self, outputs: Tensor, known: Tensor) -> Tensor:
        """[n], the predicted levels, float64, after the last ``known`` ones [n]."""
        aim = outputs[:, 0].double() * self.scale + self.shift
        return aim + known if self.differs else aim

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs[:, 0], ((self._aim(targets) - self.shift) / self.scale).to(outputs.dtype))

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        found = self._metrics(self._level(outputs, targets[:, 1]), targets)
        if part == "heldout":
            why = {
                "skill": "the series does not move in the held-out part, where nothing is better than no change",
                "direction": "the series does not move in the held-out part",
                "r2": "the series is constant in the held-out part",
            }
            lost = math.isnan(found["rmse"])
            self.said = {name: words for name, words in why.items() if math.isnan(found[name]) and not lost}
        return found

    def _metrics(self, predicted: Tensor, targets: Tensor) -> dict[str, float]:
        """Of predicted levels [n], float64. One transfer from the device."""
        true, known = targets[:, 0], targets[:, 1]
        error, change = predicted - true, true - known
        square, moved = error.square().mean(), change != 0
        values = [
            (error / self.scale).square().mean(),
            1.0 - square / _or_nan(change.square().mean()),
            square.sqrt(),
            error.abs().mean(),
            (((predicted - known).sign() == change.sign()) & moved).sum() / _or_nan(moved.sum().double()),
            1.0 - square / _or_nan((true - true.mean()).square().mean()),
        ]
        return dict(zip((metric.name for metric in facts.METRICS), torch.stack(values).tolist(), strict=True))

    # -- what is written down ------------------------------------------------------------------------------------------

    def references(self, train: Tensor, heldout: Tensor) -> dict[str, float]:
        """Of persistence, which names no direction."""
        found = self._metrics(heldout[:, 1], heldout)
        return {name: value for name, value in found.items() if name != "direction" and math.isfinite(value)}

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        """Persistence; persistence plus the mean change of the training part; least squares of the change on the
        window of the predicted series, and on that of all series."""
        train, heldout = view.part("train"), view.part("heldout")
        change = train.targets[:, 0] - train.targets[:, 1]
        found = {PERSISTENCE: self.references(train.targets, heldout.targets)}
        found[DRIFT] = self._of(change.mean().expand(len(heldout.targets)), heldout)
        assert self.dataset.windows is not None
        column, width = self.dataset.windows.column, math.prod(self.dataset.items.shape[1:])
        past = [_numbers(part.inputs()[:, 0, :, column]) for part in (train, heldout)]
        found[AUTOREGRESSION] = self._of(_regressed(past[0], change, past[1]), heldout)
        if past[0].shape[1] < width <= WIDEST:
            whole = [_numbers(part.inputs().flatten(1)) for part in (train, heldout)]
            found[WHOLE_WINDOW] = self._of(_regressed(whole[0], change, whole[1]), heldout)
        return found

    def _of(self, change: Tensor, part: Part) -> dict[str, float]:
        found = self._metrics(part.targets[:, 1] + change.to(part.targets.device), part.targets)
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def remarks(self) -> dict[str, str]:
        return dict(self.said)

    def predictions(self, outputs: Tensor, targets: Tensor) -> dict[str, NDArray[Any]]:
        """[n] each: ``order`` (the last step that the window shows), ``ahead`` (the step that is predicted),
        ``series``, and in the value's own units ``target``, ``prediction`` and ``persistence``."""
        assert self.dataset.windows is not None
        assert self.dataset.order is not None
        return {
            "order": self.dataset.order[self.heldout],
            "ahead": self.dataset.windows.ahead[self.heldout],
            "series": self.dataset.windows.series[self.heldout],
            "target": targets[:, 0].cpu().numpy(),
            "prediction": self._level(outputs, targets[:, 1]).cpu().numpy(),
            "persistence": targets[:, 1].cpu().numpy(),
        }

    def predicted(self, outputs: Tensor, items: Tensor) -> Tensor:
        """[n] float64: levels, after the last known one that a window shows; changes from it where windows show none
        (and the data set has no ``windows``)."""
        windows = self.dataset.windows
        known = items.new_zeros(len(items)) if windows is None else items[:, 0, -1, windows.column]
        return self._level(outputs, known.double())

    @property
    def _of_changes(self) -> bool:
        return self.differs and self.dataset.windows is None

    def predicted_before(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        found = arrays.get(self.predicts)
        return found - arrays["persistence"] if found is not None and self._of_changes else found

    def predicted_words(self) -> str:
        what = "the change that is predicted, from the last known level" if self._of_changes else "the predicted level"
        return f"{what}, in the value's own units, a number an item"


def _reaching(windows: Windows, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> int:
    """In how many series a window of ``earlier`` sees or predicts a step from the first of ``later`` on."""
    found = 0
    for series in np.unique(windows.series[later]):
        before, after = (part[windows.series[part] == series] for part in (earlier, later))
        found += int(len(before) > 0 and windows.ahead[before].max() >= windows.first[after].min())
    return found


def _regressed(inputs: NDArray[np.float64], change: Tensor, asked: NDArray[np.float64]) -> Tensor:
    """[m], least squares of ``change`` [n] on ``inputs`` [n, features], at ``asked`` [m, features]."""
    from sklearn.linear_model import LinearRegression

    return torch.from_numpy(LinearRegression().fit(inputs, _numbers(change)).predict(asked))


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = tensor.double().cpu().numpy()
    return found


def _or_nan(number: Tensor) -> Tensor:
    return torch.where(number > 0, number, torch.full_like(number, math.nan))
