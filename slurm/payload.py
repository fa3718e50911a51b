"""What runs on a node: one named function, one text in, one text out.

submitit pickles a reference to :func:`call` and two strings, nothing else. This module is therefore imported by every
job before anything of the user's, and imports the standard library only.

Signals. Slurm warns of the time limit with SIGUSR2 (``--signal=USR2@lead``) and ends jobs (preemption, ``scancel``,
``scontrol requeue``, the limit itself) with SIGTERM. submitit's own answer to SIGUSR2, which is to guess whether the
job timed out, count it, requeue or give up, is replaced here before the function starts:

- the function may install handlers of its own, save and return a JSON object with ``"interrupted": true``;
- a signal that arrives earlier, while the function still imports its libraries, is kept and handed on as soon as the
  function has a handler (and where it arrives before the function was found, the function is not started);
- an interrupted function that saw SIGUSR2 only asks Slurm to requeue this very job (it keeps its id) and leaves no
  result; where ``scontrol`` is missing or refuses, the text is returned, the job ends, and the cluster reports it as
  timed out so that it is submitted again;
- after SIGTERM nobody asks for a requeue: Slurm is already ending the job and alone knows whether it will come back (to
  requeue here would bring a cancelled job back to life).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGUSR2, signal.SIGTERM)
INTERRUPTED = json.dumps({"interrupted": True})
REQUEUE_TIMEOUT_S = 60.0
HAND_ON_EVERY_S = 0.2
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def threads(cores: int) -> dict[str, str]:
    """Variables by which libraries take as many threads as a pack has cores."""
    return dict.fromkeys(THREAD_VARIABLES, str(cores))


def call(function: str, text: str) -> str:
    """Runs ``"module:function"`` on ``text`` and gives its text.

    Raises whatever the function raises, and :class:`SystemExit` once this job is being ended or requeued by Slurm, so
    that no result is left behind.
    """
    with _Listening() as heard:
        target = find(function)
        result = INTERRUPTED if heard.before_start() else target(text)
        if not isinstance(result, str):
            raise TypeError(f"{function} gave a {type(result).__name__}; a payload takes a text and gives a text")
        seen = heard.seen()
    if not interrupted(result) or not on_slurm():
        return result
    if signal.SIGTERM in seen:
        _say("ended by Slurm; what was saved is resumed when the job comes back")
        raise SystemExit(128 + signal.SIGTERM)
    if requeue():
        raise SystemExit(128 + signal.SIGUSR2)
    return result


def find(function: str) -> Callable[[str], str]:
    """The function that ``"module:function"`` names."""
    module, _, name = function.partition(":")
    if not module or not name:
        raise ValueError(f'a payload is named "module:function", not "{function}"')
    target = getattr(importlib.import_module(module), name, None)
    if not callable(target):
        raise ValueError(f"module {module} has no function {name}")
    return target  # type: ignore[no-any-return]  # that it is callable is all that can be known


def interrupted(text: str) -> bool:
    """Whether a payload's text says that it saved and left before its end."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("interrupted") is True


def short(text: str) -> bool:
    """Whether a payload's text says that there was too little time left for what it was to do."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("short") is True


def on_slurm() -> bool:
    """Whether this process is a Slurm job of its own (and not a local job of a driver that runs inside one)."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"


def requeue() -> bool:
    """Asks Slurm to requeue the job this process runs in; False where that is not possible from this node."""
    scontrol = shutil.which("scontrol")
    if scontrol is None:
        _say("no scontrol on this node: the driver submits this job again")
        return False
    try:
        done = subprocess.run(
            [scontrol, "requeue", job_id()], capture_output=True, text=True, timeout=REQUEUE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        _say(f"scontrol requeue: {problem}: the driver submits this job again")
        return False
    if done.returncode:
        _say(f"scontrol requeue: {done.stderr.strip()}: the driver submits this job again")
    return done.returncode == 0


def job_id() -> str:
    """The id of the Slurm job this process runs in, ``array_task`` for one task of an array."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]


def _say(words: str) -> None:
    """A line in the job's log."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


class _Listening:
    """Keeps note of the signals that arrive, whoever handles them, and hands early ones on.

    The note comes from Python's wake-up descriptor, which receives a byte per signal whatever the handler is.
    """

    def __init__(self) -> None:
        self._early: set[int] = set()
        self._handing_on: set[int] = set()
        self._seen: set[int] = set()
        self._over = threading.Event()
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> _Listening:
        if self._main:
            self._reader, self._writer = socket.socketpair()
            self._reader.setblocking(False)
            self._writer.setblocking(False)
            self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._handlers = {number: signal.signal(number, self._keep) for number in SIGNALS}
            # what was blocked until now, and so kept by the system, is heard from here on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._main:
            for number, handler in self._handlers.items():
                # submitit's own handler must not come back: what arrives from here on is too late to save anything
                signal.signal(number, signal.SIG_IGN if on_slurm() else handler)
            signal.set_wakeup_fd(self._wakeup)
            self._reader.close()
            self._writer.close()

    def before_start(self) -> bool:
        """Whether a signal came before the function was started; from here on early ones are handed on."""
        return bool(self._early)

    def seen(self) -> set[int]:
        """Numbers of the signals that arrived so far."""
        if self._main:
            with contextlib.suppress(BlockingIOError):
                while received := self._reader.recv(4096):
                    self._seen.update(received)
        return self._seen | self._early

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._early.add(number)
        if number not in self._handing_on:
            self._handing_on.add(number)
            threading.Thread(target=self._hand_on, args=(number,), daemon=True).start()

    def _hand_on(self, number: int) -> None:
        while not self._over.is_set():
            if signal.getsignal(number) != self._keep:
                os.kill(os.getpid(), number)
                return
            time.sleep(HAND_ON_EVERY_S)
