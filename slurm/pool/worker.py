"""A job that runs tickets of a pool, as many at a time as it has devices and slots, until its time is up.

:func:`run` is what the job calls. Its process imports what tickets need and never touches a device; it forks a child
for each slot (:mod:`slurm.pool.child`), gives them tickets, and says how each ended. Standard library only.

Signals (USR2, the warning before the time limit; TERM, the job is being ended) are handed to the children, which save
and return; nothing more is taken, what is open stays open, and children that do not leave in time are killed. The
worker then returns: it never asks for a requeue, since the driver sends a new worker where one is needed. Children of a
worker that was killed notice, save and leave by themselves.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from slurm import payload
from slurm.jobs import JobState
from slurm.pool import devices, slots_found, time_left
from slurm.pool.child import Answer
from slurm.pool.crew import KILL_AFTER_S, Crew, Running
from slurm.pool.endings import ending
from slurm.pool.heard import Signals
from slurm.pool.open_tickets import OpenTickets
from slurm.pool.owed import Owed
from slurm.pool.slots import Slots
from slurm.pool.tickets import SCHEMA, Ended, Pool, Work, Worker, job_of

STEP_S = 1.0
"""Longest that the worker sleeps; how often it looks for cancelled tickets and a newer run."""
TELL_S, ALIVE_S = 1.0, 5.0
"""Least time between two accounts of itself, and the longest."""
OWED_S = 30.0
"""How long a worker that leaves tries to write ends that could not be written (a full disk)."""


def run(text: str) -> str:
    """Works on the pool that a :class:`slurm.pool.tickets.Work` names, as JSON; gives ``{"schema": 1, "ended": tickets
    that ended here, "left": why it left, "short": whether too little time was left for a ticket}``. Raises ValueError
    for another text, RuntimeError without devices, and what the import of the module to be preloaded raises."""
    work = read(text)
    os.environ.update(
        payload.threads(work.cpus_per_ticket) | work.environment
    )  # before anything is imported that reads them
    with Signals() as signals:
        return _Run(work, signals).to_the_end()


def read(text: str) -> Work:
    try:
        record = json.loads(text)
        if record.get("schema") == SCHEMA:
            return Work(**record)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ValueError(f"not the text of a worker ({problem}); it is made by the driver") from None
    raise ValueError(
        f"the text of a worker has schema {record.get('schema')}, this installation reads {SCHEMA}; install the "
        "driver's version on the nodes"
    )


def host() -> str:
    """What the scheduler calls this node."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


