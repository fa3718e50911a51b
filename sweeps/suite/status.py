"""How a suite stands: a line for each study, and totals; from its files alone, or from its driver while that lives."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.table import Table

from sweeps.driver import waiting
from sweeps.errors import LedgerError, StudyError
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import held
from sweeps.suite import folder
from sweeps.suite.driver import SuiteDriver
from sweeps.view import by_kind, notices, progress
from sweeps.view import status as of_study
from sweeps.view.next_step import next_step
from sweeps.view.progress import Snapshot
from sweeps.view.screen import Shown, tenths
from sweeps.view.waiting import News, short
from sweeps.view.waiting import lines as waiting_lines
from sweeps.wording import counted, duration, jobs


@dataclass(frozen=True, kw_only=True)
class Line:
    """One study of the suite."""

    member: str
    now: Snapshot | None
    """None where its folder cannot be read."""
    jobs_live: int = 0
    """Jobs that are not known to be over."""
    trouble: str = ""
    """Why it was set aside, or cannot be read."""
    stopped: bool = False
    lost: int = 0
    """Folds without a score that nothing tries again unless told to."""

    @property
    def phase(self) -> str:
        if self.now is None:
            return ""
        phases = [row.phase for row in self.now.rows]
        return phases[-1] if phases and "confirm" not in phases else "confirm" if phases else ""

    @property
    def state(self) -> str:
        if self.trouble:
            return "set aside"
        if self.now is None or not self.now.rows:
            return "not begun"
        if self.now.finished:
            return f"finished, {counted(self.lost, 'fold')} lost" if self.lost else "finished"
        return "stopped" if self.stopped else "goes on"


@dataclass(frozen=True, kw_only=True)
class SuiteStatus:
    name: str
    lines: tuple[Line, ...]

    @property
    def snapshots(self) -> list[Snapshot]:
        return [line.now for line in self.lines if line.now is not None]

    def total(self, of: Callable[[Snapshot], int]) -> int:
        return sum(of(now) for now in self.snapshots)

    @property
    def finished(self) -> bool:
        return all(line.now is not None and line.now.finished for line in self.lines)

    @property
    def seconds_left(self) -> float | None:
        """That the epochs to come would take one after the other; None while a study has trained none."""
        left = [0.0 if now.finished else now.seconds_left for now in self.snapshots]
        return None if len(left) < len(self.lines) or None in left else sum(value or 0.0 for value in left)

    @property
    def waiting(self) -> waiting.Waiting:
        return waiting.together(now.waiting for now in self.snapshots)

    @property
    def folds_done(self) -> int:
        return self.total(lambda now: now.folds_done)


def of_driver(driver: SuiteDriver) -> SuiteStatus:
    """While its driver lives."""
    lines = [
        Line(
            member=member.name,
            now=progress.view(member.driver) if member.driver is not None else None,
            jobs_live=0 if member.done else driver.shared.live(member.name),
            trouble=member.trouble,
            stopped=member.stopped,
        )
        for member in driver.members
    ]
    return SuiteStatus(name=driver.suite.name, lines=tuple(lines))


def read(path: Path, *, verify: bool = False) -> tuple[SuiteStatus, dict[str, of_study.StudyStatus]]:
    """From the files of a suite's folder; and each study's own status. ``verify`` as of a study's."""
    suite = folder.opened(path)
    lines, studies = [], {}
    for member in suite.members:
        try:
            found = studies[member] = of_study.read(suite.folder(member), verify=verify)
        except (StudyError, LedgerError) as error:
            lines.append(Line(member=member, now=None, trouble=str(error)))
            continue
        lost = len(of_study.without_score(suite.folder(member))) if found.now.finished else 0
        lost += found.lost
        live = 0 if found.now.finished else found.jobs_live  # the ledger ends before its last jobs do
        lines.append(Line(member=member, now=found.now, jobs_live=live, lost=lost))
    return SuiteStatus(name=suite.name, lines=tuple(lines)), studies


def shown(path: Path, *, as_json: bool = False, verify: bool = False) -> tuple[str, bool]:
    """For programs or for people, and whether a study has damaged folds."""
    now, studies = read(path, verify=verify)
    text = _json(path, now, studies) if as_json else _words(path, now, studies)
    return text, any(found.damaged for found in studies.values())


