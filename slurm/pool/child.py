"""A process that runs one ticket after the other, forked from a worker that has imported what they need.

The worker holds a :class:`Child`; what goes on inside the process is :func:`_serve`. Between them are three pipes:
texts to run (the process ends where it closes, be it because the worker was killed), answers, and a line ``<seconds>``
for each epoch of whatever runs (``ACTSWEEP_PROGRESS`` is the number of that pipe's descriptor). The process is the
leader of a group, so that what it starts ends with it. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from slurm import payload
from slurm.pool.devices import Device

PROGRESS, SLOTS, MAY_SHARE = "ACTSWEEP_PROGRESS", "ACTSWEEP_SLOTS", "ACTSWEEP_MAY_SHARE"
"""Variables of what runs: where it tells its epochs; how many may share its device now; "1" where others may come."""
ORPHAN_S = 60.0
"""What a child whose worker is gone has for saving, before it ends itself."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a text."""

    text: str | None
    """What the function gave; None where it raised or its process ended."""
    error: str = ""
    """The last line of what it raised, or how the process ended."""
    out_of_memory: bool = False
    """Of what was raised: whether it says so."""
    killed: bool = False
    """Whether a SIGKILL ended the process, as the kernel does where memory is short."""


class Child:
    """A process of this worker on one device. One text at a time: :meth:`start`, then :meth:`answer` until it is there.

    Raises OSError where no process can be made.
    """

    def __init__(self, device: Device, siblings: Iterable[Child]) -> None:
        self.device = device
        self.own_code = ""
        """Of the texts that it has run (:attr:`slurm.pool.tickets.Ticket.own_code`)."""
        self.spent = False
        """Whether it is to run nothing more: it was told to end, or its last text did not end well."""
        self.used = False
        """Whether it has run a text before."""
        self._left: int | None = None
        self._at_end: set[int] = set()
        """Pipes that nobody writes to any more."""
        self._answers, self._epochs = bytearray(), bytearray()
        inside, pipes = [], []
        for reads_inside in (True, False, False):
            reader, writer = os.pipe()
            inside.append(reader if reads_inside else writer)
            pipes.append(writer if reads_inside else reader)
        self._commands, self.answers, self.epochs = pipes
        before = signal.pthread_sigmask(signal.SIG_BLOCK, payload.SIGNALS)  # none is heard by what is half made
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _become(device, inside, [*pipes, *(pipe for each in siblings for pipe in each.pipes)])
        except OSError:
            for pipe in pipes:
                os.close(pipe)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for pipe in inside:
                os.close(pipe)
        for pipe in (self.answers, self.epochs):
            os.set_blocking(pipe, False)

    @property
    def pipes(self) -> tuple[int, ...]:
        return tuple(pipe for pipe in (self._commands, self.answers, self.epochs) if pipe >= 0)

    @property
    def readable(self) -> list[int]:
        """Pipes that may have something to read."""
        return [pipe for pipe in (self.answers, self.epochs) if pipe not in self._at_end]

    def start(self, *, call: str, text: str, log: str, environment: Mapping[str, str]) -> None:
        """Raises BrokenPipeError where the process has gone meanwhile."""
        command = json.dumps({"call": call, "text": text, "log": log, "environment": dict(environment)})
        rest = f"{command}\n".encode()
        while rest:
            rest = rest[os.write(self._commands, rest) :]

    def tell(self, number: int) -> None:
        """Hands a signal on; what runs saves and leaves."""
        self.spent = True
        self._signal(number, whole_group=False)

    def kill(self) -> None:
        self.spent = True
        self._signal(signal.SIGKILL, whole_group=True)

    def _signal(self, number: int, *, whole_group: bool) -> None:
        if self._left is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)
            if whole_group:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)

    def epoch_seconds(self) -> list[float]:
        """Of the epochs that were told since the last call."""
        self._epochs += self._available(self.epochs)
        *whole, rest = bytes(self._epochs).split(b"\n")
        self._epochs = bytearray(rest)
        found = []
        for line in whole:
            with contextlib.suppress(ValueError):
                found.append(float(line))
        return found

    def answer(self) -> Answer | None:
        """None while the text runs. Of a process that ended without one, how it did."""
        gone = self.gone  # asked first: what it wrote before its end is in the pipe
        self._answers += self._available(self.answers)
        line, end, rest = bytes(self._answers).partition(b"\n")
        if end:
            self._answers = bytearray(rest)
            said = Answer(**json.loads(line))
            self.spent = self.spent or said.text is None
            return said
        if not gone:
            return None
        self.spent = True
        assert self._left is not None
        if os.WIFSIGNALED(self._left):
            number = os.WTERMSIG(self._left)
            hint = " (out of memory?)" if number == signal.SIGKILL else ""
            return Answer(text=None, error=f"killed by signal {number}{hint}", killed=number == signal.SIGKILL)
        return Answer(text=None, error=f"the process ended with status {os.WEXITSTATUS(self._left)} and no result")

    def _available(self, pipe: int) -> bytes:
        """What can be read without waiting."""
        found = b""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(pipe, 65536):
                found += block
            self._at_end.add(pipe)  # it is about to be over, or what runs has closed what is not its own
        return found

    @property
    def gone(self) -> bool:
        """Whether the process is over (and collected)."""
        if self._left is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._left = status
                    # what it started and left behind would keep the device's memory
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(self.pid, signal.SIGKILL)
        return self._left is not None

    def close(self) -> None:
        """Lets an idle process leave; it is collected by :attr:`gone`."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def release(self) -> None:
        """Closes what is left of a process that is gone."""
        for pipe in self.pipes:
            os.close(pipe)
        self._commands = self.answers = self.epochs = -1


# -- inside the process ------------------------------------------------------------------------------------------------


def _become(device: Device, pipes: list[int], others: list[int]) -> None:
    """The forked process, to its end. Signals stay blocked, and so are kept, except while a text runs."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in payload.SIGNALS:
            signal.signal(number, _keep)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for pipe in others:  # or a sibling would keep from us that the worker is gone
            os.close(pipe)
        os.setpgid(0, 0)
        if device.cores:
            with contextlib.suppress(OSError):  # cores that the system took away meanwhile
                os.sched_setaffinity(0, device.cores)
        os.environ.pop("SUBMITIT_EXECUTOR", None)
        _serve(*pipes)
        status = 0
    except BaseException:  # nothing of the worker's own may go on in here
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _keep(number: int, frame: FrameType | None) -> None:
    """Where a thread of some library let a signal in: it is for the text that is about to begin, if any. (The worker
    gives nothing more to a process that it has signalled.)"""
    threading.Thread(target=_hand_on, args=(number,), daemon=True).start()


