"""Who was told of a study's or suite's last end, for ``status``."""

from __future__ import annotations

from pathlib import Path

from sweeps.driver import receivers
from sweeps.errors import LedgerError
from sweeps.folder.notices import Book, Notice, Outcome
from sweeps.study.running import Notify


def words(path: Path, notify: Notify | None) -> list[str]:
    """A line for each receiver of the last notice; nothing where there was none."""
    try:
        last = Book(path).last if notify is not None else None
    except LedgerError as error:
        return [str(error)]
    if last is None or notify is None:
        return []
    return [f"{last.due.event}: {_line(last, notify, to)}" for to in receivers.of(notify)]


def _line(notice: Notice, notify: Notify, to: str) -> str:
    name, said = receivers.called(notify, to), notice.said.get(to, "")
    outcome = notice.outcome(to)
    if outcome is None:
        return f"{name} is not told yet"
    if outcome is Outcome.DELIVERED:
        return f"{name} was told"
    if outcome is Outcome.UNKNOWN:
        return f"it is not known whether {name} was told ({said or 'its driver ended before the answer'})"
    again = "" if notice.settled(to) else "; the next `actsweep resume` or `tick` tries again"
    return f"{name} could not be told: {said}{again}"


def plain(path: Path) -> dict[str, object] | None:
    """The last notice, for programs; None where there is none, or it cannot be read."""
    try:
        last = Book(path).last
    except LedgerError:
        return None
    if last is None:
        return None
    tries = {to: [str(each) for each in tries] for to, tries in last.tries.items()}
    return {"id": last.due.id, "event": last.due.event, "time": last.due.time, "tries": tries, "said": last.said}
