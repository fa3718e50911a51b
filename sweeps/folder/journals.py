"""Follows the journals of a study's folds from where it last stopped reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sweeps.folder.device_kinds import TrainedOn, trained_on
from sweeps.folder.records import FoldKey
from trainer.journal import FILE, FoldHistory, Record, attempt_folder, attempts, follow, resolve


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over a trial's folds of the metrics that every one of them has."""
    names = set(rows[0]).intersection(*rows[1:]) if rows else set()
    return {name: sum(row[name] for row in rows) / len(rows) for name in sorted(names)}


class Trained(NamedTuple):
    """What a fold has done."""

    epochs: int
    seconds: float
    """That its epochs took: training, evaluation and the rest."""

    @classmethod
    def of(cls, history: FoldHistory | None) -> Trained:
        epochs = history.epochs if history is not None else ()
        return cls(len(epochs), sum(epoch.seconds for epoch in epochs))

    @classmethod
    def together(cls, histories: Iterable[FoldHistory | None]) -> Trained:
        """What several folds have done."""
        each = [cls.of(history) for history in histories]
        return cls(sum(fold.epochs for fold in each), sum(fold.seconds for fold in each))


@dataclass(kw_only=True)
class _Fold:
    offsets: dict[int, int] = field(default_factory=dict)
    records: dict[int, list[Record]] = field(default_factory=dict)
    history: FoldHistory | None = None


class Journals:
    """The resolved histories of folds, read incrementally. Forgets what it is told to forget, but for how much it has
    trained, and reads it anew when asked again: memory goes with the folds that train, not with those that are done."""

    def __init__(self, trials: Path) -> None:
        self._trials = trials
        self._folds: dict[FoldKey, _Fold] = {}
        self._trained: dict[FoldKey, tuple[TrainedOn, ...]] = {}
        """Of forgotten folds."""
        self.damaged: dict[FoldKey, dict[str, None]] = {}
        """Lines that are no records, in words, each with its file; as far as journals were read."""

    def refresh(self, keys: Iterable[FoldKey]) -> set[FoldKey]:
        """Reads on in each fold's journals; the folds with something new."""
        return {key for key in keys if self._read_on(key)}

    def history(self, key: FoldKey) -> FoldHistory | None:
        """The fold as last read; reads it if it never was."""
        if key not in self._folds:
            self._read_on(key)
        return self._folds[key].history

    def trained(self, key: FoldKey) -> Trained:
        """How much the fold as last read has trained, which stays known when it is forgotten; reads it, for that alone,
        if it never was."""
        each = self.trained_on(key)
        return Trained(sum(on.epochs for on in each), sum(on.seconds for on in each))

    def trained_on(self, key: FoldKey) -> tuple[TrainedOn, ...]:
        """The same by kind of device and partition."""
        if key not in self._folds and key not in self._trained:
            self._read_on(key)
            self.forget([key])
        fold = self._folds.get(key)
        return self._trained[key] if fold is None else trained_on([fold.history])

    def forget(self, keys: Iterable[FoldKey]) -> None:
        for key in keys:
            if (fold := self._folds.pop(key, None)) is not None:
                self._trained[key] = trained_on([fold.history])

    def _read_on(self, key: FoldKey) -> bool:
        fold = self._folds.setdefault(key, _Fold())
        changed = False
        for number in attempts(self._trials / key):
            path = attempt_folder(self._trials / key, number) / FILE
            found = follow(path, fold.offsets.get(number, 0))
            fold.offsets[number] = found.offset
            if found.damaged:
                self.damaged.setdefault(key, {}).update(dict.fromkeys(f"{path}: {line}" for line in found.damaged))
            if found.records:
                fold.records.setdefault(number, []).extend(found.records)
                changed = True
        if changed:
            fold.history = resolve(fold.records)
        return changed
