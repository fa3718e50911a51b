"""What a study's own run shows once it is over: how much was trained, and what the control scores."""

from __future__ import annotations

import math
import statistics

from analysis.runs import schema
from sweeps.folder.records import TrialStatus
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.run_values import FoldResult, Point, metric_key

SUMMARY = schema.PREFIX + "summary"
"""Tag of a study's run: the checksum of what it shows."""


def points(reader: FolderReader, end_ms: int) -> tuple[Point, ...]:
    """Folds that are over, and the control's mean of the declared metric, with its deviation over the folds; the latter
    two where it has finished each of its folds."""
    found = {schema.FOLDS_DONE: float(len(reader.all_folds()))}
    name = f"heldout/{reader.plan.declaration.metric}"
    values = [result.metrics[name] for result in _control(reader) if result is not None and name in result.metrics]
    if values and all(map(math.isfinite, values)):
        found[f"{schema.CONTROL_PREFIX}{schema.MEAN_PREFIX}{name}"] = statistics.fmean(values)
        if len(values) > 1:
            found[f"{schema.CONTROL_PREFIX}{schema.SD_PREFIX}{name}"] = statistics.stdev(values)
    return tuple(Point(metric_key(name), value, end_ms, 0) for name, value in found.items())


def _control(reader: FolderReader) -> list[FoldResult | None]:
    """How each fold ended of the trial that the claims compare with; empty where there is none that has finished."""
    label, phase = reader.plan.declaration.control, reader.plan.claims_phase
    for name in reader.trials():
        if not name.startswith(f"{label}-{phase[0]}"):
            continue
        trial, decided = reader.trial(name), reader.decided(name)
        if (trial.label, trial.phase) != (label, phase) or decided is None or decided.earlier:
            continue
        chosen = phase == "confirm" or decided.chosen is not None or len(reader.plan.search_varies.get(label, ())) == 0
        if chosen and decided.status is TrialStatus.FINISHED:
            return [reader.fold(fold)[1] for fold in reader.folds(name)]
    return []