class _Run:
    """One run of a worker."""

    def __init__(self, work: Work, signals: Signals) -> None:
        self.work, self.signals = work, signals
        self.since = time.time()
        self.time = time_left.of_this_job(limit_s=work.limit_s, lead_s=work.lead_s, now=self.since)
        self.pool = Pool(Path(work.pool))
        self.name = self.pool.join(work.worker)
        self.open = OpenTickets(self.pool, self.name, _hosts())
        found = devices.found(gpus=work.gpus_per_ticket, cpus=work.cpus_per_ticket, most=work.devices)
        self.kind = devices.kind(found[0])
        self.slots = Slots(work.slots, slots_found.newest(self.pool, self.kind))
        self.crew = Crew(found, self.slots, work.environment)
        self.owed = Owed(self.pool, self.name, _say)
        self.leaving = ""
        self.leaves_by = float("inf")
        self.taken = 0
        self.short = False
        """Whether a ticket needed more time than is left."""
        self._looked_at = self._told_at = float("-inf")
        self._told: Worker | None = None

    def to_the_end(self) -> str:
        _say(f"worker {self.name} on {host()}: {', '.join(device.name for device in self.crew.devices)}")
        if self.work.gpus_per_ticket:
            _say(devices.mps())
        _say(f"{self.slots.now} at a time on a device: {self.slots.why}")
        self._tell(time.time())  # how much it takes is known while it still imports
        preload(self.work.preload)
        self.since = time.time()
        try:
            while not self._over():
                self._step()
        finally:
            self.crew.end()
            self._tell(time.time(), at_once=True)
        _say(f"worker {self.name} leaves: {self.leaving}; {self.owed.ended} packs ended here")
        short = self.short or not self.time.allows(self.work.reserve_s, time.time(), fresh=False)
        return json.dumps({"schema": SCHEMA, "ended": self.owed.ended, "left": self.leaving, "short": short})

    def _over(self) -> bool:
        if not self.leaving or self.crew.running:
            return False
        return self.owed.pay() or time.time() > self.leaves_by + OWED_S

    def _step(self) -> None:
        now = time.time()
        self._hear(now)
        if now - self._looked_at >= STEP_S:
            self._looked_at = now
            self._look(now)
        self.crew.kill_overdue(now)
        self.owed.pay()
        self._fill(now)
        self._leave_if_idle(now)
        self._tell(now)
        if self._over():
            return
        self.crew.wait(self.signals.pipe, min(STEP_S, self.work.idle_s))
        self.signals.clear()
        for each, answer in self.crew.collect():
            self._ended(each, answer, time.time())
        self._try_slots()
        self.crew.tidy(leaving=bool(self.leaving))

    # -- when to go ----------------------------------------------------------------------------------------------------

    def _hear(self, now: float) -> None:
        heard, self.signals.heard = self.signals.heard, []
        if signal.SIGTERM in heard:
            self._leave("its job is being ended (SIGTERM)", now, within_s=KILL_AFTER_S, number=signal.SIGTERM)
        elif signal.SIGUSR2 in heard:
            self._leave("its time limit is near (USR2)", now, within_s=self._lead_s, number=signal.SIGUSR2)

    @property
    def _lead_s(self) -> float:
        """That children have for leaving, of what Slurm gives the job."""
        return self.work.lead_s - min(10.0, self.work.lead_s / 4)

    def _look(self, now: float) -> None:
        """What comes from outside, at most once a second."""
        if self.time.until is not None and now >= self.time.until - self.work.lead_s:
            self._leave("its time limit is near", now, within_s=self._lead_s, number=signal.SIGUSR2)
        if self.pool.superseded(self.name):
            self._leave("its job was started again", now, within_s=KILL_AFTER_S, number=signal.SIGTERM)
        for each in self.crew.running:
            if not each.cancelled and self.pool.is_asked_to_end(each.ticket.job):
                self.crew.cancel(each, now)

    def _leave(self, why: str, now: float, *, within_s: float = 0.0, number: int | None = None) -> None:
        """Takes nothing more; with a signal, what runs has ``within_s`` to leave."""
        if not self.leaving:
            _say(f"leaving: {why}")
            self.leaving = why
        self.leaves_by = min(self.leaves_by, now + within_s)
        if number is not None:
            self.crew.tell(number, kill_at=now + within_s)

    def _leave_if_idle(self, now: float) -> None:
        if self.leaving:
            return
        if self.crew.running:
            self.open.seen_at = now
            return
        waited_s = now - max(self.since, self.open.seen_at)
        if not self.time.allows(self.work.reserve_s, now, fresh=not self.taken):
            self._leave("less time is left than a pack needs", now)
        elif self.pool.closed and not self.pool.open_files():
            self._leave("nothing more will come", now)
        elif waited_s >= self.work.idle_s and not self._comes_late(now):
            self._leave(f"there was nothing to run for {waited_s:.0f} s", now)

    def _comes_late(self, now: float) -> bool:
        """A last look before the worker leaves: whether it has work after all."""
        self.open.look_again()
        self._fill(now)
        return bool(self.crew.running)

    # -- tickets -------------------------------------------------------------------------------------------------------

    def _fill(self, now: float) -> None:
        fresh = not self.taken

        def allows(needed_s: float) -> bool:
            enough = self.time.allows(max(needed_s, self.work.reserve_s), now, fresh=fresh)
            self.short |= not enough
            return enough

        while not self.leaving and (device := self.crew.free_device()) is not None:
            found = self.open.take(now, allows)
            if found is None:
                return
            self.taken += 1
            file, ticket = found
            if ticket is None:
                self._unreadable(file)
                continue
            try:
                self.crew.start(ticket, device)
            except OSError as problem:
                self.owed.give_back(ticket)
                self._leave(f"no process can be started here ({problem})", now)

    def _unreadable(self, file: str) -> None:
        if self.pool.has_taken(file, self.name):
            reason = f"the ticket {file} cannot be read here; install the driver's version on the nodes"
            self.owed.end(Ended(job=job_of(file), state=JobState.FAILED.value, reason=reason, host=host()), file)

    def _ended(self, each: Running, answer: Answer, now: float) -> None:
        self.open.look_again()
        found = ending(answer, may_share=each.may_share, told=each.told, cancelled=each.cancelled, overdue=each.overdue)
        if found.state is None:
            _say(f"{each.ticket.job} waits again: {found.reason}")
            self.owed.give_back(each.ticket)
            if found.crowded and self.slots.crowded(max(each.slots, self.slots.now)):
                self._changed_slots()
            return
        ended = Ended(
            job=each.ticket.job,
            state=found.state.value,
            reason=found.reason,
            text=found.text,
            host=host(),
            began=each.began,
            ended=now,
            slots=each.slots,
        )
        self.owed.end(ended, each.ticket.file)

    def _try_slots(self) -> None:
        """One step of the try-out, where there is one."""
        running = frozenset(each.ticket.job for each in self.crew.running)
        if self.slots.double(self.crew.memory()) if self.slots.may_double else self.slots.weigh(running):
            self._changed_slots()

    def _changed_slots(self) -> None:
        _say(f"{self.slots.now} at a time on a device: {self.slots.why}")
        with contextlib.suppress(OSError):  # a later worker finds it out again
            slots_found.keep(self.pool, self.name, self.kind, self.slots)

    def _tell(self, now: float, *, at_once: bool = False) -> None:
        told = Worker(
            host=host(),
            pid=os.getpid(),
            since=self.since,
            until=self.time.until,
            seen=now,
            devices=tuple(device.name for device in self.crew.devices),
            slots=self.slots.now,
            running=len(self.crew.running),
            leaving=self.leaving,
        )
        before, age_s = self._told, now - self._told_at
        weighty = before is None or (before.slots, before.leaving) != (told.slots, told.leaving)
        changed = before is None or before.running != told.running
        if at_once or weighty or (changed and age_s >= TELL_S) or age_s >= ALIVE_S:
            self._told, self._told_at = told, now
            with contextlib.suppress(OSError):  # a sign of life, no more
                self.pool.tell(self.name, told)


def _hosts() -> set[str]:
    """Names by which tickets may avoid this node."""
    name = socket.gethostname()
    return {host(), name, name.partition(".")[0]}


def preload(module: str) -> None:
    """Imports the module, and calls its ``preload()`` where it has one: what is shared by all children."""
    if module:
        getattr(importlib.import_module(module), "preload", lambda: None)()


def _say(words: str) -> None:
    """A line in the job's log."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()
