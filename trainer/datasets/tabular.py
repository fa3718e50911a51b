"""Tables that come with scikit-learn, as they are; each fold standardises the features by its own training part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.content import Content, content_digest
from trainer.datasets.options import Option, choose, describe
from trainer.datasets.reader import About, Dataset
from trainer.spec import Scalar

TARGET = {
    "target": Option(
        default="class",
        meaning="class: the target's range is cut into classes; quantity: the target as it is, for the task regression",
        accepts=("class", "quantity"),
    )
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A :class:`trainer.datasets.reader.Reader` of [n, 1, 1, features] float32."""

    name: str
    about: About
    raw: Callable[[], Any]
    """Gives scikit-learn's bunch."""
    classes: tuple[str, ...]
    cuts: tuple[float, ...] = ()
    """Where the target is a quantity: the values that part its classes, each the least of the class above it."""

    @property
    def declared(self) -> Mapping[str, Option]:
        """Whether the target is a class or the quantity itself, where it is one."""
        return TARGET if self.cuts else {}

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        chosen = choose(self.name, self.declared, options)
        bunch = self.raw()
        items = np.asarray(bunch.data, np.float32)[:, None, None, :]
        if self.cuts and chosen.text("target") == "quantity":
            return self._dataset(items, np.zeros(len(items), np.int64), (), np.asarray(bunch.target)[:, None])
        labels = np.searchsorted(self.cuts, bunch.target, side="right") if self.cuts else bunch.target
        labels = np.asarray(labels, np.int64)
        Content(items=items, labels=labels, classes=self.classes).check(self.name)
        return self._dataset(items, labels, self.classes, None)

    def _dataset(
        self,
        items: NDArray[np.float32],
        labels: NDArray[np.int64],
        classes: tuple[str, ...],
        values: NDArray[np.float64] | None,
    ) -> Dataset:
        return Dataset(
            name=self.name,
            items=items,
            labels=labels if classes else None,
            classes=classes,
            values=values,
            kind="table",
            standardise="fold",
            digest=content_digest(items, labels, classes, {}, values),
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
        options=describe(TARGET),
    ),
    raw=_diabetes,
    classes=("below the median", "above the median"),
    cuts=(140.5,),
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
)
