"""What happened that may be told: a function of ledgers and journals, and of the error that ended a driver."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.folder import ledger
from sweeps.folder import reported as kept
from sweeps.folder.journals import Journals
from sweeps.folder.records import Finished, LedgerRecord, Paused, Submitted, Submitting
from sweeps.folder.reported import Reported
from sweeps.folder.state import State
from sweeps.study.running import Event
from sweeps.study.study import Study
from sweeps.view import progress
from sweeps.view.status import by_reason, without_score
from sweeps.wording import counted, duration

END = "end"


@dataclass(frozen=True, kw_only=True)
class Happened:
    """What is to be told, and of what it is told once."""

    of: str
    """Of all that happened to this folder, what names this."""
    event: Event
    why: tuple[str, ...] = ()
    """Why it is not simply finished, a sentence each."""


@dataclass(kw_only=True)
class Stands:
    """How a study's ledger stands, for what is told. Changed by :meth:`apply` alone."""

    state: State = field(default_factory=State)
    ends: int = 0
    ended_at: float = 0.0
    stops: int = 0
    stopped: bool = False
    """Its jobs were cancelled on request, and nothing was submitted since."""
    submitted: int = 0
    """Submissions that got in."""

    def apply(self, record: LedgerRecord) -> None:
        self.state.apply(record)
        if isinstance(record, Finished):
            self.ends, self.ended_at, self.stopped = self.ends + 1, record.time, False
        elif isinstance(record, Paused):
            self.stops += not self.stopped
            self.stopped = True
        elif isinstance(record, Submitting):
            self.stopped = False
        elif isinstance(record, Submitted):
            self.submitted += any(job is not None for job in record.jobs)


def stands(path: Path) -> Stands:
    """Of a study folder. Raises :class:`sweeps.errors.LedgerError`."""
    found = Stands()
    for record in ledger.read(path / ledger.FILE):
        found.apply(record)
    return found


def of_study(path: Path, study: Study, now: Stands, problem: str = "") -> Happened | None:
    """What happened last to a study, None where it is under way. ``problem``: the error that ended its driver."""
    if now.state.finished:
        why = lacking(path, study, now.state)
        why += [f"afterwards: {problem}"] if problem else []
        return Happened(of=f"{END} {now.ends}", event="failed" if why else "finished", why=tuple(why))
    if problem:
        return _failed(problem, now.submitted)
    return Happened(of=f"stop {now.stops}", event="stopped") if now.stopped else None


def of_suite(
    paths: dict[str, Path], now: dict[str, Stands], studies: dict[str, Study], problem: str
) -> Happened | None:
    """What happened last to a suite; all by member."""
    if all(each.state.finished for each in now.values()):
        ends = " ".join(f"{member} {each.ends}" for member, each in now.items())
        found = {member: lacking(paths[member], studies[member], each.state) for member, each in now.items()}
        why = [f"{member}: {said}" for member, lines in found.items() for said in lines]
        why += [f"afterwards: {problem}"] if problem else []
        return Happened(of=f"{END} {ends}", event="failed" if why else "finished", why=tuple(why))
    if problem:
        return _failed(problem, sum(each.submitted for each in now.values()))
    if any(each.stopped for each in now.values()):
        return Happened(of=f"stop {sum(each.stops for each in now.values())}", event="stopped")
    return None


def _failed(problem: str, submitted: int) -> Happened:
    """The same error is told again only after something could be submitted: a driver by cron meets it at each tick."""
    named = hashlib.sha256(problem.encode("utf-8", errors="replace")).hexdigest()[:16]
    return Happened(of=f"error {named} after {submitted}", event="failed", why=(problem,))


def lacking(path: Path, study: Study, state: State) -> list[str]:
    """What a study that ended lacks of what was planned, a sentence each."""
    lost = without_score(path)
    said = [f"{counted(len(folds), 'fold')} without a score: {reason}" for reason, folds in by_reason(lost).items()]
    said += [f"not paid for by the budget: {each.what}" for each in state.spending.shortfalls]
    unchosen = [label for label in study.searched() if label not in state.selected]
    if unchosen and not state.spending.shortfalls:
        said.append(f"not compared: {', '.join(unchosen)}: no setting searched has a result")
    return said


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Folds and time of a study, or of all of a suite's."""

    planned: int = 0
    done: int = 0
    lost: int = 0
    """Over, and without a score."""
    epoch_seconds: float = 0.0
    """That all epochs took together, of searches too."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            planned=self.planned + other.planned,
            done=self.done + other.done,
            lost=self.lost + other.lost,
            epoch_seconds=self.epoch_seconds + other.epoch_seconds,
        )

    def words(self) -> str:
        lost = f", {self.lost} without a score" if self.lost else ""
        spent = f"; its epochs took {duration(self.epoch_seconds)}" if self.epoch_seconds else ""
        return f"{self.done} of {counted(self.planned, 'fold')} done{lost}{spent}"


def counts(path: Path, study: Study, state: State) -> Counts:
    lost = len(without_score(path))
    shown = progress.snapshot(study, state, Journals(path / "trials"))
    return Counts(
        planned=shown.folds,
        done=max(0, shown.folds_done - lost) if state.finished else shown.folds_done,
        lost=lost,
        epoch_seconds=sum(group.seconds for group in state.index.groups.values()),
    )


def reported(path: Path, since: float) -> Reported | None:
    """The report that was written of a study after it ended; None where there is none yet, or none any more."""
    known = kept.read(path)
    return known if known is not None and known.time >= since and Path(known.page).exists() else None
