"""One poller for every job: one squeue for all of them, sacct only for those that squeue has forgotten, with back-off.

Between questions the answers come from memory. The time between two questions starts at the profile's ``poll_min_s``,
grows by half while nothing changes, up to ``poll_max_s``, and doubles after a question that was not answered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import job_results
from slurm.jobs import JobReport, JobState
from slurm.profile import Profile
from slurm.scheduler import states, waiting
from slurm.scheduler.commands import Scheduler
from slurm.scheduler.squeue import Queue, Row

NAMES_AT_MOST = 100
"""More job names than this are not listed: all of the user's jobs are asked for."""
HISTORY_AT_MOST = 500
COMPLETING = "COMPLETING"
FORGOTTEN_BEFORE_LOST = 3
"""So many sound answers without a job, from squeue and then from accounting, before it counts as lost."""
UNSOUND_BEFORE_TOLD = 3
LOST_ANYWAY = 30
"""So many from squeue alone, where accounting does not answer."""


@dataclass(kw_only=True)
class _Memory:
    state: JobState = JobState.UNKNOWN
    node: str | None = None
    reason: str = ""
    start: float | None = None
    """Of one that waits, when it is expected to start."""
    missed: int = 0
    """Sound answers of squeue in a row without the job."""
    asked: int = 0
    """Answers of accounting without the job, or with it still under way."""


