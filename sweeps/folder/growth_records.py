"""What the ledger says of a study that grew, and of folds that were taken instead of trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Extended:
    """The study goes on with a declaration that has grown. What had been seen by then is said with it."""

    kind: Literal["extended"] = "extended"
    number: int
    """From 1."""
    old_digest: str
    new_digest: str
    """Of the study before and after."""
    time: float
    changes: Mapping[str, str]
    """What may grow (``repeats``, ``activations`` ...) -> how it did, in words."""
    added: tuple[str, ...]
    """Labels of activations that were not there before."""
    searched_again: tuple[str, ...]
    """Labels whose searches get further settings: they choose again."""
    folds_done: Mapping[str, int]
    """Phase -> folds that were over."""
    folds_planned: Mapping[str, int]
    """Phase -> folds that were planned before."""
    looks: int
    """At the planned comparisons, on the way."""
    reported: bool
    """Whether a report had been written."""


@dataclass(frozen=True, kw_only=True)
class Reused:
    """A fold is taken from where the same training is finished already; its files are copied after this record."""

    kind: Literal["reused"] = "reused"
    fold: str
    folder: str
    """The other study's folder; "" for this one."""
    source: str
    digest: str
    """Of the training, the same for both."""
    code: str
    """Digest of the code that trained it."""
