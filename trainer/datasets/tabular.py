"""Tables that come with scikit-learn, standardised by constants of the data set.

The constants are the mean and the (population) standard deviation of each feature over the whole table, fixed here, so
that every fold sees the same numbers and none learns them from another's items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.datasets.content import Content, content_digest
from trainer.datasets.options import choose
from trainer.datasets.reader import About, Dataset
from trainer.spec import Scalar


@dataclass(frozen=True, kw_only=True)
class Table:
    """A :class:`trainer.datasets.reader.Reader` of [n, 1, 1, features] float32."""

    name: str
    about: About
    raw: Callable[[], Any]
    """Gives scikit-learn's bunch."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """[features]."""
    std: tuple[float, ...]
    cuts: tuple[float, ...] = ()
    """Where the target is a quantity: the values that part its classes, each the least of the class above it."""

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        choose(self.name, {}, options)
        bunch = self.raw()
        scaled = (np.asarray(bunch.data, np.float64) - np.array(self.mean)) / np.array(self.std)
        items = scaled.astype(np.float32)[:, None, None, :]
        labels = np.searchsorted(self.cuts, bunch.target, side="right") if self.cuts else bunch.target
        labels = np.asarray(labels, np.int64)
        Content(items=items, labels=labels, classes=self.classes).check(self.name)
        return Dataset(
            name=self.name,
            items=items,
            labels=labels,
            classes=self.classes,
            mean=(0.0,),
            std=(1.0,),
            digest=content_digest(items, labels, self.classes, {}),
        )

    def prepare(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return self.load(root, options)


def _breast_cancer() -> Any:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer()


def _diabetes() -> Any:
    from sklearn.datasets import load_diabetes

    return load_diabetes(scaled=False)


def _wine() -> Any:
    from sklearn.datasets import load_wine

    return load_wine()


breast_cancer = Table(
    name="breast_cancer",
    about=About(
        title="Breast Cancer Wisconsin (Diagnostic): 569 cases, 30 features, 2 classes",
        licence="CC BY 4.0",
        citation="Wolberg W, Mangasarian O, Street N, Street W. Breast Cancer Wisconsin (Diagnostic). UCI Machine "
        "Learning Repository (1993).",
        source="Comes with the package scikit-learn (sklearn.datasets.load_breast_cancer).",
        needs="",
    ),
    raw=_breast_cancer,
    classes=("malignant", "benign"),
    mean=(
        *(14.1273, 19.2896, 91.969, 654.889, 0.0963603, 0.104341, 0.0887993, 0.0489191, 0.181162, 0.0627976),
        *(0.405172, 1.21685, 2.86606, 40.3371, 0.00704098, 0.0254781, 0.0318937, 0.0117961, 0.0205423, 0.0037949),
        *(16.2692, 25.6772, 107.261, 880.583, 0.132369, 0.254265, 0.272188, 0.114606, 0.290076, 0.0839458),
    ),
    std=(
        *(3.52095, 4.29725, 24.2776, 351.605, 0.0140518, 0.0527663, 0.0796497, 0.0387687, 0.0273902, 0.00705416),
        *(0.277069, 0.551163, 2.02008, 45.451, 0.00299988, 0.0178924, 0.0301595, 0.00616486, 0.0082591, 0.00264374),
        *(4.82899, 6.14085, 33.573, 568.856, 0.0228124, 0.157198, 0.208441, 0.0656746, 0.0618131, 0.0180454),
    ),
)

diabetes = Table(
    name="diabetes",
    about=About(
        title="Diabetes: 442 patients, 10 features, progression after a year below or above its median (2 classes)",
        licence="No terms are given at its source; comes inside scikit-learn, which is BSD-3-Clause.",
        citation="Efron B, Hastie T, Johnstone I, Tibshirani R. Least Angle Regression. Annals of Statistics "
        "32(2):407-499 (2004).",
        source="Comes with the package scikit-learn (sklearn.datasets.load_diabetes, unscaled). Its target is a "
        "quantity; the cut at the median, 140.5, into two classes of 221 patients is ours.",
        needs="",
    ),
    raw=_diabetes,
    classes=("below the median", "above the median"),
    cuts=(140.5,),
    mean=(48.5181, 1.46833, 26.3758, 94.647, 189.14, 115.439, 49.7885, 4.07025, 4.64141, 91.2602),
    std=(13.0942, 0.498996, 4.41312, 13.8156, 34.5689, 30.3787, 12.9196, 1.28899, 0.521799, 11.4833),
)

wine = Table(
    name="wine",
    about=About(
        title="Wine: 178 wines of three growers, 13 features, 3 classes",
        licence="CC BY 4.0",
        citation="Aeberhard S, Forina M. Wine. UCI Machine Learning Repository (1992).",
        source="Comes with the package scikit-learn (sklearn.datasets.load_wine).",
        needs="",
    ),
    raw=_wine,
    classes=("class_0", "class_1", "class_2"),
    mean=(
        *(13.0006, 2.33635, 2.36652, 19.4949, 99.7416, 2.29511, 2.02927, 0.361854, 1.5909, 5.05809, 0.957449),
        *(2.61169, 746.893),
    ),
    std=(
        *(0.809543, 1.114, 0.273572, 3.33017, 14.2423, 0.624091, 0.996049, 0.124103, 0.570749, 2.31176, 0.227929),
        *(0.707993, 314.022),
    ),
)
