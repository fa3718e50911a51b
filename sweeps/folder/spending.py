"""What a study has spent of its budget and promised to its jobs, as its ledger says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sweeps.folder.records import BudgetReached, FoldKey, JobOver, Submitted, Submitting


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A job that is not known to be over, and what it may hold."""

    batch: int
    index: int
    """Of its pack in the batch."""
    seconds: float | None
    """At most, of the budget; None where none was promised."""
    devices: int
    time: float
    """When it was about to be submitted."""

    @property
    def promised_s(self) -> float:
        return (self.seconds or 0.0) * self.devices


@dataclass(kw_only=True)
class Spending:
    """Device seconds: of jobs that are over what they held, of others what they were promised. Changed by the state
    that it is of."""

    spent_s: float = 0.0
    idle_s: float = 0.0
    """Seconds of jobs, of which it is known, that no epoch took."""
    jobs: int = 0
    """Of which it is known."""
    unmetered: set[FoldKey] = field(default_factory=set)
    """Folds of jobs of which it is not known what they held: an earlier version's."""
    holds: dict[str, Hold] = field(default_factory=dict)
    """By job."""
    shortfalls: list[BudgetReached] = field(default_factory=list)

    def submitted(self, begun: Submitting, record: Submitted) -> None:
        for index, job in enumerate(record.jobs):
            if job is not None:
                self.holds[job] = hold(begun, index)

    def job_over(self, record: JobOver, pack: Iterable[FoldKey]) -> None:
        held = self.holds.pop(record.job, None)
        if record.held_s is None or held is None:
            self.unmetered.update(pack)
            return
        self.spent_s += record.held_s * held.devices
        self.idle_s += record.idle_s or 0.0
        self.jobs += record.held_s > 0

    def raised(self) -> None:
        """What a search lacked stays as it is: its winners are chosen."""
        self.shortfalls = [shortfall for shortfall in self.shortfalls if shortfall.phase == "search"]

    def promised_s(self, unanswered: Iterable[Submitting]) -> float:
        """``unanswered``: submissions of which nobody knows yet what became of them."""
        begun = (hold(batch, index) for batch in unanswered for index in range(len(batch.packs)))
        return sum(held.promised_s for held in [*self.holds.values(), *begun])


def hold(begun: Submitting, index: int) -> Hold:
    seconds = begun.seconds[index] if begun.seconds else None
    return Hold(batch=begun.batch, index=index, seconds=seconds, devices=begun.devices, time=begun.time)
