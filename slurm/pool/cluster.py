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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import NAME, Cluster, JobReport, JobState
from slurm.pool import outfit, sizing
from slurm.pool.ends import Ends
from slurm.pool.fleet import Fleet, Sent
from slurm.pool.runs import Runs, at_a_time, number_of, worker_of
from slurm.pool.tickets import DRIVER, OPEN, TAKEN, Pool, Ticket
from slurm.profile import Profile

LOG = "log.out"
AGAIN_S = (15.0, 300.0)
"""Least and greatest wait after workers were refused; doubles in between."""
GONE_AFTER_S = 120.0
"""How long a ticket may be nowhere: folders of shared file systems are listed late."""
LONGEST_NAME, LONGEST_PREFIX = 200, 150


class PoolCluster:
    """``inner`` runs the workers, by the profile that :func:`slurm.pool.outfit.for_worker` makes of ``profile``;
    ``folder`` is the pool's."""

    def __init__(
        self, profile: Profile, inner: Cluster, folder: Path, *, now: Callable[[], float] = time.time
    ) -> None:
        self.profile, self.inner = profile, inner
        self.costs = inner.costs
        self.pool = Pool(folder.expanduser().absolute())
        self._now = now
        self._ends = Ends(self.pool)
        self._runs = Runs(self.pool)
        self.fleet = Fleet(inner, self.pool.folder, self._work)
        self._open: dict[str, str] = {}
        """Job -> its file, in the order in which they are taken."""
        self._taken: dict[str, tuple[str, str]] = {}
        """Job -> the run that has it, and its file."""
        self._cancelled: set[str] = self.pool.asked_to_end()
        self._avoid: dict[str, tuple[str, ...]] = {}
        """Of the open tickets."""
        self._gone: dict[str, float] = {}
        """Jobs of which there is no trace, and since when."""
        self._preload = ""
        self._number = 0
        self._again_at = self._wait = 0.0
        self._refused = ""
        self._idle_since: float | None = None
        self._ends_before = 0
        self._look()

    @property
    def trouble(self) -> str:
        return self.inner.trouble or self._refused

    # -- what a driver asks --------------------------------------------------------------------------------------------

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise SubmissionRejected(f'"{name}" cannot name jobs; letters, digits, dot, dash and underscore can')
        root = folder.expanduser().absolute()
        if self.recover(name, folder):
            raise SubmissionRejected(f'jobs named "{name}" were submitted before; recover() gives them')
        self.pool.make()
        self.pool.reopen()
        self._preload = call.partition(":")[0]
        elsewhere = () if self.profile.executor == "local" else tuple(sorted(avoid))
        put: list[str] = []
        for index, text in enumerate(texts):
            job = f"{name}.{index}"
            (root / job).mkdir(parents=True, exist_ok=True)
            log = str(root / job / LOG)
            ticket = Ticket(number=self._number, job=job, call=call, text=text, log=log, avoid=elsewhere)
            self._number += 1
            self.pool.put(ticket)
            self._open[job], self._avoid[job] = ticket.file, elsewhere
            put.append(job)
        try:
            self._staff()
        except SubmissionRejected:
            for job in put:  # nobody is there to have taken one
                file = self._open.pop(job)
                if self.pool.withdraw(file):
                    (self.pool.folder / TAKEN / DRIVER / file).unlink(missing_ok=True)
            raise
        return put

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        self._look()
        known = [job for job in [*self._open, *self._taken] if job.rpartition(".")[0] == name]
        found = {int(job.rpartition(".")[2]): job for job in [*known, *self._ends.of_name(name)]}
        return dict(sorted(found.items()))

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self._look()
        self.fleet.poll()
        self._settle()
        self._staff()
        return {job: self._report(job) for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        for job in jobs:
            if job in self._ends or job in self._cancelled:
                continue
            self.pool.ask_to_end(job)
            self._cancelled.add(job)
            self._withdraw(job)

    def room(self, active: int) -> int:
        ended, self._ends_before = self._ends.count - self._ends_before, self._ends.count
        return sizing.room(self._standing(), active, ended=ended)

    def release(self) -> None:
        """Closes the pool: workers leave as soon as nothing is open. Those that have not begun, or that run what was
        cancelled, are ended, unless something of another study still waits or runs here."""
        if not self.pool.folder.is_dir():
            return
        self._look()
        if self._open.keys() - self._cancelled or self._taken.keys() - self._cancelled:
            return
        self.pool.close()
        with contextlib.suppress(SubmissionRefused):
            self.fleet.recover()
        holding = {worker_of(run) for run, _ in self._taken.values()}
        begun = self._runs.newest()
        self.fleet.cancel(
            sent
            for sent in self.fleet.live.values()
            if sent.worker in holding or (sent.worker not in begun and not sent.began)
        )

    def workers(self) -> dict[JobState, int]:
        """How many of the jobs on which the packs run there are, by state."""
        counts: dict[JobState, int] = {}
        for sent in self.fleet.live.values():
            state = sent.report.state if sent.report else JobState.PENDING
            counts[state] = counts.get(state, 0) + 1
        return counts

    # -- where every ticket is -----------------------------------------------------------------------------------------

    def _look(self) -> None:
        """In this order: a ticket moves from one to the next, so that none is missed but one that is given back."""
        files = self.pool.open_files()
        self._open = {_job_of(file): file for file in files}
        self._taken = {_job_of(file): (run, file) for run, held in self.pool.taken_files().items() for file in held}
        self._ends.read(self._cancelled)
        self._cancelled = {job for job in self._cancelled if job not in self._ends}
        for job in [job for job in self._open if job in self._taken or job in self._ends]:
            del self._open[job]
        self._taken = {job: at for job, at in self._taken.items() if job not in self._ends or at[0] == DRIVER}
        self._number = max([self._number, *(1 + _number_of(file) for file in files)])
        self._runs.read(self.fleet.live)
        self._avoid = {job: self._avoided(job) for job in self._open}

    def _avoided(self, job: str) -> tuple[str, ...]:
        if job in self._avoid:
            return self._avoid[job]
        ticket = self.pool.read(self.pool.folder / OPEN / self._open[job])
        if ticket is not None:
            self._preload = self._preload or ticket.call.partition(":")[0]
        return ticket.avoid if ticket is not None else ()

    def _report(self, job: str) -> JobReport:
        ended = self._ends.of(job)
        if ended is not None:
            return ended
        if job in self._taken:
            run = self._runs.of(self._taken[job][0])
            return JobReport(job=job, state=JobState.RUNNING, node=run.host if run else None)
        if job in self._open:
            return JobReport(job=job, state=JobState.PENDING, reason=self._waits_for())
        since = self._gone.setdefault(job, self._now())
        if self._now() - since < GONE_AFTER_S:
            return JobReport(job=job, state=JobState.UNKNOWN, reason="is between two lists; looked for again")
        self.pool.make()
        self._ends.settle(job, JobState.NODE_FAILED, f"there is no trace of it in {self.pool.folder}")
        return self._report(job)

    def _waits_for(self) -> str:
        if self._refused:
            return self._refused
        reports = [sent.report for sent in self.fleet.live.values() if sent.report is not None]
        if any(report.state is JobState.RUNNING for report in reports):
            return "waits for a free place in a job that runs"
        return next((report.reason for report in reports if report.state is JobState.PENDING), "")

    # -- what no worker says the end of --------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._gone = {job: at for job, at in self._gone.items() if job not in (*self._open, *self._taken)}
        for job in [job for job in self._open if job in self._cancelled]:
            self._withdraw(job)  # given back after it was to end
        newest = self._runs.newest()
        over = {sent.worker: sent for sent in self.fleet.over()}
        together: dict[str, int] = {}
        for run, _ in self._taken.values():
            together[run] = together.get(run, 0) + 1
        for job, (run, file) in list(self._taken.items()):
            worker = worker_of(run)
            sent = over.get(worker) or self.fleet.live.get(worker)
            if run == DRIVER:
                self._settle_own(job, file)
            elif sent is None or sent.worker in over:
                self._lost(job, run, file, *_lost_with(sent, together[run]))
            elif sent.back or (worker in newest and newest[worker][0] > number_of(run)):
                self._lost(job, run, file, JobState.NODE_FAILED, "the job that ran it was started again by the scheduler")
        for sent in over.values():
            self._dismiss(sent, took=sent.worker in {worker_of(run) for run in together})

    def _settle_own(self, job: str, file: str) -> None:
        """What a driver that was killed had taken to itself."""
        if job in self._ends:
            (self.pool.folder / TAKEN / DRIVER / file).unlink(missing_ok=True)
        elif job in self._cancelled:
            self._ends.settle(job, JobState.CANCELLED_BY_US, "", file=file)
        else:
            self._ends.settle(job, JobState.NODE_FAILED, "the job that ran it ended, or gave it no end", file=file)
        del self._taken[job]

    def _lost(self, job: str, run: str, file: str, state: JobState, reason: str) -> None:
        if not self.pool.seize(run, file):
            return  # its end was said, or it was given back: the next look tells
        self._ends.read_run(run, self._cancelled)
        if job in self._ends:
            (self.pool.folder / TAKEN / DRIVER / file).unlink(missing_ok=True)
        else:
            said = self._runs.of(run)
            state = JobState.CANCELLED_BY_US if job in self._cancelled else state
            self._ends.settle(job, state, reason, node=said.host if said else None, file=file)
        del self._taken[job]

    def _withdraw(self, job: str) -> None:
        file = self._open.get(job)
        if file is not None and self.pool.withdraw(file):
            self._ends.settle(job, JobState.CANCELLED_BY_US, "", file=file)
            del self._open[job]

    def _dismiss(self, sent: Sent, *, took: bool) -> None:
        """A worker whose job is over. One that ended badly before it ever took a ticket fails as many as it had places
        for, so that a set-up that is wrong comes to an end by the limit of retries."""
        assert sent.report is not None
        runs = [run for run in self._runs_of(sent.worker)]
        took = took or any(self._ends.has(run) for run in runs)
        if not took and not self.pool.closed:
            reason = self._why_nothing(sent, runs)
            if reason:
                state = sent.report.state if sent.report.state is not JobState.FINISHED else JobState.TIMED_OUT
                state = JobState.FAILED if state is JobState.OUT_OF_MEMORY else state
                self._fail_open(state, reason, sent.report.node)
        for run in runs:
            with contextlib.suppress(OSError):
                (self.pool.folder / TAKEN / run).rmdir()
        self.fleet.dismiss(sent)

    def _runs_of(self, worker: str) -> Iterator[str]:
        number = 0
        while (self.pool.folder / TAKEN / f"{worker}.{number}").is_dir():
            yield f"{worker}.{number}"
            number += 1

    def _why_nothing(self, sent: Sent, runs: Sequence[str]) -> str:
        """Why a worker that took nothing speaks against what is open; "" where it does not."""
        assert sent.report is not None
        state, reason = sent.report.state, sent.report.reason
        if state in (JobState.PREEMPTED, JobState.CANCELLED_BY_US):
            return ""
        if state is not JobState.FINISHED:
            return f"the job that was to run it ended before it took anything: {state.value}: {reason}".removesuffix(": ")
        said = [known for run in runs if (known := self._runs.of(run)) is not None]
        if not said or not any(self._could_have(job, said[-1].host, said[-1].since) for job in self._open):
            return ""
        return f"a job of {self.profile.name} ran and took nothing: {said[-1].leaving or 'it does not say why'}"

    def _could_have(self, job: str, host: str, since: float) -> bool:
        """Whether a ticket was open all the time that a worker was there."""
        try:
            opened = (self.pool.folder / OPEN / self._open[job]).stat().st_mtime
        except OSError:
            return False
        return opened < since and host not in self._avoid.get(job, ())

    def _fail_open(self, state: JobState, reason: str, node: str | None) -> None:
        places = self._runs.typical() or outfit.at_a_time(self.profile) or 1
        for job in list(self._open)[:places]:
            file = self._open[job]
            if self.pool.withdraw(file):
                self._ends.settle(job, state, reason, node=node, file=file)
                del self._open[job]

    # -- workers -------------------------------------------------------------------------------------------------------

    def _standing(self) -> sizing.Standing:
        newest = self._runs.newest()
        staying: list[int] = []
        leaving: list[int] = []
        pending = 0
        for sent in self.fleet.live.values():
            said = newest.get(sent.worker)
            if said is None or sent.back:
                pending += 1
            elif said[1].leaving:
                leaving.append(said[1].running)
            else:
                staying.append(at_a_time(said[1]))
        live = len(self.fleet.live)
        most = live + max(0, self.inner.room(live))
        if self.profile.max_jobs is None:
            most = min(most, len(staying) + len(leaving) + max(pending, sizing.PENDING_AT_MOST))
        slots = self._runs.typical() or outfit.at_a_time(self.profile)
        return sizing.Standing(staying=staying, leaving=leaving, pending=pending, slots=slots, most=most)

    def _staff(self) -> None:
        """Sends as many workers as what is open needs, and ends those that wait while nothing was open for long."""
        if not self._open:
            self._refused = ""
            self._end_unneeded()
            return
        self._idle_since = None
        self._elsewhere()
        if self._now() < self._again_at:
            return
        try:
            self.fleet.recover()
            further = sizing.further(self._standing(), len(self._open) + len(self._taken))
            if further:
                self._send(further)
        except SubmissionRefused as error:
            self._put_off(str(error))
            return
        self._refused, self._wait = "", 0.0

    def _send(self, further: int) -> None:
        avoid = self._avoided_by_all()
        prefix = next(iter(self._open)).rpartition(".")[0][:LONGEST_PREFIX]
        while True:
            try:
                self.fleet.send(further, prefix=prefix, avoid=avoid)
                return
            except SubmissionRejected as error:
                self.fleet.forget(self.fleet.last)
                if not avoid:
                    if not self.fleet.live:
                        raise
                    self._put_off(str(error))
                    return
                self._anywhere(avoid)  # the nodes to be kept from may be all there are
                avoid = frozenset()

    def _put_off(self, why: str) -> None:
        self._wait = min(max(2 * self._wait, AGAIN_S[0]), AGAIN_S[1])
        self._again_at = self._now() + self._wait
        self._refused = why

    def _end_unneeded(self) -> None:
        self._idle_since = self._idle_since if self._idle_since is not None else self._now()
        if self._now() - self._idle_since < self.profile.idle_s:
            return
        begun = self._runs.newest()
        self.fleet.cancel(
            sent for sent in self.fleet.live.values() if sent.worker not in begun and not sent.began
        )

    def _avoided_by_all(self) -> frozenset[str]:
        each = [frozenset(self._avoid.get(job, ())) for job in self._open]
        return frozenset.intersection(*each) if each else frozenset()

    def _elsewhere(self) -> None:
        """Where a worker came to a node that it was not to come to, there is no other."""
        avoided = self._avoided_by_all()
        if avoided and any(
            said.host in avoided and said.host in self.fleet.live[worker].avoid
            for worker, (_, said) in self._runs.newest().items()
            if worker in self.fleet.live
        ):
            self._anywhere(avoided)

    def _anywhere(self, hosts: Collection[str]) -> None:
        """The open tickets may run on these hosts after all."""
        for job, file in list(self._open.items()):
            if not set(self._avoid.get(job, ())) & set(hosts) or not self.pool.withdraw(file):
                continue
            ticket = self.pool.read(self.pool.folder / TAKEN / DRIVER / file)
            if ticket is None:
                continue
            self._avoid[job] = tuple(host for host in ticket.avoid if host not in hosts)
            self.pool.put(dataclasses.replace(ticket, avoid=self._avoid[job]))
            (self.pool.folder / TAKEN / DRIVER / file).unlink(missing_ok=True)

    def _work(self, worker: str) -> str:
        asked = outfit.work(self.profile, pool=str(self.pool.folder), worker=worker, preload=self._preload)
        return json.dumps(dataclasses.asdict(asked))


def _lost_with(sent: Sent | None, together: int) -> tuple[JobState, str]:
    """How a ticket ended whose worker is over."""
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


def _job_of(file: str) -> str:
    return file.partition("-")[2].removesuffix(".json")


def _number_of(file: str) -> int:
    number = file.partition("-")[0]
    return int(number) if number.isdecimal() else 0


def log(job: str, folder: Path) -> Path:
    """Where the output of what runs by a ticket goes."""
    return folder / job / LOG