def _words(path: Path, now: SuiteStatus, studies: Mapping[str, of_study.StudyStatus]) -> str:
    text = io.StringIO()
    Console(file=text, width=110).print(table(now))
    where = quote_path(path)
    lines = [text.getvalue().rstrip(), next_step(path, finished=now.finished, kind="suite")]
    seen = waiting.together(found.waiting for found in studies.values() if found.waiting)
    lines += waiting_lines(seen, alive=held(path))
    lines += [f"{line.member}: {line.trouble}" for line in now.lines if line.trouble]
    for member, found in studies.items():
        for reason, folds in of_study.by_reason(found.troubled).items():
            first = f"`actsweep logs {where} {member}/{folds[0].replace('/', ' ')}`"
            lines.append(f"{member}: {', '.join(folds)}: {reason}; see {first}")
        if found.hint:
            lines.append(f"{member}: {found.hint}")
        lines += [f"{member}: {note}" for note in [*found.notes, *by_kind.lines(found.now.kinds)]]
    lines += notices.words(path, folder.opened(path).notify)
    return "\n".join(lines)


def _json(path: Path, now: SuiteStatus, studies: Mapping[str, of_study.StudyStatus]) -> str:
    """Each study as `actsweep status --json` has it, and totals."""
    plain = {
        "suite": now.name,
        "finished": now.finished,
        "driver_alive": held(path),
        "folds_done": now.folds_done,
        "folds": now.total(lambda each: each.folds),
        "epochs_done": now.total(lambda each: each.epochs_done),
        "epochs_most": now.total(lambda each: each.epochs_most),
        "studies": {member: json.loads(found.json()) for member, found in studies.items()},
        "notice": notices.plain(path),
        "troubled": {line.member: line.trouble for line in now.lines if line.trouble},
    }
    return json.dumps(plain, indent=1)


def table(now: SuiteStatus) -> Table:
    """A line for each study, and totals."""
    made = Table(title=now.name, show_footer=len(now.lines) > 1, caption="; ".join(_notes(now)) or None)
    live = sum(line.jobs_live for line in now.lines)
    of: Sequence[tuple[str, str]] = (
        ("folds", f"{now.folds_done}/{now.total(lambda each: each.folds)}"),
        ("epochs", f"{now.total(lambda each: each.epochs_done)}/{now.total(lambda each: each.epochs_most)}"),
        ("jobs", str(live or "")),
    )
    made.add_column("study", footer="all", no_wrap=True, overflow="fold")
    made.add_column("phase")
    for name, total in of:
        made.add_column(name, footer=total, justify="right")
    made.add_column("device time left", footer=_left(now.seconds_left, now.finished), justify="right")
    made.add_column("state")
    for line in now.lines:
        each = line.now
        if each is None:
            made.add_row(line.member, "", "", "", "", "", line.state)
            continue
        made.add_row(
            line.member,
            line.phase,
            f"{each.folds_done}/{each.folds}",
            f"{each.epochs_done}/{each.epochs_most}",
            str(line.jobs_live or ""),
            _left(each.seconds_left, each.finished),
            line.state,
        )
    return made


def _left(seconds: float | None, finished: bool) -> str:
    return "" if finished else "not known yet" if seconds is None else f"about {duration(seconds)}"


def _notes(now: SuiteStatus) -> list[str]:
    why = short(now.waiting)
    return [*([why] if why else []), *_held_up(now)]


def _held_up(now: SuiteStatus) -> list[str]:
    put_off = dict.fromkeys(each.put_off for each in now.snapshots if each.put_off)
    tracking = dict.fromkeys(each.tracking for each in now.snapshots if each.tracking)
    return [*(f"submission put off: {why}" for why in put_off), *(f"tracking: {why}" for why in tracking)]


def one_line(now: SuiteStatus) -> str:
    """One plain line."""
    each = ", ".join(
        f"{line.member} {line.now.folds_done}/{line.now.folds}" if line.now else f"{line.member} {line.state}"
        for line in now.lines
    )
    parts = [
        f"{now.name}: {now.folds_done}/{counted(now.total(lambda one: one.folds), 'fold')} ({each})",
        f"{now.total(lambda one: one.epochs_done)}/{counted(now.total(lambda one: one.epochs_most), 'epoch')}",
        jobs(sum(line.jobs_live for line in now.lines)),
        "done" if now.finished else f"device time left: {_left(now.seconds_left, now.finished)}",
        *_notes(now),
    ]
    return " | ".join(parts)


class Show(Shown):
    """Shows a suite while it is driven: a live table on a terminal, a line for each change elsewhere."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._begun, self._clock, self._news = clock(), clock, News()

    def __call__(self, now: SuiteStatus) -> None:
        done = tenths(now.total(lambda each: each.epochs_done), now.total(lambda each: each.epochs_most))
        news = self._news(now.waiting, self._clock())
        mark = (now.folds_done, done, news, *_held_up(now), *(line.state for line in now.lines))
        elapsed = f"{duration(self._clock() - self._begun)} elapsed"
        self.show(lambda: Group(table(now), elapsed), mark, lambda: one_line(now))