def _hand_on(number: int) -> None:
    while signal.getsignal(number) is _keep:
        time.sleep(payload.HAND_ON_EVERY_S)
    os.kill(os.getpid(), number)


def _serve(commands: int, answers: int, epochs: int) -> None:
    os.set_blocking(epochs, False)  # a worker that does not read must not keep anyone from training
    os.set_inheritable(epochs, False)
    texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, texts), daemon=True).start()
    outside = dict(os.environ)
    while (command := texts.get()) is not None:
        answer = _run(json.loads(command), outside | {PROGRESS: str(epochs)})
        line = json.dumps(answer).encode() + b"\n"
        while line:
            line = line[os.write(answers, line) :]
        if answer["text"] is None:
            return


def _listen(commands: int, texts: queue.SimpleQueue[str | None]) -> None:
    """Hands texts on. Where the worker is gone, asks what runs to save and leave, and ends it where it does not."""
    kept = b""
    while block := os.read(commands, 65536):
        *whole, kept = (kept + block).split(b"\n")
        for line in whole:
            texts.put(line.decode())
    texts.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_S)
    os.killpg(os.getpid(), signal.SIGKILL)


def _run(command: dict[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    """Runs a text with its own environment and log; the :class:`Answer`, as plain values."""
    given = command["environment"]
    assert isinstance(given, dict)
    os.environ.clear()
    os.environ.update({**environment, **given})
    with _logging_to(Path(str(command["log"]))):
        try:
            # payload.call takes over the signals, and hears those that were kept, once it has its handlers
            return {"text": payload.call(str(command["call"]), str(command["text"]))}
        except BaseException as error:
            traceback.print_exc()
            lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
            names = {kind.__name__ for kind in type(error).__mro__}
            return {
                "text": None,
                "error": lines[-1].strip() if lines else type(error).__name__,
                "out_of_memory": bool(names & {"OutOfMemoryError", "MemoryError"}),
            }
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, payload.SIGNALS)


@contextlib.contextmanager
def _logging_to(log: Path) -> Iterator[None]:
    """Standard output and error go to the file while it lasts, and stay where they are if it cannot be opened."""
    kept = [os.dup(1), os.dup(2)]
    try:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as problem:
            sys.stderr.write(f"{log}: cannot be opened ({problem}); what runs is logged here\n")
        else:
            _onto(target, target)
            os.close(target)
        yield
    finally:
        _onto(*kept)
        for each in kept:
            os.close(each)


def _onto(output: int, error: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os.dup2(output, 1)
    os.dup2(error, 2)


def wait(pipes: Iterable[int], seconds: float) -> None:
    """Until one of the pipes has something, or ``seconds`` are over."""
    poll = select.poll()
    for pipe in pipes:
        poll.register(pipe, select.POLLIN)
    poll.poll(1000 * max(0.0, seconds))
