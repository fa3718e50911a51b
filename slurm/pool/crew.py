"""The children of a worker and what they run: who gets a ticket, who is told to end, who is let go."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slurm.pool import child, devices
from slurm.pool.child import Answer, Child
from slurm.pool.company import Company
from slurm.pool.devices import Device
from slurm.pool.slots import Slots
from slurm.pool.tickets import Ticket

KILL_AFTER_S = 20.0
"""From the request to end to the kill, of a cancelled ticket and after SIGTERM."""
DYING_S = 0.02
"""How often a process is looked at that nothing can be read from any more."""


@dataclass(kw_only=True, eq=False)
class Running:
    """A ticket and the child that runs it. Times in seconds since the Unix epoch."""

    ticket: Ticket
    child: Child
    began: float
    slots: int
    """Tickets that could run on its device at a time when it began."""
    may_share: bool
    """Whether others could come to its device."""
    is_first: bool
    """Of its process: it takes longer, since the process makes itself at home on the device."""
    cancelled: bool = False
    kill_at: float = float("inf")
    overdue: str = ""
    """Why the worker killed it, in words; "" where it did not."""

    @property
    def told(self) -> bool:
        """Whether it was asked to end."""
        return self.kill_at < float("inf")


class Crew:
    """``environment``: of what runs, beside the worker's own."""

    def __init__(self, found: Sequence[Device], slots: Slots, environment: Mapping[str, str]) -> None:
        self.devices, self.slots, self._environment = found, slots, environment
        self.running: list[Running] = []
        self._children: list[Child] = []
        self._companies = {device.name: Company() for device in found}

    def wait(self, bell: int, seconds: float) -> None:
        """Until there is something to :meth:`collect`, the pipe ``bell`` has something, or ``seconds`` are over."""
        pipes = [pipe for each in self._children for pipe in each.readable]
        dying = len(pipes) < 2 * len(self._children)
        child.wait([bell, *pipes], min(seconds, DYING_S) if dying else seconds)

    def on(self, device: Device) -> list[Running]:
        return [each for each in self.running if each.child.device is device]

    def free_device(self) -> Device | None:
        """The device with the fewest tickets, where it has a slot."""
        device = min(self.devices, key=lambda device: len(self.on(device)))
        return device if len(self.on(device)) < self.slots.now else None

    def start(self, ticket: Ticket, device: Device) -> None:
        """Raises OSError where no process can be made; the ticket has then not begun."""
        slots, may_share = self.slots.now, self.slots.now > 1 or not self.slots.settled
        environment = {
            **self._environment,
            "CUDA_VISIBLE_DEVICES": ",".join(device.gpus),
            child.SLOTS: str(slots),
            child.MAY_SHARE: str(int(may_share)),
        }
        while True:
            one = self._idle_child(device, ticket.own_code)
            try:
                one.start(call=ticket.call, text=ticket.text, log=ticket.log, environment=environment)
            except BrokenPipeError:  # killed by another while it had nothing to do
                fresh, one.used = not one.used, True
                one.kill()
                if fresh:
                    raise
                continue
            break
        self._companies[device.name].came(ticket.job, time.monotonic())
        self.running.append(
            Running(
                ticket=ticket, child=one, began=time.time(), slots=slots, may_share=may_share, is_first=not one.used
            )
        )
        one.used, one.own_code = True, ticket.own_code or one.own_code

    def _idle_child(self, device: Device, own_code: str) -> Child:
        """An idle child of the device that has imported no other code of the user's own, or a new one."""
        for one in self._idle():
            if one.device is device and not one.spent and not one.gone:
                if one.own_code in ("", own_code):
                    return one
                self._let_go(one)  # it holds memory of the device
        fresh = Child(device, self._children)
        self._children.append(fresh)
        return fresh

    def _idle(self) -> list[Child]:
        busy = {id(each.child) for each in self.running}
        return [one for one in self._children if id(one) not in busy]

    def collect(self) -> Iterator[tuple[Running, Answer]]:
        """What has ended since the last call."""
        for each in list(self.running):
            company, job, now = self._companies[each.child.device.name], each.ticket.job, time.monotonic()
            for seconds in each.child.epoch_seconds():
                if (count := company.epoch(job, seconds, now)) is not None:
                    self.slots.epoch(job, seconds, count)
            answer = each.child.answer()
            if answer is not None:
                self.running.remove(each)
                stayed_s, count = company.went(job, now)
                if count is not None and answer.text is not None and not each.is_first:
                    self.slots.whole(stayed_s, count)
                yield each, answer

    def memory(self) -> tuple[float, float] | None:
        """(used, there) in MB; None where it is not told."""
        return devices.memory(self.devices, [each.pid for each in self._children])

    def tidy(self, *, leaving: bool) -> None:
        """Lets idle children go that are spent, or too many, and forgets those that are gone."""
        spare = {device.name: self.slots.now - len(self.on(device)) for device in self.devices}
        for one in self._idle():
            if not one.spent:
                spare[one.device.name] -= 1
            if one.spent or leaving or spare[one.device.name] < 0:
                self._let_go(one)
            if one.gone:
                self._children.remove(one)
                one.release()

    def _let_go(self, one: Child) -> None:
        one.spent = True
        one.close()

    def tell(self, number: int, *, kill_at: float) -> None:
        """Asks all that run to save and leave, and sees to it that they have by then."""
        for each in self.running:
            if each.kill_at > kill_at:
                each.kill_at = kill_at
                each.child.tell(number)

    def cancel(self, each: Running, now: float) -> None:
        each.cancelled = True
        each.kill_at = min(each.kill_at, now + KILL_AFTER_S)
        each.child.tell(signal.SIGTERM)

    def kill_overdue(self, now: float) -> None:
        for each in self.running:
            if now >= each.kill_at and not each.overdue:
                each.overdue = "did not save and leave in the time it had, and was killed"
                each.child.kill()

    def end(self) -> None:
        """No child outlives the worker's return."""
        for each in self.running:
            each.child.tell(signal.SIGTERM)
        for one in self._children:
            one.close()
        end = time.monotonic() + KILL_AFTER_S
        while self._children:
            if time.monotonic() >= end:
                for one in self._children:
                    one.kill()
            for one in list(self._children):
                if one.gone:
                    self._children.remove(one)
                    one.release()
            time.sleep(0.005 if self._children else 0.0)
