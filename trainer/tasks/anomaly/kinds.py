"""What a data set's classes are to anomaly detection: normal, a kind of defect, or another set's to pretrain on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.options import nearest
from trainer.datasets.reader import Dataset
from trainer.splits import Case

KNOWN = ("good", "normal", "ok", "free")
"""Names of the class without a defect, unless a study names another."""
PRETRAINING = "pretraining: "
"""Begins the names of classes of another data set."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    names: tuple[str, ...]
    """Of all classes."""
    normal: NDArray[np.bool_]
    """[classes]."""
    pretraining: NDArray[np.bool_]
    """[classes]."""

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        return ~self.normal & ~self.pretraining

    @property
    def products(self) -> tuple[str, ...]:
        """Of classes that are named <product>/<kind>; () where no class is."""
        return tuple(sorted({_product(name) for name in self._own if "/" in name}))

    @property
    def _own(self) -> tuple[str, ...]:
        return tuple(name for name, other in zip(self.names, self.pretraining, strict=True) if not other)

    def of_kind(self, kind: str) -> NDArray[np.bool_]:
        """[classes], True for classes of that kind, of whichever product."""
        return np.array([name == kind or own(name) == kind for name in self.names]) & self.anomalous


def find(dataset: Dataset, normal: str | None, kinds: list[str]) -> Kinds:
    """Raises ValueError where no class or several could be the normal one, and for ``kinds`` that are no kind of
    defect."""
    if dataset.labels is None or len(dataset.classes) < 2:
        raise ValueError(
            "has no labels of two classes or more; one class is to be of normal pictures, the others of kinds of "
            "defect: magnetic_tile, mvtec, or your own by image_folder, where parts: train/good and test/<kind> have a "
            "held-out part"
        )
    pretraining = np.array([name.startswith(PRETRAINING) for name in dataset.classes])
    accepted = KNOWN if normal is None else (normal.lower(),)
    chosen = np.array([own(name).lower() in accepted or name.lower() in accepted for name in dataset.classes])
    found = Kinds(names=dataset.classes, normal=chosen & ~pretraining, pretraining=pretraining)
    count = int(found.normal.sum())
    if count != max(len(found.products), 1):
        own_names = sorted({own(name) for name in found._own})
        what = f"none of its classes is {normal!r}" if normal is not None else "which class is of normal pictures?"
        if count:
            what = f"{count} classes could be of normal pictures"
        raise ValueError(
            f"{what}; say task: {{name: anomaly, normal: <class>}} with one of {', '.join(own_names[:12])} ("
            f"{nearest(normal, own_names) if normal else 'without it, ' + ', '.join(KNOWN) + ' are looked for'})"
        )
    for kind in kinds:
        if not found.of_kind(kind).any():
            known = sorted({own(name) for name, yes in zip(found.names, found.anomalous, strict=True) if yes})
            raise ValueError(f"kinds has {kind!r}, no class with a defect; {nearest(kind, known)}")
    return found


def cases(dataset: Dataset, kinds: Kinds) -> tuple[Case, ...]:
    """One for each product: its own held-out part, and its normal pictures outside of it; what is there to pretrain on
    trains all of them."""
    if dataset.fixed_heldout is None or dataset.labels is None:
        return ()
    made = []
    for product in kinds.products:
        of_product = np.array([_product(name) == product for name in kinds.names]) & ~kinds.pretraining
        trains = (of_product & kinds.normal) | kinds.pretraining
        made.append(
            Case(
                name=product,
                train=trains[dataset.labels] & ~dataset.fixed_heldout,
                heldout=of_product[dataset.labels] & dataset.fixed_heldout,
            )
        )
    return tuple(made)


def own(name: str) -> str:
    """A class without its product."""
    return name.rpartition("/")[2]


def _product(name: str) -> str:
    return name.rpartition("/")[0]
