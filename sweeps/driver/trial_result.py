"""From the folds of a trial to the trial: means per epoch, metrics and status. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sweeps.folder.journals import means
from sweeps.folder.records import TrialAdded, TrialStatus
from sweeps.folder.state import State
from trainer.journal import FoldHistory
from trainer.tasks.metric import LOSS

# The worst of its folds' ends is the trial's.
_ORDER = tuple(TrialStatus)


def epochs_done(folds: Iterable[FoldHistory | None]) -> int:
    """Epochs in all the journals together: grows whenever any of the folds gets on."""
    return sum(len(fold.epochs) for fold in folds if fold is not None)


def comparable_epoch(folds: Sequence[FoldHistory | None], closed: Sequence[TrialStatus | None]) -> int:
    """The last epoch at which every fold can be compared: the least epoch of the folds that still train, or the
    greatest of all when none does. 0 while a fold has not begun. ``closed`` as in :func:`closed`."""
    done: list[int] = []
    training: list[int] = []
    for fold, closed_as in zip(folds, closed, strict=True):
        epochs = fold.epochs[-1].epoch if fold is not None and fold.epochs else 0
        done.append(epochs)
        if closed_as is None and (fold is None or fold.end is None):
            training.append(epochs)
    return min(training) if training else max(done, default=0)


def validated(folds: Sequence[FoldHistory], epoch: int) -> bool:
    """Whether the epoch was one of those after which the folds are validated; all of a trial's are at the same ones."""
    records = (record for fold in folds for record in fold.epochs if record.epoch == epoch)
    return any(f"validation/{LOSS}" in record.metrics for record in records)


def means_at(folds: Sequence[FoldHistory], epoch: int, metric: str) -> dict[str, float] | None:
    """Means over the folds of every metric at ``epoch``. A fold that ended earlier goes on counting with the epoch that
    its checkpoint rule picked, or its last. None where a fold has nothing to count with or ``metric`` is not finite."""
    rows: list[Mapping[str, float]] = []
    for fold in folds:
        row = _metrics_at(fold, epoch)
        if row is None or not math.isfinite(row.get(metric, math.nan)):
            return None
        rows.append(row)
    return means(rows)


def _metrics_at(fold: FoldHistory, epoch: int) -> Mapping[str, float] | None:
    if not fold.epochs:
        return None
    by_number = {record.epoch: record.metrics for record in fold.epochs}
    if epoch in by_number:
        return by_number[epoch]
    if fold.end is not None and fold.end.rule in fold.end.outcomes:
        return by_number.get(fold.end.outcomes[fold.end.rule].epoch, fold.epochs[-1].metrics)
    return fold.epochs[-1].metrics


def closed(state: State, trial: TrialAdded) -> list[TrialStatus | None]:
    """What was decided for the trial's folds that have no end of their own: INFRA_FAILED where the driver gave up,
    STOPPED where the trial was stopped before the fold began; None for all others."""
    in_flight = {fold for begun in state.unanswered.values() for pack in begun.packs for fold in pack}
    result: list[TrialStatus | None] = []
    for fold in trial.folds:
        waiting = fold not in state.job_of and fold not in in_flight
        if fold in state.gave_up:
            result.append(TrialStatus.INFRA_FAILED)
        elif trial.trial in state.stopping and waiting:
            result.append(TrialStatus.STOPPED)
        else:
            result.append(None)
    return result


def combine(
    folds: Sequence[FoldHistory | None], closed: Sequence[TrialStatus | None]
) -> tuple[TrialStatus, dict[str, float]] | None:
    """Status and mean metrics of a trial whose folds are all over; None while one is not.

    ``closed`` as :func:`closed` gives it. Metrics are validation and training ones only: what
    nothing may be selected on (``heldout/``) is left out on purpose. They are empty unless every fold has an outcome.
    """
    statuses: list[TrialStatus] = []
    rows: list[Mapping[str, float]] = []
    for fold, closed_as in zip(folds, closed, strict=True):
        if fold is not None and fold.end is not None:
            statuses.append(TrialStatus(fold.end.status))
            if fold.end.rule in fold.end.outcomes:
                rows.append(fold.end.outcomes[fold.end.rule].metrics)
        elif closed_as is not None:
            statuses.append(closed_as)
        else:
            return None
    status = max(statuses, key=_ORDER.index)
    if not status.has_result or len(rows) < len(folds):
        return status, {}
    return status, {name: value for name, value in means(rows).items() if not name.startswith("heldout/")}
