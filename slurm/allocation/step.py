"""One job of an allocation: what is on disk of it, and how it stands by what is there.

A job is a folder. What happens to it is written before it happens, so that a driver that was killed anywhere finds
every step and starts none twice:

``claim.json``      written first: the job counts as submitted from here on, and is PENDING until a node is free
``started.json``    which step of which allocation on which node, and who its srun is
``<run>_submitted.pkl``  without it the step does nothing and gives up; with it the job is under way
``cancelled.json``  we asked for its end, and when
``<run>_srun.log``, ``<run>_0_log.out``, ``<run>_0_result.pkl``  what srun said; output; the text or traceback
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from slurm import asked_for, executor, job_results, payload, processes
from slurm.allocation import srun, stepping
from slurm.allocation.enclosing import Allocation, Node
from slurm.allocation.srun import Meaning
from slurm.errors import SubmissionRejected
from slurm.files import read_record, write_record
from slurm.jobs import JobState
from slurm.profile import Profile

CLAIM, STARTED, CANCELLED = "claim.json", "started.json", "cancelled.json"


@dataclass(kw_only=True)
class Step:
    """A job, and the newest try at it."""

    folder: Path
    run: str = ""
    """The name of that try; "" before the first."""
    allocation: str = ""
    """The job that it is a step of, as :attr:`slurm.allocation.enclosing.Allocation.job`."""
    node: str = ""
    ends: float | None = None
    """When its allocation ends, as known at its start; seconds since the Unix epoch."""
    process: processes.Identity | None = None
    """Its srun."""
    cancelled_at: float | None = None
    gone_at: float | None = None
    """When its srun was first seen to be gone, without a result."""
    again_at: float = 0.0
    """Not started before."""
    wait: float = 0.0
    """Seconds until it was started again, the last time that it had to be."""
    end: tuple[JobState, str] | None = None

    @property
    def name(self) -> str:
        """The job's id, and the step's name in Slurm."""
        return self.folder.name

    @property
    def begun(self) -> bool:
        """Whether anything ran on the node: its output is there from then on."""
        return executor.log_path(self.folder, self.run).exists()

    @property
    def srun_lives(self) -> bool:
        """Whether its srun runs here; one of another host cannot be seen."""
        return self.process is not None and bool(processes.alive(self.process))

    @property
    def said(self) -> str:
        """The last that its srun said."""
        return srun.words_of(job_results.tail(self.folder / f"{self.run}_srun.log"))

    def left(self) -> tuple[JobState, str] | None:
        """How it ended by the result that it left; None where it left none."""
        return job_results.from_result(self.folder, self.run)

    @property
    def short(self) -> bool:
        """Whether it says that too little time was left for it."""
        left = executor.result(self.folder, self.run)
        return left is not None and not left.error and payload.short(left.text)

    def to_srun(self, number: signal.Signals) -> None:
        """Sends a signal to srun alone, which hands all but TERM and KILL on to the node."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.process.pid, number)

    def cancel(self, now: float) -> None:
        self.cancelled_at = now
        write_record(self.folder / CANCELLED, {"at": now})

    def launch(self, profile: Profile, known: Allocation, node: Node, without: frozenset[Meaning]) -> None:
        """Starts the step. Raises :class:`slurm.errors.SubmissionRejected` where srun cannot be started."""
        claim, run = read_record(self.folder / CLAIM), secrets.token_hex(4)
        words = srun.command(
            known, node, name=self.name, log=executor.log_path(self.folder, run), without=frozenset(without)
        )
        told = {"SLURM_JOB_START_TIME": known.start, "SLURM_JOB_END_TIME": known.end}
        times = {name: f"{at:.0f}" for name, at in told.items() if at is not None}
        try:
            pid = self._start(profile, words, run, times)
        except FileNotFoundError as missing:
            raise SubmissionRejected(
                f"{missing.filename}: not found; executor: allocation needs srun on the PATH, and the profile's "
                "working_folder to be a folder"
            ) from None
        self.run, self.allocation, self.node, self.ends, self.gone_at = run, known.job, node.name, known.end, None
        self.process = processes.identify(pid) or processes.Identity(
            host=processes.this_host(), boot=processes.this_boot(), pid=pid, started=-1.0
        )
        record = {"run": run, "allocation": known.job, "node": node.name, "ends": known.end}
        write_record(self.folder / STARTED, record | {"process": dataclasses.asdict(self.process)})
        warn_at = None if known.end is None else known.end - profile.signal_lead_s
        text = stepping.wrapped(claim["call"], claim["text"], warn_at)
        executor.place_pickle(self.folder, run, stepping.CALL, text)

    def _start(self, profile: Profile, words: list[str], run: str, times: dict[str, str]) -> int:
        """Starts srun in a session of its own, so that it outlives this process and hears nothing of its terminal."""
        script, variables = executor.node_side(profile, self.folder, run)
        with (self.folder / f"{run}_srun.log").open("ab") as log:
            process = subprocess.Popen(
                [*words, *asked_for.image_options(profile), "bash", "-c", script],
                env=executor.clean_environment(os.environ) | variables | times,
                cwd=profile.working_folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.returncode = 0  # let go: it is reaped by its pid, and not missed when this object goes
        return int(process.pid)

    def try_again(self, at: float) -> None:
        """It never began: it is started anew, not before a time."""
        (self.folder / STARTED).unlink(missing_ok=True)
        self.run, self.node, self.process, self.gone_at, self.again_at = "", "", None, None, at


def claim(folder: Path, call: str, text: str, avoid: list[str]) -> Step:
    """A new job in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / CLAIM, {"call": call, "text": text, "avoid": avoid})
    return Step(folder=folder)


def load(folder: Path) -> Step | None:
    """The job of a folder, as an earlier driver left it; None where there is none."""
    if not (folder / CLAIM).exists():
        return None
    step = Step(folder=folder)
    if (folder / CANCELLED).exists():
        step.cancelled_at = read_record(folder / CANCELLED)["at"]
    if (folder / STARTED).exists():
        started = read_record(folder / STARTED)
        if executor.pickle_path(folder, started["run"]).exists():  # else it has nothing to do, and is started anew
            step.run, step.allocation, step.node = started["run"], started["allocation"], started["node"]
            step.ends, step.process = started["ends"], processes.Identity(**started["process"])
    return step


def log(job: str, folder: Path) -> Path | None:
    """Where the job's standard output and error go, or what srun said before there were any; None for one that is no
    step, or was not started."""
    started = folder / job / STARTED
    record = read_record(started) if started.exists() else {}
    if "run" not in record:
        return None
    path = executor.log_path(folder / job, record["run"])
    return path if path.exists() else folder / job / f"{record['run']}_srun.log"
