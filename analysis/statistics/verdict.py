"""The one shape in which every statistic says what it found, and the fixed list of words that it may use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import pandas as pd


class Word(StrEnum):
    """All that a comparison may conclude. There is no "significant"."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    CANNOT_TELL = "cannot tell at this n"
    DESCRIPTIVE = "descriptive only"


class Interval(NamedTuple):
    """Ends of an interval, in the units of its estimate."""

    low: float
    high: float


class Probabilities(NamedTuple):
    """Posterior mass below, inside and above the region of practical equivalence; sums to 1."""

    worse: float
    same: float
    better: float


Extra = float | int | str | bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one method says of one activation against one control on one data set."""

    dataset: str
    activation: str
    control: str
    """Empty where the method compares with nothing (a single interval) or with all (an omnibus test)."""
    metric: str
    method: str
    """Which statistic, in words that a caption can carry."""
    estimate: float = math.nan
    """In the metric's units and always signed so that positive means that the activation is better (a loss is turned
    round); nan where nothing could be estimated."""
    interval: Interval | None = None
    level: float = 0.95
    """Coverage of the interval."""
    probabilities: Probabilities | None = None
    p: float | None = None
    """Two-sided; None where no p-value may be given."""
    p_adjusted: float | None = None
    """For the declared family; None where there is none or no p."""
    n: int = 0
    """Units that the method counts: paired splits, data sets or runs, as ``method`` says."""
    word: Word = Word.DESCRIPTIVE
    note: str = ""
    """What limits it, why this word, and what checks of the data say of it; one or more sentences."""
    reason: str = ""
    """Of the note, why this word and no other; empty where the numbers say it."""
    doubts: tuple[str, ...] = ()
    """Of the note, what checks of the data found that this comparison suffers from; a sentence or two each."""
    withdrawn: Word | None = None
    """The word that a failed check took away; None where none did."""
    extras: Mapping[str, Extra] = field(default_factory=dict)
    """Further numbers of the method (t, df, se, floor, rope ...) by name."""


COLUMNS = [
    *("dataset", "activation", "control", "metric", "method", "estimate", "low", "high", "level"),
    *("worse", "same", "better", "p", "p_adjusted", "n", "word", "withdrawn"),
    *("doubts", "note"),
]


def to_frame(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a verdict; columns ``COLUMNS`` and one ``extras.<name>`` for each extra that any of them has."""
    rows: list[dict[str, object]] = []
    for verdict in verdicts:
        low, high = verdict.interval or (math.nan, math.nan)
        worse, same, better = verdict.probabilities or (math.nan, math.nan, math.nan)
        row: dict[str, object] = {
            "dataset": verdict.dataset,
            "activation": verdict.activation,
            "control": verdict.control,
            "metric": verdict.metric,
            "method": verdict.method,
            "estimate": verdict.estimate,
            "low": low,
            "high": high,
            "level": verdict.level,
            "worse": worse,
            "same": same,
            "better": better,
            "p": math.nan if verdict.p is None else verdict.p,
            "p_adjusted": math.nan if verdict.p_adjusted is None else verdict.p_adjusted,
            "n": verdict.n,
            "word": str(verdict.word),
            "withdrawn": "" if verdict.withdrawn is None else str(verdict.withdrawn),
            "doubts": " ".join(verdict.doubts),
            "note": verdict.note,
        }
        row |= {f"extras.{name}": value for name, value in verdict.extras.items()}
        rows.append(row)
    extras = sorted({name for row in rows for name in row} - set(COLUMNS))
    return pd.DataFrame(rows, columns=pd.Index([*COLUMNS, *extras]))
