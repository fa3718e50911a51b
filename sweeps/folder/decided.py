"""What was decided of a trial, beside its folds: ``decided.json``, for those who read the folder without the ledger.

Written after the ledger, from its state, as often as a driver starts or the folder is synced; so it is there for
folders that an earlier version made, too, and is read instead of being decided again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sweeps.folder import layout, winners
from sweeps.folder.records import TrialStatus
from sweeps.folder.state import State
from trainer.codec import SINCE, Format, from_text, to_text

FILE = "decided.json"
DECIDED = Format(name="decisions of a trial", schema=1)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The trial won its search."""

    metric: str
    """By which it was chosen: ``validation/<metric>``."""
    value: float | None
    """Its mean over the folds; None where every setting diverged."""
    among: int
    """Settings that were tried."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    FORMAT: ClassVar[Format] = DECIDED

    schema: int = DECIDED.schema
    status: TrialStatus
    chosen: Choice | None = None
    earlier: bool = field(default=False, metadata={SINCE: 1})
    """Whether it confirms a setting that its search chose before it went on and chose another one."""
    dropped: str = field(default="", metadata={SINCE: 1})
    """Why it lost the race of its activation's settings, by which rule: it has fewer folds than were planned, and its
    metrics are means over those. "" where it did not."""


def of(state: State, trial: str) -> Decided | None:
    """None while the trial is not over."""
    done = state.completed.get(trial)
    if done is None:
        return None
    dropped = state.dropped.get(trial, "")
    choice = next((item for item in state.selected.values() if item.trial == trial and item.among), None)
    if choice is None:
        earlier = winners.is_earlier(state, state.trials[trial])
        return Decided(status=done.status, earlier=earlier, dropped=dropped)
    value = choice.value if math.isfinite(choice.value) else None
    chosen = Choice(metric=choice.metric, value=value, among=choice.among)
    return Decided(status=done.status, chosen=chosen, dropped=dropped)


def write(trials: Path, state: State, trial: str) -> None:
    """Makes the trial's file say what the ledger says. ``trials``: the folder of the trials."""
    path, decided = trials / trial / FILE, of(state, trial)
    if decided is None:
        path.unlink(missing_ok=True)  # it is tried again
    elif not path.exists() or path.read_bytes() != to_text(decided).encode():
        layout.write_aside(path, to_text(decided))


def write_all(trials: Path, state: State) -> None:
    for trial in state.trials:
        if (trials / trial).is_dir():
            write(trials, state, trial)


def read(folder: Path) -> Decided | None:
    """Of a trial's folder; None while nothing was decided. Raises OSError, UnicodeDecodeError and
    :class:`trainer.errors.SpecError`."""
    try:
        return from_text(Decided, (folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
