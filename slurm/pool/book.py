"""Where each ticket of a pool is, as its driver sees it, and the moves that only a driver makes.

A ticket's file is in one place, and who moves it there has it. What the driver ends it first takes to itself; of what
it had taken when it was killed, the next one finds the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from slurm.jobs import JobReport, JobState
from slurm.pool.ends import Ends, name_of
from slurm.pool.tickets import DRIVER, OPEN, TAKEN, Pool, Ticket, job_of


class Book:
    """Of one pool; :meth:`look` makes it new."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ends = Ends(pool)
        self.open: dict[str, str] = {}
        """Job -> its file, in the order in which they are taken."""
        self.taken: dict[str, tuple[str, str]] = {}
        """Job -> the run of a worker that has it, and its file."""
        self.cancelled: set[str] = pool.asked_to_end()
        """Jobs without an end whose end was asked for."""
        self.preload = ""
        """Module of the functions that the tickets call."""
        self._own: dict[str, str] = {}
        """Job -> its file, which a driver took to itself."""
        self._avoid: dict[str, tuple[str, ...]] = {}
        self._number = 0
        self.look()

    # -- what there is -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """In the order in which tickets move, so that none is missed but one that a worker gives back meanwhile."""
        files = self.pool.open_files()
        taken = self.pool.taken_files()
        own = taken.pop(DRIVER, [])
        self.ends.read(self.cancelled)
        self.open = {job_of(file): file for file in files}
        self.taken = {job_of(file): (run, file) for run, held in taken.items() for file in held}
        self._own = {job_of(file): file for file in own}
        for job in self.open.keys() & self.taken.keys():
            del self.open[job]  # taken between the two looks
        self._number = max([self._number, *(1 + _number(file) for file in files)])
        self._avoid = {job: self._read_avoid(job) for job in self.open}
        self.cancelled = {job for job in self.cancelled if job not in self.ends}
        self._tidy()

    def _tidy(self) -> None:
        """What has an end already runs no more, and what a killed driver had taken to itself gets one."""
        for job in [job for job in self.open if job in self.ends]:
            if self.claim(job):
                self._drop(job)
        for job in [job for job, (run, file) in self.taken.items() if job in self.ends]:
            run, file = self.taken.pop(job)
            (self.pool.folder / TAKEN / run / file).unlink(missing_ok=True)
        for job in list(self._own):
            if job in self.ends or job in self.open or job in self.taken:
                self._drop(job)
            elif job in self.cancelled:
                self.settle(job, JobState.CANCELLED_BY_US, "")
            else:
                self.settle(job, JobState.NODE_FAILED, "the job that was to run it ended without a word on it")
        for job in [job for job in self.open if job in self.cancelled]:
            self.end_open(job, JobState.CANCELLED_BY_US, "")

    def _read_avoid(self, job: str) -> tuple[str, ...]:
        if job in self._avoid and self.preload:
            return self._avoid[job]
        ticket = self.pool.read(self.pool.folder / OPEN / self.open[job])
        if ticket is None:
            return ()
        self.preload = self.preload or ticket.call.partition(":")[0]
        return ticket.avoid

    def of_name(self, name: str) -> dict[int, str]:
        """Jobs of one submission, by the index of the text."""
        known = [job for job in (*self.open, *self.taken, *self.ends.of_name(name)) if name_of(job) == name]
        return dict(sorted((int(job.rpartition(".")[2]), job) for job in known))

    @property
    def wanted(self) -> bool:
        """Whether there is a ticket without an end whose end nobody asked for."""
        return bool((self.open.keys() | self.taken.keys()) - self.cancelled)

    def avoided(self, job: str) -> tuple[str, ...]:
        return self._avoid.get(job, ())

    def avoided_by_all(self) -> frozenset[str]:
        """Hosts that no open ticket may run on."""
        each = [frozenset(self.avoided(job)) for job in self.open]
        return frozenset.intersection(*each) if each else frozenset()

    def opened_before(self, job: str, time: float) -> bool:
        """Whether an open ticket was there at a time."""
        try:
            return (self.pool.folder / OPEN / self.open[job]).stat().st_mtime < time
        except OSError:
            return False

    # -- moves ---------------------------------------------------------------------------------------------------------

    def put(self, job: str, call: str, text: str, *, log: Path, avoid: tuple[str, ...]) -> None:
        ticket = Ticket(number=self._number, job=job, call=call, text=text, log=str(log), avoid=avoid)
        self._number += 1
        self.preload = call.partition(":")[0]
        self.pool.put(ticket)
        self.open[job], self._avoid[job] = ticket.file, avoid

    def claim(self, job: str) -> bool:
        """Takes an open ticket to the driver itself; False where a worker was faster."""
        file = self.open.pop(job)
        if not self.pool.withdraw(file):
            return False
        self._own[job] = file
        return True

    def take_back(self, job: str) -> None:
        """Undoes :meth:`put`, unless a worker has it."""
        if self.claim(job):
            self._drop(job)

    def end_open(self, job: str, state: JobState, reason: str, *, node: str | None = None) -> None:
        """Ends an open ticket, unless a worker has it by now."""
        if self.claim(job):
            self.settle(job, state, reason, node=node)

    def ask_to_end(self, job: str) -> None:
        """Cancels a job: an open one ends at once, a taken one by its worker."""
        if job in self.ends or job in self.cancelled:
            return
        self.pool.make()
        self.pool.ask_to_end(job)
        self.cancelled.add(job)
        if job in self.open:
            self.end_open(job, JobState.CANCELLED_BY_US, "")

    def lost(self, job: str, state: JobState, reason: str, *, node: str | None) -> None:
        """Ends a taken ticket whose worker will not, unless it has after all."""
        run, file = self.taken.pop(job)
        if not self.pool.seize(run, file):
            return  # its end was said, or it was given back: the next look tells
        self._own[job] = file
        self.ends.read_run(run, self.cancelled)
        if job in self.ends:
            self._drop(job)
        else:
            self.settle(job, JobState.CANCELLED_BY_US if job in self.cancelled else state, reason, node=node)

    def settle(self, job: str, state: JobState, reason: str, *, node: str | None = None) -> None:
        """Says the end of what the driver has, or of what is nowhere."""
        self.pool.make()
        self.ends.settle(job, state, reason, node=node, file=self._own.pop(job, ""))
        self.cancelled.discard(job)

    def allow(self, hosts: Collection[str]) -> None:
        """The open tickets may run on these hosts after all."""
        for job in [job for job in self.open if set(self.avoided(job)) & set(hosts)]:
            if not self.claim(job):
                continue
            ticket = self.pool.read(self.pool.folder / TAKEN / DRIVER / self._own[job])
            if ticket is not None:
                left = tuple(host for host in ticket.avoid if host not in hosts)
                self.pool.put(dataclasses.replace(ticket, avoid=left))
                self.open[job], self._avoid[job] = ticket.file, left
                self._drop(job)
        self.open = dict(sorted(self.open.items(), key=lambda item: item[1]))

    def _drop(self, job: str) -> None:
        (self.pool.folder / TAKEN / DRIVER / self._own.pop(job)).unlink(missing_ok=True)

    def report(self, job: str) -> JobReport | None:
        """How a job ended, or None."""
        return self.ends.of(job)


def _number(file: str) -> int:
    number = file.partition("-")[0]
    return int(number) if number.isdecimal() else 0