class Poller:
    """What is known of each job.

    ``folder_of`` gives the folder of a job's log and result, ``name_of`` its name in Slurm, ``partition_of`` which of
    the profile's partitions it was sent to; None where unknown.
    ``now`` is the clock, in seconds.
    """

    def __init__(
        self,
        profile: Profile,
        scheduler: Scheduler,
        *,
        folder_of: Callable[[str], Path | None],
        name_of: Callable[[str], str | None],
        partition_of: Callable[[str], str | None],
        now: Callable[[], float],
    ) -> None:
        self.profile = profile
        self.scheduler = scheduler
        self.cancelled: set[str] = set()
        """Jobs whose end we asked for."""
        self.unconfirmed: set[str] = set()
        """Names of submissions of which nobody knows whether Slurm took them."""
        self.orphans: dict[str, list[str]] = {}
        """Jobs, not over, that were seen under such a name."""
        self._folder_of = folder_of
        self._name_of = name_of
        self._partition_of = partition_of
        self._now = now
        self._memory: dict[str, _Memory] = {}
        self._interval = profile.poll_min_s
        self._next = 0.0
        self._next_history = 0.0
        self._history_interval = profile.poll_min_s
        self._unsound = 0
        """Answers in a row of which it cannot be said that they are whole."""
        self.trouble = ""
        """What keeps the states of jobs from being known, for people; "" where nothing does."""

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        """A report per job; asks the scheduler where it is time to."""
        for job in jobs:
            self._memory.setdefault(job, _Memory())
        open_jobs = [job for job in jobs if not self._memory[job].state.over]
        if (open_jobs or self.unconfirmed) and self._now() >= self._next:
            self._ask_queue(open_jobs)
        return {job: self._report(job) for job in jobs}

    def soon(self) -> None:
        """Something was submitted or cancelled: the next question need not wait long."""
        self._interval = self.profile.poll_min_s
        self._next = min(self._next, self._now() + self._interval)

    def active(self) -> list[str]:
        """Jobs that are not over, as far as known."""
        return [job for job, memory in self._memory.items() if not memory.state.over]

    def expect(self, jobs: Collection[str]) -> None:
        """These were just accepted: pending until the scheduler says otherwise."""
        for job in jobs:
            self._memory[job] = _Memory(state=JobState.PENDING)
        self.soon()

    def _report(self, job: str) -> JobReport:
        memory = self._memory[job]
        start = memory.start if memory.state is JobState.PENDING else None
        return JobReport(job=job, state=memory.state, node=memory.node, reason=memory.reason, expected_start=start)

    def _ask_queue(self, jobs: list[str]) -> None:
        names = {name for job in jobs if (name := self._name_of(job)) is not None} | self.unconfirmed
        nameless = any(self._name_of(job) is None for job in jobs)
        answer = self.scheduler.queue([] if nameless or len(names) > NAMES_AT_MOST else sorted(names))
        before = {job: self._memory[job].state for job in jobs}
        seen = {row.job: row for row in answer.rows}
        for job in jobs:
            if job in seen:
                self._memory[job].missed = 0
                self._take(job, seen[job])
        self._unsound = 0 if answer.whole else self._unsound + 1
        self.trouble = self._trouble(answer) if self._unsound >= UNSOUND_BEFORE_TOLD else ""
        if not answer.whole:
            self._interval = min(self.profile.poll_max_s, 2 * self._interval)
            self._next = self._now() + self._interval
            return
        self._note_orphans(answer.rows)
        for job in jobs:
            if job not in seen:
                self._memory[job].missed += 1
        self._ask_history([job for job in jobs if self._memory[job].missed])
        changed = any(self._memory[job].state is not state for job, state in before.items())
        self._interval = self.profile.poll_min_s if changed else min(self.profile.poll_max_s, 1.5 * self._interval)
        self._next = self._now() + self._interval

    def _trouble(self, answer: Queue) -> str:
        what = "answers what cannot be read" if answer.rows or not answer.problem else "does not answer"
        said = f": {answer.problem}" if answer.problem else ""
        return (
            f"squeue {what}, {self._unsound} times in a row{said}; folds go on and their journals are read, but that a "
            "job ended without a result is not noticed"
        )

    def _note_orphans(self, rows: Sequence[Row]) -> None:
        self.orphans = {}
        for row in rows:
            if row.name in self.unconfirmed and not states.read(row.word).over:
                self.orphans.setdefault(row.name, []).append(row.job)

    def _ask_history(self, forgotten: list[str]) -> None:
        """What squeue does not know any more: first by the job's own result, then by accounting."""
        unknown = [job for job in forgotten if not self._take_result(job)]
        if not unknown:
            self._history_interval = self.profile.poll_min_s
            return
        alone = not self.profile.accounting or self.scheduler.without_accounting
        patience = FORGOTTEN_BEFORE_LOST if alone else LOST_ANYWAY
        self._give_up_on([job for job in unknown if self._memory[job].missed >= patience])
        unknown = [job for job in unknown if not self._memory[job].state.over]
        if alone or not unknown:
            return
        if self._now() < self._next_history:
            return
        self._next_history = self._now() + self._history_interval
        self._history_interval = min(self.profile.poll_max_s, 2 * self._history_interval)
        asked = unknown[:HISTORY_AT_MOST]
        roots = sorted({job.partition("_")[0] for job in asked}, key=int)
        rows = self.scheduler.history(f"--jobs={','.join(roots)}")
        if rows is None:
            return
        seen = {row.job: row for row in rows}
        for job in asked:
            row = seen.get(job)
            if row is not None and states.read(row.word).over:
                self._take(job, row)
            else:
                self._memory[job].asked += 1
        lost = [job for job in asked if self._memory[job].asked >= FORGOTTEN_BEFORE_LOST]
        self._give_up_on([job for job in lost if not self._memory[job].state.over])

    def _give_up_on(self, jobs: list[str]) -> None:
        """Jobs that neither the queue nor accounting knows and that left no result: they do not run."""
        for job in jobs:
            folder = self._folder_of(job)
            memory = self._memory[job]
            if job in self.cancelled:
                memory.state, memory.reason = JobState.CANCELLED_BY_US, ""
                continue
            memory.state = JobState.FAILED
            line = job_results.last_logged(folder, job) if folder is not None else "none"
            memory.reason = f"the scheduler no longer knows it and it left no result; last line of its log: {line}"

    def _take_result(self, job: str) -> bool:
        folder = self._folder_of(job)
        ended = job_results.from_result(folder, job) if folder is not None else None
        if ended is None:
            return False
        self._memory[job].state, self._memory[job].reason = self._ours(job, ended[0]), ended[1]
        return True

    def _take(self, job: str, row: Row) -> None:
        memory = self._memory[job]
        if states.word(row.word) == COMPLETING and self._take_result(job):
            return  # Slurm may need minutes to notice, after an interruption of its own
        memory.state = self._ours(job, states.read(row.word))
        memory.node = row.node or memory.node
        memory.start = row.start
        memory.reason = waiting.explained(row.reason, row.word) if memory.state is JobState.PENDING else ""
        if memory.state is JobState.UNKNOWN:
            memory.reason = states.unknown(row.word)
        if memory.state.over:
            memory.state, memory.reason = self._explained(job, memory.state, row)

    def _ours(self, job: str, state: JobState) -> JobState:
        ended = (JobState.CANCELLED, JobState.FAILED, JobState.TIMED_OUT, JobState.PREEMPTED)
        return JobState.CANCELLED_BY_US if job in self.cancelled and state in ended else state

    def _explained(self, job: str, state: JobState, row: Row) -> tuple[JobState, str]:
        folder = self._folder_of(job)
        if state is JobState.TIMED_OUT:
            return state, "reached its time limit (time in the profile)"
        if state is JobState.OUT_OF_MEMORY:
            return state, self.profile.out_of_memory(self._partition_of(job))
        if state in (JobState.FINISHED, JobState.FAILED) and folder is not None:
            ended = job_results.from_result(folder, job)
            if ended is not None:
                return ended
            if state is JobState.FAILED:
                return state, job_results.last_logged(folder, job)
        if state is JobState.CANCELLED and (by := states.author(row.word)) is not None:
            return state, f"{states.ACTION[state]} (by user {by})"
        return state, states.ACTION.get(state, "")
