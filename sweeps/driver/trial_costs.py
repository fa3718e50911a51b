"""What a search trial cost, for searches that look for it beside a metric. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from sweeps.folder.records import TrialAdded
from sweeps.study.objectives import COSTS
from sweeps.study.study import Study
from sweeps.tracking.fold_outcome import epoch_s
from trainer.journal import FoldHistory


def measured(study: Study, trial: TrialAdded, folds: Sequence[FoldHistory | None]) -> dict[str, float]:
    """Each cost among the search's objectives, mean over the trial's folds; without one that a fold did not measure.
    Empty for other trials. It is written with the trial's end, so that a replay tells the search the same times."""
    if study.search is None or trial.phase != "search":
        return {}
    found: dict[str, float] = {}
    for name in study.search.objectives:
        if name in COSTS:
            values = [None if fold is None else MEASURES[name](fold) for fold in folds]
            known = [value for value in values if value is not None]
            if known and len(known) == len(values):
                found[name] = statistics.fmean(known)
    return found


MEASURES: Mapping[str, Callable[[FoldHistory], float | None]] = {"epoch_s": epoch_s}
