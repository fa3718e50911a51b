"""Texts as tickets that jobs of another cluster take: a :class:`slurm.jobs.Cluster` whose jobs are tickets.

Nothing is lost or doubled wherever the driver or a worker is killed. A ticket's file is in exactly one place; who moves
it has it; and how it ended is on disk before it is gone. What no worker says the end of, since its job is over, the
driver takes to itself first, looks once more whether the end was said, and then settles for good.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Cluster, JobReport, JobState, check_name
from slurm.pool import outfit, place, sizing
from slurm.pool.book import Book
from slurm.pool.ends import name_of
from slurm.pool.fleet import Fleet, Sent
from slurm.pool.runs import number_of, worker_of
from slurm.pool.tickets import Pool
from slurm.profile import Profile

AGAIN_S = (15.0, 300.0)
"""Least and greatest wait after workers were refused; doubles in between."""
GONE_AFTER_S = 120.0
"""How long a ticket may be nowhere: folders of shared file systems are listed late."""
LONGEST_NAME, LONGEST_PREFIX = 200, 150
NOT_ITS_DOING = (JobState.PREEMPTED, JobState.CANCELLED_BY_US)


class PoolCluster:
    """``inner`` runs the workers, by the profile that :func:`slurm.pool.outfit.for_worker` makes of ``profile``;
    ``folder`` is the pool's. ``no_more``: no worker is sent any more; what is open ends, as if it had made way."""

    def __init__(
        self,
        profile: Profile,
        inner: Cluster,
        folder: Path,
        *,
        no_more: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.profile, self.inner = profile, inner
        self.costs = inner.costs
        self._pool = Pool(folder.expanduser().absolute())
        self._no_more, self._now = no_more, now
        self._book = Book(self._pool)
        self._fleet = Fleet(inner, self._pool, self._work)
        self._fleet.look()
        self._gone: dict[str, float] = {}
        """Jobs of which there is no trace, and since when."""
        self._again_at = self._wait = 0.0
        self._refused = ""
        self._idle_since: float | None = None
        self._ends_before = 0

    @property
    def trouble(self) -> str:
        return self.inner.trouble or self._refused

    # -- what a driver asks --------------------------------------------------------------------------------------------

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        check_name(name, LONGEST_NAME)
        if self.recover(name, folder):
            raise SubmissionRejected(f'jobs named "{name}" were submitted before; recover() gives them')
        root = place.settle(folder, self._pool.folder)
        self._pool.make()
        self._pool.reopen()
        elsewhere = () if self.profile.executor == "local" else tuple(sorted(avoid))
        jobs = [f"{name}.{index}" for index in range(len(texts))]
        for job, text in zip(jobs, texts, strict=True):
            path = place.log(job, root)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._book.put(job, call, text, log=path, avoid=elsewhere)
        try:
            self._staff()
        except SubmissionRejected:  # and there is no worker that could have taken one
            for job in jobs:
                self._book.take_back(job)
            raise
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        self._book.look()
        return self._book.of_name(name)

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self._book.look()
        self._fleet.look()
        self._fleet.poll()
        self._elsewhere()
        self._settle()
        self._staff()
        return {job: self._report(job) for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        for job in jobs:
            self._book.ask_to_end(job)

    def room(self, active: int) -> int:
        ended, self._ends_before = len(self._book.ends) - self._ends_before, len(self._book.ends)
        return sizing.room(self._standing(), active, ended=ended)

    def release(self) -> None:
        """Closes the pool: workers leave as soon as nothing is open. Those that have not begun, or that run what was
        cancelled, are ended, unless something of another study still waits or runs here."""
        if not self._pool.folder.is_dir():
            return
        self._book.look()
        if self._book.wanted:
            return
        self._pool.close()
        with contextlib.suppress(SubmissionRefused):
            self._fleet.recover()
        self._fleet.look()
        self._fleet.poll()
        holding = self._holding()
        busy = [sent for sent in self._fleet.live.values() if sent.worker in holding]
        self._fleet.cancel([*self._fleet.waiting(holding), *busy])

    def workers(self) -> Counter[JobState]:
        """How many of the jobs on which the packs run there are, by state."""
        live = self._fleet.live.values()
        return Counter(sent.report.state if sent.report else JobState.PENDING for sent in live)

    # -- how a ticket stands -------------------------------------------------------------------------------------------

    def _report(self, job: str) -> JobReport:
        ended = self._book.report(job)
        if ended is not None:
            return ended
        if job in self._book.taken:
            return JobReport(job=job, state=JobState.RUNNING, node=self._host(self._book.taken[job][0]))
        if job in self._book.open:
            return self._waiting(job)
        since = self._gone.setdefault(job, self._now())
        if self._now() - since < GONE_AFTER_S:
            return JobReport(job=job, state=JobState.UNKNOWN, reason="is in none of the pool's lists; looked for again")
        self._book.settle(job, JobState.NODE_FAILED, f"there is no trace of it in {self._pool.folder}")
        return self._report(job)

    def _host(self, run: str) -> str | None:
        said = self._fleet.runs.of(run)
        return said.host if said is not None else None

    def _waiting(self, job: str) -> JobReport:
        """A ticket waits for what the first of the workers waits for."""
        reports = [sent.report for sent in self._fleet.live.values() if sent.report is not None]
        first = next((report for report in reports if report.state is JobState.PENDING), None)
        if first is None or self._refused:
            return JobReport(job=job, state=JobState.PENDING, reason=self._refused)
        reason = first.reason.replace(" JOB`", f" {first.job}`")  # a command takes the scheduler's id
        return JobReport(job=job, state=JobState.PENDING, reason=reason, expected_start=first.expected_start)

    # -- what no worker says the end of --------------------------------------------------------------------------------

    def _settle(self) -> None:
        book = self._book
        self._gone = {job: at for job, at in self._gone.items() if job not in book.open and job not in book.taken}
        over, newest = self._fleet.over(), self._fleet.runs.newest()
        together = Counter(run for run, _ in book.taken.values())
        for job, (run, _) in list(book.taken.items()):
            worker = worker_of(run)
            sent = self._fleet.live.get(worker)
            if sent is None or worker in over:
                state, reason = _lost_with(sent, together[run])
                book.lost(job, state, reason, node=self._host(run))
            elif sent.back or (worker in newest and newest[worker][0] > number_of(run)):
                again = "the job that ran it was started again by the scheduler"
                book.lost(job, JobState.NODE_FAILED, again, node=self._host(run))
        took = {worker_of(run) for run in together}
        for sent in over.values():
            self._dismiss(sent, took=sent.worker in took)

    def _dismiss(self, sent: Sent, *, took: bool) -> None:
        """A worker whose job is over. One that ended badly before it ever took a ticket fails as many as it had places
        for, so that a set-up that is wrong comes to an end by the limit of retries."""
        assert sent.report is not None
        runs = self._fleet.runs_of(sent.worker)
        took = took or any(self._book.ends.said(run) for run in runs)
        if not took and not self._pool.closed and (why := self._why_nothing(sent.report, runs)):
            state = {JobState.FINISHED: JobState.TIMED_OUT, JobState.OUT_OF_MEMORY: JobState.FAILED}
            places = self._fleet.runs.typical() or outfit.at_a_time(self.profile) or 1
            for job in list(self._book.open)[:places]:
                self._book.end_open(job, state.get(sent.report.state, sent.report.state), why, node=sent.report.node)
        self._fleet.dismiss(sent)

    def _why_nothing(self, report: JobReport, runs: Sequence[str]) -> str:
        """Why a worker that took nothing speaks against what is open; "" where it does not."""
        if report.state in NOT_ITS_DOING:
            return ""
        if report.state is not JobState.FINISHED:
            words = f"{report.state.value}: {report.reason}".removesuffix(": ")
            return f"the job that was to run it ended before it took anything: {words}"
        said = next((known for run in reversed(runs) if (known := self._fleet.runs.of(run)) is not None), None)
        if said is None or not any(
            self._book.opened_before(job, said.since) and said.host not in self._book.avoided(job)
            for job in self._book.open
        ):
            return ""
        return f"a job ran, and ended without taking it: {said.leaving or 'it does not say why'}"

    # -- workers -------------------------------------------------------------------------------------------------------

    def _standing(self) -> sizing.Standing:
        return self._fleet.standing(outfit.at_a_time(self.profile), limited=self.profile.max_jobs is not None)

    def _staff(self) -> None:
        """Sends as many workers as what is open needs, and ends those that wait while nothing was open for long."""
        if self._no_more:
            self._pool.close()
            for job in list(self._book.open):
                self._book.end_open(job, JobState.PREEMPTED, "jobs hold one pack each by now; it is submitted as one")
        if not self._book.open:
            self._refused = ""
            self._end_unneeded()
            return
        self._idle_since = None
        if self._now() < self._again_at:
            return
        try:
            self._fleet.recover()
            further = sizing.further(self._standing(), len(self._book.open) + len(self._book.taken))
            if further:
                self._send(further)
        except SubmissionRefused as error:
            self._put_off(str(error))
        except SubmissionRejected as error:
            if not self._fleet.live:
                raise
            self._put_off(str(error))
        else:
            self._refused, self._wait = "", 0.0

    def _send(self, further: int) -> None:
        prefix = name_of(next(iter(self._book.open)))[:LONGEST_PREFIX]
        avoid = self._book.avoided_by_all()
        try:
            self._fleet.send(further, prefix=prefix, avoid=avoid)
        except SubmissionRejected:
            if not avoid:
                raise
            self._book.allow(avoid)  # the nodes to be kept from may be all there are
            self._fleet.send(further, prefix=prefix, avoid=())

    def _holding(self) -> set[str]:
        """The workers that have tickets."""
        return {worker_of(run) for run, _ in self._book.taken.values()}

    def _put_off(self, why: str) -> None:
        self._wait = min(max(2 * self._wait, AGAIN_S[0]), AGAIN_S[1])
        self._again_at = self._now() + self._wait
        self._refused = why

    def _end_unneeded(self) -> None:
        """Nothing was open for as long as a worker that runs would wait for it."""
        self._idle_since = self._idle_since if self._idle_since is not None else self._now()
        if self._fleet.live and self._now() - self._idle_since >= self.profile.idle_s:
            with contextlib.suppress(SubmissionRefused):
                self._fleet.recover()
            self._fleet.cancel(self._fleet.waiting(self._holding()))

    def _elsewhere(self) -> None:
        """Where a worker came to a node that it was not to come to, there is no other."""
        avoided = self._book.avoided_by_all()
        live = self._fleet.live
        hosts = {said.host: live[worker] for worker, (_, said) in self._fleet.runs.newest().items() if worker in live}
        if any(host in avoided and host in sent.avoid for host, sent in hosts.items()):
            self._book.allow(avoided)

    def _work(self, worker: str) -> str:
        asked = outfit.work(self.profile, pool=str(self._pool.folder), worker=worker, preload=self._book.preload)
        return json.dumps(dataclasses.asdict(asked))


def _lost_with(sent: Sent | None, together: int) -> tuple[JobState, str]:
    """How a ticket ended whose worker is over. ``together``: tickets that it had."""
    if sent is None or sent.report is None:
        return JobState.NODE_FAILED, "there is no record of the job that ran it"
    state, reason = sent.report.state, sent.report.reason
    words = f"the job that ran it ended: {state.value}: {reason}".removesuffix(": ")
    if state is JobState.FINISHED:
        return JobState.NODE_FAILED, "the job that ran it ended without a word on it"
    if state is JobState.CANCELLED_BY_US:
        return JobState.PREEMPTED, words
    if state is JobState.OUT_OF_MEMORY and together > 1:  # nobody knows whose doing it was
        return JobState.FAILED, f"{words} ({together} packs were on it)"
    return state, words
