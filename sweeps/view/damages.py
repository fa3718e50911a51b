"""What is said of damaged folds, wherever a study is spoken of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sweeps.errors import LedgerError
from sweeps.folder import damage, ledger
from sweeps.folder.damage import Damaged
from sweeps.folder.layout import quote_path
from sweeps.folder.records import Completed, FoldKey
from sweeps.folder.state import State, measured, replay
from sweeps.wording import counted

MOST = 5
"""Folds that are named one by one."""


def found(folder: Path) -> list[str]:
    """As :func:`words`, of a study's folder; nothing where it has no ledger that can be read."""
    try:
        state = replay(ledger.read(folder / ledger.FILE))
    except LedgerError:
        return []
    damaged, unseen = damage.glance(folder, state)
    return words(folder, state, damaged, unseen)


def words(folder: Path, state: State, damaged: Mapping[FoldKey, Damaged], unseen: int) -> list[str]:
    """Each with its files, and what mends them; nothing where nothing is damaged. ``unseen``: folds that there was no
    time to look at."""
    looks = f"`actsweep status {quote_path(folder)} --verify`"
    left = [f"not looked at for want of time: {counted(unseen, 'fold')} that are over; {looks} does"] if unseen else []
    return [*_damaged(folder, state, damaged), *left] if damaged else left


def _damaged(folder: Path, state: State, damaged: Mapping[FoldKey, Damaged]) -> list[str]:
    each = [f"damaged: {wrong.what}" for wrong in list(damaged.values())[:MOST]]
    if len(damaged) > MOST:
        each.append(f"damaged: {counted(len(damaged) - MOST, 'further fold')}; `--json` names all")
    again = damage.mendable(state, damaged)
    if again:
        command = f"`actsweep resume {quote_path(folder)} --retry-failed`"
        each.append(f"{command} trains {counted(len(again), 'damaged fold')} again; what was decided on them stays")
    if stopped := len(damaged) - len(again):
        each.append(f"{counted(stopped, 'damaged fold')} of trials that their search stopped early: not trained again")
    return each


def trained_again(state: State) -> list[str]:
    """Trials of which a damaged fold came to other numbers than before."""
    return [f"{trial}: {_unlike(*ends)}" for trial, ends in state.unlike.items()]


def _unlike(before: Completed, now: Completed) -> str:
    was, became = measured(before), measured(now)
    names = [name for name in dict.fromkeys([*was, *became]) if was.get(name) != became.get(name)]
    each = [f"{name} {became.get(name, 'nothing')} (was {was.get(name, 'nothing')})" for name in names[:2]]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return (
        f"trained again, and other numbers came out: {', '.join(each)}{more}; the data, the code, the software or the "
        "device are not what they were, and what was decided on the earlier numbers stays"
    )
