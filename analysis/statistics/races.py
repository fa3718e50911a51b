"""What the runs of a search say of the race of its settings: who was dropped when, and on which folds all can be
compared."""

from __future__ import annotations

import pandas as pd

from analysis.runs.plan import Race
from analysis.runs.schema import Status

AFTER = "after_"
"""Beginning of the counts of what was dropped after so many folds."""
DROPPED = "dropped"
"""Column of the runs: why their trial was dropped, "" where it was not; there only where some were."""


def dropped(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of a trial that lost its race."""
    return rows[DROPPED].fillna("") != "" if DROPPED in rows else pd.Series(False, index=rows.index)


def course(rows: pd.DataFrame, race: Race) -> dict[str, int]:
    """How one activation's race went, by the runs of its search: settings, ``after_<folds>`` dropped at each look, lost
    (without a result), left, and the folds that were trained, planned and not needed."""
    of_trial = rows.assign(out=dropped(rows), ended=rows["status"] == Status.FINISHED).groupby("trial", sort=True)
    folds = of_trial.size()
    out = of_trial["out"].first()
    ended = of_trial["ended"].all()
    counts = folds[out].value_counts()
    left = ~out & ended & (folds == folds[~out & ended].max())
    planned = race.folds[-1] * len(folds)
    return {
        "settings": len(folds),
        **{f"{AFTER}{number}": int(counts.get(number, 0)) for number in race.folds[:-1]},
        "lost": int((~out & ~left).sum()),
        "left": int(left.sum()),
        "trained": int(folds.sum()),
        "planned": planned,
        "spared": planned - int(folds.sum()),
    }


def on_shared_folds(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one activation's search on the folds that every dropped setting has, too: a mean over other folds
    would count what is hard in them as a difference. All rows where none was dropped."""
    out = rows[dropped(rows)]
    if out.empty:
        return rows
    places = [frozenset(zip(mine["repeat"], mine["fold"], strict=True)) for _, mine in out.groupby("trial")]
    shared = frozenset.intersection(*places)
    return rows[[place in shared for place in zip(rows["repeat"], rows["fold"], strict=True)]]
