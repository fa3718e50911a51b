"""What a fold's run says once it has ended, and what its trial's run needs to know of that. Pure."""

from __future__ import annotations

import statistics

from analysis.runs import schema
from sweeps.tracking.run_values import FoldResult, FoldRun, Point, metric_key, milliseconds
from trainer.journal import FoldHistory


def final_points(history: FoldHistory) -> tuple[Point, ...]:
    """What each checkpoint rule's model scores: the declared one's held-out scores in front, what its other parts score
    and the other rules' held-out scores as detail."""
    end = history.end
    assert end is not None
    at = milliseconds(end.time)
    shown, detail = [], []
    for rule, outcome in end.outcomes.items():
        prefix = f"{schema.DETAIL}{schema.OUTCOME_PREFIX}{rule}/"
        detail.append(Point(metric_key(prefix + "epoch"), float(outcome.epoch), at, outcome.epoch))
        for name, value in outcome.metrics.items():
            heldout = name.startswith("heldout/")
            if heldout and rule == end.rule:
                shown.append(Point(metric_key(name), value, at, outcome.epoch))
            elif heldout or rule == end.rule:
                detail.append(Point(metric_key(prefix + name), value, at, outcome.epoch))
    return (*shown, *detail)


def fold_result(run: FoldRun, history: FoldHistory | None) -> FoldResult | None:
    """None for a fold that has not ended."""
    if not run.end_ms:
        return None
    end = history.end if history is not None else None
    outcome = end.outcomes.get(end.rule) if end is not None else None
    return FoldResult(
        status=run.status,
        end_ms=run.end_ms,
        metrics=outcome.metrics if outcome is not None else {},
        epoch_s=epoch_s(history) if history is not None else None,
    )


def epoch_s(history: FoldHistory) -> float | None:
    """Median seconds of an epoch (training, evaluation and the rest), without the first, which warms up, where there
    are more; of a fold that went on on another kind of device, on that one. None of a fold without an epoch."""
    first = history.timed_from
    seconds = [epoch.seconds for epoch in history.epochs if epoch.epoch >= first]
    return statistics.median(seconds[1:] or seconds) if seconds else None
